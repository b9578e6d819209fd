//! Peers that do not keep to the protocol, one misbehaviour a test
//! (`docs/protocol.md`, "Misbehaviour").

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use proptest::prelude::*;
use samara_core::blob::{MAX_BLOB_LEN, TAG_LEN};
use samara_core::message::{ErrorCode, Features, Handshake, Hops, PROTOCOL_VERSION, Reach};
use samara_core::{BlobId, BlobKey, Link, MemberId, Message, PeerId, RequestId, Topic};
use samara_swarm::{
    Cause, Config, ConnectionId, Event, Input, Output, Path, Problem, StoreFailure, Swarm, Target,
    Time, TransferId,
};

/// A machine that faces one hostile peer.
struct Victim {
    swarm: Swarm,
    now: u64,
    peer: ConnectionId,
}

fn handshake(version: u16) -> Handshake {
    Handshake {
        version,
        features: Features::PARTS.with(Features::CANCEL),
        peer: PeerId::from_bytes([66; 32]),
        max_message: 1 << 20,
    }
}

fn blob(byte: u8) -> BlobId {
    BlobId::from_bytes([byte; 32])
}

impl Victim {
    /// Accepts the peer's connection.
    fn new(features: Features) -> Self {
        let mut config = Config::new(PeerId::from_bytes([1; 32]));
        config.features = features;
        config.webrtc = true;
        let mut swarm = Swarm::new(config, [7; 32]);
        let peer = swarm.connection();
        let mut victim = Self {
            swarm,
            now: 0,
            peer,
        };
        victim.accept();
        victim
    }

    fn accept(&mut self) {
        self.accept_over(Path::WebSocket, 2 << 20);
    }

    fn accept_over(&mut self, path: Path, max_message: usize) {
        self.peer = self.swarm.connection();
        let connection = self.peer;
        self.input(Input::Accepted {
            connection,
            path,
            max_message,
        });
    }

    /// Stays connected to an address, where the peer answers.
    fn dial(&mut self, address: &str) {
        let address = address.to_owned();
        let outputs = self.input(Input::Keep { address });
        let dialed = outputs.into_iter().find_map(|output| match output {
            Output::Dial { connection, .. } => Some(connection),
            _ => None,
        });
        self.peer = dialed.unwrap();
        let connection = self.peer;
        self.input(Input::Connected {
            connection,
            path: Path::WebSocket,
            max_message: 2 << 20,
        });
    }

    /// Accepts the peer and lets it greet properly.
    fn greeted(features: Features) -> Self {
        let mut victim = Self::new(features);
        let outputs = victim.receive(&Message::Handshake(handshake(PROTOCOL_VERSION)));
        let acks = sent(&outputs);
        assert!(matches!(acks[..], [Message::HandshakeAck(_)]), "{acks:?}");
        victim
    }

    /// A victim that wants one blob which the peer says it holds, and asked
    /// for it as the returned request.
    fn asking() -> (Self, RequestId) {
        let mut victim = Self::greeted(Features::default());
        let depth = samara_core::entry::blob::Depth::ZERO;
        let key = BlobKey::from_bytes([5; 32]);
        let link = Link {
            id: blob(9),
            key,
            depth,
        };
        let (transfer, target) = (TransferId(1), Target::Link(link));
        victim.input(Input::Open { transfer, target });
        let outputs = victim.receive(&Message::Have([(blob(9), 100)].into()));
        let request = sent(&outputs)
            .into_iter()
            .find_map(|message| match message {
                Message::Request { request, .. } => Some(request),
                _ => None,
            });
        (victim, request.unwrap())
    }

    fn input(&mut self, input: Input) -> Vec<Output> {
        self.swarm.handle(Time(self.now), input);
        std::iter::from_fn(|| self.swarm.poll()).collect()
    }

    fn receive(&mut self, message: &Message) -> Vec<Output> {
        self.receive_bytes(message.encode())
    }

    fn receive_bytes(&mut self, message: Bytes) -> Vec<Output> {
        let connection = self.peer;
        self.input(Input::Received {
            connection,
            message,
        })
    }

    fn wait(&mut self, seconds: u64) -> Vec<Output> {
        self.now += seconds * 1000;
        self.input(Input::Tick)
    }
}

fn sent(outputs: &[Output]) -> Vec<Message> {
    let messages = outputs.iter().filter_map(|output| match output {
        Output::Send { message, .. } => Some(Message::decode(message).unwrap()),
        _ => None,
    });
    messages.collect()
}

