//! Rooms over real sockets.

mod common;

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use common::{Peer, Relay, TOPIC, handshake, signal, stranger};
use futures_util::{SinkExt as _, StreamExt as _};
use samara_core::identity::{Greeting, Role};
use samara_core::message::{ErrorCode, Features, Handshake, Reach};
use samara_core::{MemberId, Message, RequestId};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

fn error_code(message: Option<&Message>) -> Option<ErrorCode> {
    match message {
        Some(Message::Error { code, .. }) => Some(*code),
        _ => None,
    }
}

#[tokio::test]
async fn the_relay_says_that_it_keeps_rooms_and_pushed_blobs() {
    let relay = Relay::start().await;
    let mut peer = Peer::dial(relay.addr()).await;
    let theirs = peer.greet().await;
    let both = Features::ROOMS.with(Features::KEEPS);
    assert!(theirs.features.contains(both));
}

#[tokio::test]
async fn two_members_signal_each_other() {
    let relay = Relay::start().await;
    let (mut a, mut b) = (relay.peer().await, relay.peer().await);
    let (a_id, others) = a.join().await;
    assert_eq!(others, []);
    let (b_id, others) = b.join().await;
    assert_eq!(others, [(a_id, Reach::WEBRTC)]);
    let joined = Message::Joined {
        topic: TOPIC,
        member: b_id,
        reach: Reach::WEBRTC,
    };
    assert_eq!(a.recv().await, joined);

    a.send(&signal(b_id, &b"an offer"[..])).await;
    assert_eq!(b.recv().await, signal(a_id, &b"an offer"[..]));
    b.send(&signal(a_id, vec![7; 64 << 10])).await;
    assert_eq!(a.recv().await, signal(b_id, vec![7; 64 << 10]));

    assert_eq!(relay.metric("samara_signal_messages_total").await, 2);
    assert_eq!(
        relay.metric("samara_signal_bytes_total").await,
        8 + (64 << 10)
    );
    assert_eq!(relay.metric("samara_rooms").await, 1);
    assert_eq!(relay.metric("samara_connections").await, 2);
}

#[tokio::test]
async fn who_leaves_or_disconnects_is_missed_by_the_others() {
    let relay = Relay::start().await;
    let (mut a, mut b) = (relay.peer().await, relay.peer().await);
    let (a_id, _) = a.join().await;
    let (b_id, _) = b.join().await;
    let left = |member| Message::Left {
        topic: TOPIC,
        member,
    };
    b.send(&Message::Leave { topic: TOPIC }).await;
    let joined = a.recv().await;
    assert!(matches!(joined, Message::Joined { member, .. } if member == b_id));
    assert_eq!(a.recv().await, left(b_id));

    let (again, _) = b.join().await;
    assert_ne!(again, b_id);
    drop(a);
    assert_eq!(b.recv().await, left(a_id));
}

#[tokio::test]
async fn a_signal_to_somebody_gone_is_answered() {
    let relay = Relay::start().await;
    let mut a = relay.peer().await;
    let nobody = MemberId(1);
    a.send(&signal(nobody, &b"hello"[..])).await;
    let answer = a.recv().await;
    assert_eq!(error_code(Some(&answer)), Some(ErrorCode::NO_MEMBER));

    a.join().await;
    a.send(&signal(nobody, &b"hello"[..])).await;
    let left = Message::Left {
        topic: TOPIC,
        member: nobody,
    };
    assert_eq!(a.recv().await, left);
    let answer = a.recv().await;
    assert_eq!(error_code(Some(&answer)), Some(ErrorCode::NO_MEMBER));
}

#[tokio::test]
async fn a_peer_that_floods_is_cut_off() {
    let few = |limits: &mut samara_relay::Limits| {
        limits.messages_per_second = NonZeroU32::new(2).unwrap();
    };
    let relay = Relay::with_limits(few).await;
    let mut peer = relay.peer().await;
    let leave = Message::Leave { topic: TOPIC }.encode();
    for _ in 0..100 {
        let sent = peer.socket.feed(Frame::Binary(leave.clone())).await;
        if sent.is_err() {
            break;
        }
    }
    let _ = peer.socket.flush().await;
    let (said, close) = peer.until_closed().await;
    assert_eq!(error_code(said.last()), Some(ErrorCode::TOO_MANY));
    assert_eq!(close.unwrap().code, CloseCode::Policy);
    assert_eq!(relay.metric("samara_connections_cut_total").await, 1);
}

