//! Two ends in one process, with the test in the relay's place.

use std::net::Ipv4Addr;

use samara_swarm::{ConnectionId, Input, Pair, Path};
use tokio::net::UdpSocket;
use tokio_util::sync::DropGuard;

use super::*;
use crate::connection::{Queue, attach};
use crate::driver::Command;

/// One end of a connection, as the machine's task sees it.
struct End {
    inputs: mpsc::Receiver<Input>,
    queue: Queue,
    signals: mpsc::Sender<Signal>,
    attempt: DropGuard,
    _commands: mpsc::UnboundedReceiver<Command>,
}

impl End {
    fn new(webrtc: &WebRtc, role: Role) -> Self {
        let (wire, inputs) = mpsc::channel(16);
        let (commands, from_transport) = mpsc::unbounded_channel();
        let (queue, attached) = attach(ConnectionId(1), wire, commands);
        let stop = CancellationToken::new();
        let attempt = stop.clone().drop_guard();
        Self {
            inputs,
            queue,
            signals: webrtc.connect(role, attached, stop),
            attempt,
            _commands: from_transport,
        }
    }

    async fn next(&mut self) -> Input {
        self.inputs.recv().await.unwrap()
    }

    /// Passes on what this end says to the other until it is connected; its
    /// longest message and its binding.
    async fn connected(&mut self, other: &mpsc::Sender<Signal>) -> (usize, Bytes) {
        loop {
            match self.next().await {
                Input::Signal { signal, .. } => other.send(signal).await.unwrap(),
                Input::Connected {
                    path: Path::WebRtc,
                    max_message,
                    binding,
                    ..
                } => return (max_message, binding),
                input => panic!("{input:?}"),
            }
        }
    }

    /// Why it ended, however much else it says before.
    async fn closed(&mut self) -> String {
        loop {
            if let Input::Closed { reason, .. } = self.next().await {
                return reason;
            }
        }
    }
}

fn webrtc() -> WebRtc {
    with_servers(Vec::new())
}

fn with_servers(ice_servers: Vec<IceServer>) -> WebRtc {
    with(WebRtcConfig {
        ice_servers,
        ..WebRtcConfig::default()
    })
}

fn with(config: WebRtcConfig) -> WebRtc {
    let config = WebRtcConfig {
        addresses: vec![Ipv4Addr::LOCALHOST.into()],
        ..config
    };
    WebRtc::start(config, TaskTracker::new()).unwrap()
}