/// The peer was told what it did, the user too, and the connection closed.
#[track_caller]
fn assert_cut(outputs: &[Output], expected: ErrorCode) {
    let told = sent(outputs).into_iter().any(|message| match message {
        Message::Error {
            request: RequestId(0),
            code,
            ..
        } => code == expected,
        _ => false,
    });
    assert!(told, "told {expected:?}: {outputs:?}");
    let closed = |output: &Output| matches!(output, Output::Close { .. });
    assert!(outputs.iter().any(closed), "closed: {outputs:?}");
    let reported = |output: &Output| matches!(output, Output::Event(Event::Misbehaved { .. }));
    assert!(outputs.iter().any(reported), "reported: {outputs:?}");
}

#[test]
fn a_peer_that_sends_no_message_is_cut() {
    let mut victim = Victim::new(Features::default());
    let outputs = victim.receive_bytes(Bytes::from_static(b"GET / HTTP/1.1"));
    assert_cut(&outputs, ErrorCode::MALFORMED);
}

#[test]
fn a_peer_that_does_not_greet_first_is_cut() {
    let mut victim = Victim::new(Features::default());
    let (request, blob) = (RequestId(1), blob(1));
    let outputs = victim.receive(&Message::Request { request, blob });
    assert_cut(&outputs, ErrorCode::UNEXPECTED);
}

#[test]
fn a_peer_that_greets_twice_is_cut() {
    let mut victim = Victim::greeted(Features::default());
    let outputs = victim.receive(&Message::Handshake(handshake(PROTOCOL_VERSION)));
    assert_cut(&outputs, ErrorCode::UNEXPECTED);
}

#[test]
fn a_peer_of_another_version_is_told_so_and_cut() {
    let mut victim = Victim::new(Features::default());
    let outputs = victim.receive(&Message::Handshake(handshake(2)));
    assert_cut(&outputs, ErrorCode::VERSION);
}

/// A dialed peer's answer, and what the user hears of it.
fn problem_after(answer: &Message) -> Problem {
    let mut victim = Victim::new(Features::default());
    victim.dial("ws://kept/ws");
    let outputs = victim.receive(answer);
    let mut problems = outputs.into_iter().filter_map(|output| match output {
        Output::Event(Event::Kept { problem, .. }) => problem,
        _ => None,
    });
    problems.next().expect("the address is not connected")
}

#[test]
fn another_version_is_told_from_other_failures_whoever_notices_it() {
    let refusal = |code| Message::Error {
        request: RequestId(0),
        code,
        text: "no".into(),
    };
    for (answer, cause) in [
        (Message::HandshakeAck(handshake(2)), Cause::OtherVersion),
        (refusal(ErrorCode::VERSION), Cause::OtherVersion),
        (refusal(ErrorCode::TOO_MANY), Cause::Unreachable),
        (Message::Have(Vec::new()), Cause::Unreachable),
    ] {
        assert_eq!(problem_after(&answer).cause, cause, "{answer:?}");
    }
}

#[test]
fn a_peer_that_never_greets_is_cut_in_time() {
    let mut victim = Victim::new(Features::default());
    assert_eq!(victim.wait(9), []);
    assert_cut(&victim.wait(1), ErrorCode::TIMEOUT);
}

#[test]
fn a_message_longer_than_announced_is_cut() {
    let mut victim = Victim::greeted(Features::default());
    let outputs = victim.receive_bytes(Bytes::from(vec![3; MAX_BLOB_LEN + 1000]));
    assert_cut(&outputs, ErrorCode::MALFORMED);

    let mut victim = Victim::new(Features::default());
    victim.accept_over(Path::WebRtc, 262_144);
    victim.receive(&Message::Handshake(handshake(PROTOCOL_VERSION)));
    let outputs = victim.receive_bytes(Bytes::from(vec![9; 262_145]));
    assert_cut(&outputs, ErrorCode::MALFORMED);
    let text = sent(&outputs)
        .into_iter()
        .find_map(|message| match message {
            Message::Error { text, .. } => Some(text),
            _ => None,
        });
    assert_eq!(text.as_deref(), Some("a message too long"));
}

#[test]
fn an_answer_to_no_request_is_cut() {
    let mut victim = Victim::greeted(Features::default());
    let (request, blob, data) = (RequestId(1), blob(1), Bytes::from_static(&[0; TAG_LEN]));
    let outputs = victim.receive(&Message::Response {
        request,
        blob,
        data,
    });
    assert_cut(&outputs, ErrorCode::UNEXPECTED);
}