#[tokio::test]
async fn rooms_are_closed_to_who_has_not_said_handshake() {
    let relay = Relay::start().await;
    let mut peer = Peer::dial(relay.addr()).await;
    let reach = Reach::default();
    peer.send(&Message::Join {
        topic: TOPIC,
        reach,
    })
    .await;
    let (said, close) = peer.until_closed().await;
    assert_eq!(error_code(said.last()), Some(ErrorCode::UNEXPECTED));
    assert_eq!(close.unwrap().code, CloseCode::Policy);
    assert_eq!(relay.metric("samara_joins_total").await, 0);
}

#[tokio::test]
async fn rooms_are_closed_to_who_has_not_proven_itself() {
    let relay = Relay::start().await;
    let mut peer = Peer::dial(relay.addr()).await;
    peer.say_handshake(handshake(&stranger())).await;
    let reach = Reach::default();
    peer.send(&Message::Join {
        topic: TOPIC,
        reach,
    })
    .await;
    let (said, close) = peer.until_closed().await;
    assert_eq!(error_code(said.last()), Some(ErrorCode::UNEXPECTED));
    assert_eq!(close.unwrap().code, CloseCode::Policy);
    assert_eq!(relay.metric("samara_joins_total").await, 0);
}

#[tokio::test]
async fn who_borrows_an_identity_is_cut_off() {
    let relay = Relay::start().await;
    let mut peer = Peer::dial(relay.addr()).await;
    let borrowed = handshake(&stranger());
    let theirs = peer.say_handshake(borrowed).await;
    let greeting = Greeting {
        dialer: &borrowed,
        dialed: &theirs,
        binding: &[0],
    };
    let proof = stranger().prove(Role::Dialer, &greeting);
    peer.send(&Message::Proof(proof)).await;
    let (said, close) = peer.until_closed().await;
    assert_eq!(error_code(said.last()), Some(ErrorCode::NOT_PROVEN));
    assert_eq!(close.unwrap().code, CloseCode::Policy);
}

#[tokio::test]
async fn who_says_nothing_is_cut_off() {
    let soon = Duration::from_millis(50);
    let relay = Relay::with_limits(|limits| limits.handshake = soon).await;
    let mut peer = Peer::dial(relay.addr()).await;
    let (said, close) = peer.until_closed().await;
    assert_eq!(error_code(said.last()), Some(ErrorCode::TIMEOUT));
    assert_eq!(close.unwrap().code, CloseCode::Policy);
}

#[tokio::test]
async fn a_peer_of_another_version_is_told_so() {
    let relay = Relay::start().await;
    let mut peer = Peer::dial(relay.addr()).await;
    peer.send(&Message::Handshake(Handshake {
        version: 999,
        ..handshake(&stranger())
    }))
    .await;
    let (said, close) = peer.until_closed().await;
    assert_eq!(error_code(said.last()), Some(ErrorCode::VERSION));
    assert_eq!(close.unwrap().code, CloseCode::Policy);
}

#[tokio::test]
async fn a_peer_that_went_silent_is_cut_off_and_one_that_answers_pings_is_not() {
    let quick = |limits: &mut samara_relay::Limits| {
        limits.ping_after = Duration::from_millis(100);
        limits.cut_after = Duration::from_secs(1);
    };
    let relay = Relay::with_limits(quick).await;
    // The answers to pings are given while reading.
    let (mut silent, mut lively) = (relay.peer().await, relay.peer().await);
    lively.join().await;
    let cut = async {
        while relay.metric("samara_connections_cut_total").await == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = cut => {}
        said = lively.recv_or_close() => panic!("{said:?} to the lively peer"),
    }
    let (said, _) = silent.until_closed().await;
    assert_eq!(error_code(said.last()), Some(ErrorCode::TIMEOUT));
}