/// An end that has made its offer.
async fn offering(webrtc: &WebRtc) -> (End, String) {
    let mut end = End::new(webrtc, Role::Offer);
    match end.next().await {
        Input::Signal {
            signal: Signal::Offer(offer),
            ..
        } => (end, offer),
        input => panic!("{input:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_queued_before_a_close_arrives_on_a_channel_both_ends_know() {
    let webrtc = webrtc();
    let (mut one, offer) = offering(&webrtc).await;
    let mut other = End::new(&webrtc, Role::Answer(offer));
    let (to_one, to_other) = (one.signals.clone(), other.signals.clone());
    let (of_one, of_other) = tokio::join!(one.connected(&to_other), other.connected(&to_one));
    assert_eq!(of_one, of_other);
    let (max_message, binding) = of_one;
    assert_eq!((max_message, binding.len()), (64 << 10, 64));

    let message = |number: u8| Bytes::from(vec![number; max_message]);
    for number in 0..100 {
        one.queue.send(message(number));
    }
    drop(one.queue);
    let mut numbers = 0..100;
    let mut through = None;
    loop {
        match other.next().await {
            Input::Received { message: came, .. } => {
                assert!(came == message(numbers.next().unwrap()));
            }
            Input::Selected { pair, .. } => through = Some(pair),
            Input::Closed { .. } => break,
            Input::Signal { .. } => {}
            input => panic!("{input:?}"),
        }
    }
    assert_eq!(numbers, 100..100);
    assert_eq!(through, Some(Pair::Direct));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_is_none_ends_the_attempt() {
    let webrtc = webrtc();
    for offer in ["", "v=0\r\n", "no description at all"] {
        let mut end = End::new(&webrtc, Role::Answer(offer.to_owned()));
        let reason = end.closed().await;
        assert!(reason.contains("could not be made"), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_offer_ends_the_attempt() {
    let webrtc = webrtc();
    let (mut end, offer) = offering(&webrtc).await;
    end.signals.send(Signal::Offer(offer)).await.unwrap();
    let reason = end.closed().await;
    assert!(reason.contains("a second offer"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_is_given_up_ends() {
    let webrtc = webrtc();
    let (mut end, _) = offering(&webrtc).await;
    let candidate = Signal::Candidate {
        mid: "0".to_owned(),
        mline: 0,
        candidate: "candidate: of no use".to_owned(),
    };
    // Candidates of no use end nothing, however many they are.
    for _ in 0..2 * SIGNALS {
        end.signals.send(candidate.clone()).await.unwrap();
    }
    drop(end.attempt);
    let reason = loop {
        if let Input::Closed { reason, .. } = end.inputs.recv().await.unwrap() {
            break reason;
        }
    };
    assert_eq!(reason, "the attempt was given up");
    webrtc.tasks.close();
    drop(webrtc.ways);
    webrtc.tasks.wait().await;
}

const SEEN_PORT: u16 = 4321;

/// A STUN server that sees everybody at 203.0.113.5.
async fn serve_stun(socket: UdpSocket) {
    let mut request = [0; 1500];
    loop {
        let (len, from) = socket.recv_from(&mut request).await.unwrap();
        assert!(len >= 20 && request[..2] == [0, 1]);
        let cookie_and_transaction = &request[4..20];
        let mut response = vec![1, 1, 0, 12];
        response.extend(cookie_and_transaction);
        // XOR-MAPPED-ADDRESS (RFC 8489, section 14.2).
        response.extend([0, 0x20, 0, 8, 0, 1]);
        response.extend((SEEN_PORT ^ 0x2112).to_be_bytes());
        let address = u32::from(Ipv4Addr::new(203, 0, 113, 5)) ^ 0x2112_a442;
        response.extend(address.to_be_bytes());
        socket.send_to(&response, from).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_says_how_either_end_is_seen_from_outside() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let url = format!("stun:{}", server.local_addr().unwrap());
    tokio::spawn(serve_stun(server));
    let webrtc = with_servers(vec![url.parse().unwrap()]);
    let (mut one, offer) = offering(&webrtc).await;
    let mut other = End::new(&webrtc, Role::Answer(offer));
    for end in [&mut one, &mut other] {
        let seen = loop {
            if let Input::Signal {
                signal: Signal::Candidate { candidate, .. },
                ..
            } = end.next().await
                && candidate.contains("typ srflx")
            {
                break candidate;
            }
        };
        assert!(
            seen.contains(&format!(" 203.0.113.5 {SEEN_PORT} ")),
            "{seen}"
        );
    }
}

/// The port of the first candidate that an end tells.
async fn port(end: &mut End) -> u16 {
    loop {
        if let Input::Signal {
            signal: Signal::Candidate { candidate, .. },
            ..
        } = end.next().await
        {
            let words: Vec<_> = candidate.split(' ').collect();
            return words[5].parse().unwrap();
        }
    }
}

/// Three ports in a row that are free now.
fn three() -> std::ops::RangeInclusive<u16> {
    let here = |port| std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port));
    loop {
        let low = here(0).unwrap().local_addr().unwrap().port();
        if low < u16::MAX - 2 && (low..=low + 2).all(|port| here(port).is_ok()) {
            return low..=low + 2;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_channels_keep_to_a_range_of_ports_and_say_when_it_is_used_up() {
    let range = three();
    let ports = format!("{}-{}", range.start(), range.end());
    let bounded = with(WebRtcConfig {
        ports: Some(ports.parse().unwrap()),
        ..WebRtcConfig::default()
    });
    let elsewhere = webrtc();
    let shared = bounded.ways.port.number();
    assert!(range.contains(&shared));
    // Whatever number others begin, they share the one.
    let mut ends = Vec::new();
    for _ in 0..3 {
        let (_one, offer) = offering(&elsewhere).await;
        let mut end = End::new(&bounded, Role::Answer(offer));
        assert_eq!(port(&mut end).await, shared);
        ends.push(end);
    }
    let (mut one, _) = offering(&bounded).await;
    let (mut other, _) = offering(&bounded).await;
    let mut used = [shared, port(&mut one).await, port(&mut other).await];
    used.sort_unstable();
    assert!(used.into_iter().eq(range));

    let reason = End::new(&bounded, Role::Offer).closed().await;
    assert!(
        reason.contains(&format!("no UDP port of {ports} is free")),
        "{reason}"
    );
    // One that ends gives its port back.
    drop(other.attempt);
    while other.inputs.recv().await.is_some() {}
    let (mut again, _) = loop {
        let mut end = End::new(&bounded, Role::Offer);
        match end.next().await {
            Input::Signal { signal, .. } => break (end, signal),
            Input::Closed { .. } => tokio::task::yield_now().await,
            input => panic!("{input:?}"),
        }
    };
    assert!(used.contains(&port(&mut again).await));
}