#[test]
fn an_answer_with_another_blob_is_cut() {
    let (mut victim, request) = Victim::asking();
    let (blob, data) = (blob(8), Bytes::from_static(&[0; TAG_LEN]));
    let outputs = victim.receive(&Message::Response {
        request,
        blob,
        data,
    });
    assert_cut(&outputs, ErrorCode::UNEXPECTED);
}

#[test]
fn a_part_beyond_the_blob_is_cut() {
    let (mut victim, request) = Victim::asking();
    let data = Bytes::from_static(b"abc");
    let outputs = victim.receive(&Message::Part {
        request,
        offset: 99,
        total: 100,
        data,
    });
    assert_cut(&outputs, ErrorCode::UNEXPECTED);
}

#[test]
fn a_peer_that_serves_a_wrong_blob_is_cut_and_banned() {
    let (mut victim, request) = Victim::asking();
    let (blob, data) = (blob(9), Bytes::from_static(&[0; TAG_LEN]));
    let outputs = victim.receive(&Message::Response {
        request,
        blob,
        data,
    });
    assert!(matches!(outputs[..], [Output::Store { .. }]), "{outputs:?}");
    let (connection, result) = (victim.peer, Err(StoreFailure::WrongBlob));
    let outputs = victim.input(Input::Stored {
        connection,
        blob,
        result,
    });
    assert_cut(&outputs, ErrorCode::WRONG_BLOB);

    victim.accept();
    let again = victim.receive(&Message::Handshake(handshake(PROTOCOL_VERSION)));
    assert!(matches!(again[..], [Output::Close { .. }]), "{again:?}");
    victim.wait(61);
    victim.accept();
    let later = victim.receive(&Message::Handshake(handshake(PROTOCOL_VERSION)));
    assert!(
        matches!(sent(&later)[..], [Message::HandshakeAck(_), ..]),
        "{later:?}"
    );
}

#[test]
fn a_peer_that_serves_a_wrong_blob_is_cut_on_every_connection() {
    let (mut victim, request) = Victim::asking();
    let first = victim.peer;
    victim.accept();
    victim.receive(&Message::Handshake(handshake(PROTOCOL_VERSION)));
    victim.receive(&Message::Have([(blob(9), 100)].into()));
    let second = std::mem::replace(&mut victim.peer, first);
    let (blob, data) = (blob(9), Bytes::from_static(&[0; TAG_LEN]));
    victim.receive(&Message::Response {
        request,
        blob,
        data,
    });
    let (connection, result) = (first, Err(StoreFailure::WrongBlob));
    let outputs = victim.input(Input::Stored {
        connection,
        blob,
        result,
    });
    for connection in [first, second] {
        assert!(outputs.contains(&Output::Close { connection }));
    }
    let asked = sent(&outputs).into_iter();
    let asked = asked.filter(|message| matches!(message, Message::Request { .. }));
    assert_eq!(asked.count(), 0, "it is not asked again: {outputs:?}");
}

#[test]
fn a_peer_that_owes_a_blob_and_falls_silent_is_let_go() {
    let (mut victim, _) = Victim::asking();
    assert_eq!(
        victim.wait(59),
        [],
        "a slow source has time for one whole blob"
    );
    let outputs = victim.wait(1);
    let cancelled = |message: &Message| matches!(message, Message::Cancel { .. });
    assert!(sent(&outputs).iter().any(cancelled), "{outputs:?}");
    assert!(
        outputs
            .iter()
            .any(|output| matches!(output, Output::Close { .. }))
    );
}

#[test]
fn a_peer_gets_no_message_that_its_features_do_not_name() {
    let plain = Handshake {
        features: Features::default(),
        max_message: 4096,
        ..handshake(PROTOCOL_VERSION)
    };
    let mut victim = Victim::new(Features::default());
    victim.receive(&Message::Handshake(plain));
    victim.input(Input::Holding(vec![(blob(1), 4060)]));
    let (request, blob) = (RequestId(1), blob(1));
    let outputs = victim.receive(&Message::Request { request, blob });
    assert_eq!(sent(&outputs), [Message::NotFound { request, blob }]);
}

#[test]
fn a_source_that_dribbles_is_let_go() {
    let (mut victim, request) = Victim::asking();
    for offset in 0..10 {
        let (data, total) = (Bytes::from_static(b"1"), 1_000_000);
        victim.receive(&Message::Part {
            request,
            offset,
            total,
            data,
        });
        let outputs = victim.wait(14);
        if outputs
            .iter()
            .any(|output| matches!(output, Output::Close { .. }))
        {
            return;
        }
    }
    panic!("a byte every 14 seconds counts as progress");
}