#[tokio::test]
async fn messages_of_relays_and_unreadable_ones_end_the_connection() {
    let relay = Relay::start().await;
    let left = Message::Left {
        topic: TOPIC,
        member: MemberId(1),
    };
    let sources = Message::Sources {
        topic: TOPIC,
        addresses: Vec::new(),
    };
    for (bytes, code) in [
        (left.encode(), ErrorCode::UNEXPECTED),
        (sources.encode(), ErrorCode::UNEXPECTED),
        (vec![16, 1, 2].into(), ErrorCode::MALFORMED),
        (vec![200].into(), ErrorCode::MALFORMED),
    ] {
        let mut peer = relay.peer().await;
        peer.send_bytes(bytes).await;
        let (said, _) = peer.until_closed().await;
        assert_eq!(error_code(said.last()), Some(code));
    }
    let mut peer = relay.peer().await;
    peer.socket.send(Frame::text("hello")).await.unwrap();
    let (_, close) = peer.until_closed().await;
    assert_eq!(close.unwrap().code, CloseCode::Unsupported);
}

#[tokio::test]
async fn rooms_and_their_members_are_limited() {
    let few = |limits: &mut samara_relay::Limits| {
        limits.rooms_per_connection = 1;
        limits.members_per_room = 1;
    };
    let relay = Relay::with_limits(few).await;
    let (mut a, mut b) = (relay.peer().await, relay.peer().await);
    a.join().await;
    let join = |topic| Message::Join {
        topic,
        reach: Reach::default(),
    };
    b.send(&join(TOPIC)).await;
    let full = b.recv().await;
    assert_eq!(error_code(Some(&full)), Some(ErrorCode::TOO_MANY));
    a.send(&join(samara_core::Topic::from_bytes([1; 20]))).await;
    let enough = a.recv().await;
    assert_eq!(error_code(Some(&enough)), Some(ErrorCode::TOO_MANY));
}

#[tokio::test]
async fn a_receiver_that_reads_nothing_slows_its_sender_and_harms_nobody_else() {
    let small = |limits: &mut samara_relay::Limits| {
        limits.forwarded_queue = 1 << 20;
        limits.forward_wait = Duration::from_millis(100);
        limits.forwarded_per_second = NonZeroU32::new(1 << 30).unwrap();
    };
    let relay = Relay::with_limits(small).await;
    let (mut from, mut stuck, mut well) =
        (relay.peer().await, relay.peer().await, relay.peer().await);
    let (stuck_id, _) = stuck.join().await;
    let (well_id, _) = well.join().await;
    let (from_id, _) = from.join().await;
    let joined = well.recv().await;
    assert!(matches!(joined, Message::Joined { .. }));

    // More than the queue and the system's socket buffers take.
    let large = signal(stuck_id, vec![1; 256 << 10]).encode();
    for _ in 0..100 {
        from.send_bytes(large.clone()).await;
    }
    from.send(&signal(well_id, &b"still here"[..])).await;
    assert_eq!(well.recv().await, signal(from_id, &b"still here"[..]));
    let dropped = from.recv().await;
    assert_eq!(error_code(Some(&dropped)), Some(ErrorCode::TOO_MANY));
    assert!(relay.metric("samara_signals_dropped_total").await > 0);

    // What was taken in comes in order once the receiver reads again.
    let first = loop {
        match stuck.recv().await {
            Message::Joined { .. } => {}
            other => break other,
        }
    };
    assert_eq!(first, signal(from_id, vec![1; 256 << 10]));
    let request = RequestId(0);
    assert!(matches!(dropped, Message::Error { request: of, .. } if of == request));
}