#[test]
fn a_peer_that_asks_and_takes_no_answers_is_cut() {
    let mut victim = Victim::greeted(Features::default());
    victim.input(Input::Holding(vec![(blob(1), 100)]));
    let mut queued = 0;
    for _ in 0..1000 {
        let outputs = victim.receive(&Message::Want(vec![(blob(1), Hops::OWN); 1024]));
        let messages = sent(&outputs).into_iter();
        queued += messages
            .map(|message| message.encode().len())
            .sum::<usize>();
        if outputs
            .iter()
            .any(|output| matches!(output, Output::Close { .. }))
        {
            assert_cut(&outputs, ErrorCode::TOO_MANY);
            assert!(queued < 9 << 20, "{queued} bytes queued");
            return;
        }
    }
    panic!("{queued} bytes queued for a peer that takes nothing");
}

#[test]
fn a_flood_of_requests_is_cut() {
    let mut victim = Victim::greeted(Features::default());
    victim.input(Input::Holding(vec![(blob(1), 100)]));
    for number in 1..=64 {
        let (request, blob) = (RequestId(number), blob(1));
        let outputs = victim.receive(&Message::Request { request, blob });
        assert!(
            !outputs
                .iter()
                .any(|output| matches!(output, Output::Close { .. }))
        );
    }
    let outputs = (65..70).find_map(|number| {
        let (request, blob) = (RequestId(number), blob(1));
        let outputs = victim.receive(&Message::Request { request, blob });
        (!outputs.is_empty()).then_some(outputs)
    });
    assert_cut(&outputs.unwrap(), ErrorCode::TOO_MANY);
}

#[test]
fn a_flood_of_wants_is_cut() {
    let mut victim = Victim::greeted(Features::default());
    let mut number = 0_u64;
    let outputs = (0..100).find_map(|_| {
        let wants = (0..1000).map(|_| {
            number += 1;
            let mut id = [0; 32];
            id[..8].copy_from_slice(&number.to_be_bytes());
            (BlobId::from_bytes(id), Hops::OWN)
        });
        let outputs = victim.receive(&Message::Want(wants.collect()));
        (!outputs.is_empty()).then_some(outputs)
    });
    assert_cut(&outputs.unwrap(), ErrorCode::TOO_MANY);
    assert!(number <= 9000, "bounded at {number}");
}

#[test]
fn haves_of_blobs_nobody_wants_cost_nothing() {
    let mut victim = Victim::greeted(Features::KEEPS);
    for byte in 0..=255 {
        assert_eq!(victim.receive(&Message::Have(vec![(blob(byte), 100)])), []);
    }
}

#[test]
fn a_pushed_blob_larger_than_is_kept_is_left_alone() {
    let mut victim = Victim::greeted(Features::KEEPS);
    victim.receive(&Message::Want(vec![(blob(1), Hops::OWN)]));
    assert_eq!(victim.receive(&Message::Have(vec![(blob(1), 6 << 20)])), []);
    let outputs = victim.receive(&Message::Have(vec![(blob(1), 1000)]));
    assert!(matches!(sent(&outputs)[..], [Message::Request { .. }]));
}

#[test]
fn a_rooms_message_from_a_peer_that_is_no_relay_is_cut() {
    let topic = Topic::from_bytes([0; 20]);
    let (member, sealed) = (MemberId(1), Bytes::new());
    for message in [
        Message::Signal {
            topic,
            member,
            sealed,
        },
        Message::Left { topic, member },
        Message::Join {
            topic,
            reach: Reach::WEBRTC,
        },
    ] {
        let mut victim = Victim::greeted(Features::default());
        assert_cut(&victim.receive(&message), ErrorCode::UNEXPECTED);
    }
}

#[test]
fn connections_beyond_the_limit_are_closed_at_once() {
    let mut victim = Victim::new(Features::default());
    for _ in 0..300 {
        victim.accept();
    }
    let connection = victim.swarm.connection();
    let (path, max_message) = (Path::WebSocket, 2 << 20);
    let outputs = victim.input(Input::Accepted {
        connection,
        path,
        max_message,
    });
    assert_eq!(outputs, [Output::Close { connection }]);
}

proptest! {
    #[test]
    fn no_bytes_make_the_machine_panic(messages: Vec<(u8, Vec<u8>)>) {
        let (mut victim, _) = Victim::asking();
        for (kind, body) in messages {
            let kind = if kind < 200 { kind % 23 } else { kind };
            victim.receive_bytes([&[kind][..], &body].concat().into());
        }
    }
}