/// The relay reads nothing of it while it waits for the receiver.
#[tokio::test]
async fn a_sender_that_has_to_wait_is_not_taken_for_silent() {
    let relay = Relay::with_limits(|limits| {
        limits.forwarded_queue = 1 << 20;
        limits.forward_wait = Duration::from_secs(2);
        limits.ping_after = Duration::from_millis(200);
        limits.cut_after = Duration::from_secs(1);
    })
    .await;
    let (mut from, mut stuck) = (relay.peer().await, relay.peer().await);
    let (stuck_id, _) = stuck.join().await;
    from.join().await;
    // It reads nothing and is there.
    let (mut sink, _unread) = stuck.socket.split();
    let stuck = tokio::spawn(async move {
        while sink.send(Frame::Ping(Bytes::new())).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let large = signal(stuck_id, vec![1; 256 << 10]).encode();
    for _ in 0..100 {
        from.send_bytes(large.clone()).await;
    }
    let here = samara_core::Topic::from_bytes([1; 20]);
    let reach = Reach::default();
    from.send(&Message::Join { topic: here, reach }).await;
    let mut dropped = 0;
    loop {
        match from.recv().await {
            Message::Error { code, .. } => {
                assert_eq!(code, ErrorCode::TOO_MANY);
                dropped += 1;
            }
            Message::Members { topic, .. } if topic == here => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(dropped > 0);
    stuck.abort();
}

const PIECE: usize = 64 << 10;

/// How long it takes `from` to send so many pieces to another member.
async fn sent_in(from: &mut Peer, to: &mut Peer, to_id: MemberId, pieces: usize) -> Duration {
    let begun = Instant::now();
    let large = signal(to_id, vec![1; PIECE]).encode();
    let send = async {
        for _ in 0..pieces {
            from.send_bytes(large.clone()).await;
        }
    };
    let receive = async {
        let mut received = 0;
        while received < pieces {
            received += usize::from(matches!(to.recv().await, Message::Signal { .. }));
        }
    };
    tokio::join!(send, receive);
    begun.elapsed()
}

#[tokio::test]
async fn a_member_has_so_much_forwarded_in_a_second_and_holds_up_nobody() {
    let relay = Relay::with_limits(|limits| {
        limits.forwarded_per_second = NonZeroU32::new(256 << 10).unwrap();
    })
    .await;
    let (mut fast, mut other, mut to, mut to_other) = (
        relay.peer().await,
        relay.peer().await,
        relay.peer().await,
        relay.peer().await,
    );
    for peer in [&mut fast, &mut other] {
        peer.join().await;
    }
    let (to_id, _) = to.join().await;
    let (to_other_id, _) = to_other.join().await;
    let (of_fast, of_other) = tokio::join!(
        sent_in(&mut fast, &mut to, to_id, 12),
        sent_in(&mut other, &mut to_other, to_other_id, 4),
    );
    // A second's worth at once, and two seconds' worth.
    assert!(of_fast >= Duration::from_millis(1900), "{of_fast:?}");
    assert!(of_fast < Duration::from_secs(4), "{of_fast:?}");
    assert!(of_other < Duration::from_secs(1), "{of_other:?}");
    // One that is longer than what may be forwarded at once counts as long as it is.
    let begun = Instant::now();
    for _ in 0..2 {
        fast.send(&signal(to_id, vec![1; 256 << 10])).await;
        to.recv().await;
    }
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn all_connections_have_so_much_forwarded_in_turn() {
    let relay = Relay::with_limits(|limits| {
        limits.forwarded_per_second_by_all = NonZeroU32::new(256 << 10);
    })
    .await;
    let (mut fast, mut other, mut to, mut to_other) = (
        relay.peer().await,
        relay.peer().await,
        relay.peer().await,
        relay.peer().await,
    );
    for peer in [&mut fast, &mut other] {
        peer.join().await;
    }
    let (to_id, _) = to.join().await;
    let (to_other_id, _) = to_other.join().await;
    let (of_fast, of_other) = tokio::join!(
        sent_in(&mut fast, &mut to, to_id, 12),
        sent_in(&mut other, &mut to_other, to_other_id, 2),
    );
    // 14 pieces, of which 4 at once, and 10 at 4 a second.
    assert!(of_fast >= Duration::from_millis(2400), "{of_fast:?}");
    assert!(of_fast < Duration::from_secs(5), "{of_fast:?}");
    // Half of all is its own.
    assert!(of_other < Duration::from_millis(1500), "{of_other:?}");
}

#[tokio::test]
async fn a_relay_that_stops_says_so() {
    let relay = Relay::start().await;
    let mut peer = relay.peer().await;
    let addr = relay.addr();
    let Relay { server, dir: _dir } = relay;
    let stop = tokio::spawn(server.shutdown());
    let (_, close) = peer.until_closed().await;
    assert_eq!(close.unwrap().code, CloseCode::Away);
    stop.await.unwrap();
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}
