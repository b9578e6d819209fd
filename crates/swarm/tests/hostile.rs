//! Peers that do not keep to the protocol, one misbehaviour a test
//! (`docs/protocol.md`, "Misbehaviour"). Those of the handshake are in
//! `identity.rs`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "the victim has more than this suite needs")]

#[path = "net/file.rs"]
mod file;
mod victim;

use std::num::NonZeroU64;

use bytes::Bytes;
use proptest::prelude::*;
use samara_core::blob::{MAX_BLOB_LEN, TAG_LEN};
use samara_core::identity::Proof;
use samara_core::message::{ErrorCode, Features, Handshake, Hops, PROTOCOL_VERSION, Reach};
use samara_core::{BlobId, MemberId, Message, RequestId, Topic};
use samara_swarm::{
    Cause, Event, Input, Output, Path, Problem, Rate, Rates, StoreFailure, Target, Time, TransferId,
};
use victim::{Victim, assert_cut, blob, handshake, proof, sent};

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

#[test]
fn rooms_are_kept_for_those_who_come() {
    let (_, said) = Victim::dialing_with(Features::ROOMS);
    assert!(!said.features.contains(Features::ROOMS), "{said:?}");
    let mut victim = Victim::new(Features::ROOMS);
    let (said, _) = victim.say_handshake(handshake(PROTOCOL_VERSION));
    assert!(said.features.contains(Features::ROOMS), "{said:?}");
}

/// A dialed peer's answer, and what the user hears of it.
fn problem_after(answer: &Message) -> Problem {
    let (mut victim, _) = Victim::dialing();
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
    let newer = Message::HandshakeAck(handshake(2), Proof::from_bytes([0; Proof::LEN]));
    for (answer, cause) in [
        (newer, Cause::OtherVersion),
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
    victim.say_handshake(handshake(PROTOCOL_VERSION));
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
        matches!(sent(&later)[..], [Message::HandshakeAck(..)]),
        "{later:?}"
    );
}

/// The peer answers a request with something else, and the store finds out.
fn serve_wrong(victim: &mut Victim, request: RequestId) -> Vec<Output> {
    let (blob, data) = (blob(9), Bytes::from_static(&[0; TAG_LEN]));
    victim.receive(&Message::Response {
        request,
        blob,
        data,
    });
    let (connection, result) = (victim.peer, Err(StoreFailure::WrongBlob));
    victim.input(Input::Stored {
        connection,
        blob,
        result,
    })
}

#[test]
fn a_peer_that_is_banned_while_it_greets_again_is_not_let_in() {
    let (mut victim, request) = Victim::asking();
    let first = victim.peer;
    victim.accept();
    let theirs = handshake(PROTOCOL_VERSION);
    let (ours, _) = victim.say_handshake(theirs);
    let second = std::mem::replace(&mut victim.peer, first);
    serve_wrong(&mut victim, request);
    victim.peer = second;
    let outputs = victim.receive(&Message::Proof(proof(&theirs, &ours)));
    let connection = second;
    assert_eq!(outputs, [Output::Close { connection }]);
}

#[test]
fn a_peer_that_serves_a_wrong_blob_is_cut_on_every_connection() {
    let (mut victim, request) = Victim::asking();
    let first = victim.peer;
    victim.accept();
    victim.greet(handshake(PROTOCOL_VERSION));
    victim.receive(&Message::Have([(blob(9), 100)].into()));
    let second = std::mem::replace(&mut victim.peer, first);
    let outputs = serve_wrong(&mut victim, request);
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
    victim.drain();
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
    victim.greet(plain);
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
fn a_peer_that_takes_nothing_it_is_told_is_let_go() {
    let mut victim = Victim::greeted(Features::default());
    victim.drain();
    // No timer is left from its beginning.
    victim.wait(11);
    victim.input(Input::Holding(vec![(blob(1), 100)]));
    let outputs = victim.receive(&Message::Want(vec![(blob(1), Hops::OWN)]));
    assert_eq!(victim.swarm.wake_at(), Some(Time(71_000)));
    assert_eq!(sent(&outputs), [Message::Have(vec![(blob(1), 100)])]);
    assert_eq!(victim.wait(59), []);
    let outputs = victim.wait(1);
    let closed = |output: &Output| matches!(output, Output::Close { .. });
    assert!(outputs.iter().any(closed), "{outputs:?}");
    let blamed = |output: &Output| matches!(output, Output::Event(Event::Misbehaved { .. }));
    assert!(!outputs.iter().any(blamed), "it may sleep: {outputs:?}");
}

fn requested(outputs: &[Output]) -> Vec<RequestId> {
    let messages = sent(outputs).into_iter();
    let requests = messages.filter_map(|message| match message {
        Message::Request { request, .. } => Some(request),
        _ => None,
    });
    requests.collect()
}

#[test]
fn a_source_that_lost_a_blob_may_have_it_again_but_not_for_ever() {
    let (mut victim, mut request) = Victim::asking();
    for claim in 1..=3 {
        let outputs = victim.receive(&Message::NotFound {
            request,
            blob: blob(9),
        });
        let asked_again = sent(&outputs).iter().any(|message| match message {
            Message::Want(wants) => wants.iter().any(|(wanted, _)| *wanted == blob(9)),
            _ => false,
        });
        assert!(asked_again, "it is to say when it has it: {outputs:?}");
        let outputs = victim.receive(&Message::Have([(blob(9), 100)].into()));
        match requested(&outputs)[..] {
            [next] if claim < 3 => request = next,
            [] if claim == 3 => {}
            _ => panic!("claim {claim}: {outputs:?}"),
        }
    }
}

#[test]
fn a_download_limit_counts_what_comes_and_not_what_was_claimed() {
    let file = file::file(8);
    let mut victim = Victim::greeted(Features::default());
    let bytes_per_second = NonZeroU64::new(1000).unwrap();
    let burst = 100;
    victim.input(Input::Limit(Rates {
        upload: None,
        download: Some(Rate {
            bytes_per_second,
            burst,
        }),
    }));
    let target = Target::Entry(file.entry.clone().into(), file.link.clone());
    let transfer = TransferId(1);
    victim.input(Input::Open { transfer, target });
    let chunks = file.entry.chunks().iter();
    let claims = chunks.map(|chunk| (chunk.id, 1)).collect();
    let outputs = victim.receive(&Message::Have(claims));
    let asked = requested(&outputs);
    assert!(!asked.is_empty() && asked.len() < 8, "{asked:?}");
    let first = sent(&outputs)
        .into_iter()
        .find_map(|message| match message {
            Message::Request { request, blob } => Some((request, blob)),
            _ => None,
        });
    let (request, id) = first.unwrap();
    let data = file.blobs.iter().find(|blob| blob.id() == id).unwrap();
    let outputs = victim.receive(&Message::Response {
        request,
        blob: id,
        data: data.bytes().clone(),
    });
    assert_eq!(requested(&outputs), [], "a kilobyte is a second's worth");
    assert_eq!(requested(&victim.wait(2)).len(), 1);
}

#[test]
fn more_than_was_given_up_does_not_come_late() {
    let (mut victim, request) = Victim::asking();
    victim.receive(&Message::NotFound {
        request,
        blob: blob(9),
    });
    // Nothing was on its way: NOT_FOUND was the answer.
    let outputs = victim.receive(&Message::Response {
        request,
        blob: blob(9),
        data: Bytes::from_static(&[0; 50]),
    });
    assert_cut(&outputs, ErrorCode::UNEXPECTED);
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
fn a_request_number_that_was_used_is_cut() {
    for again in [1, 2] {
        let mut victim = Victim::greeted(Features::default());
        victim.input(Input::Holding(vec![(blob(1), 100)]));
        let ask = |number| Message::Request {
            request: RequestId(number),
            blob: blob(1),
        };
        for number in [1, 2] {
            let outputs = victim.receive(&ask(number));
            assert!(sent(&outputs).is_empty(), "{outputs:?}");
        }
        assert_cut(&victim.receive(&ask(again)), ErrorCode::UNEXPECTED);
    }
}

fn loads(outputs: &[Output]) -> usize {
    let load = |output: &&Output| matches!(output, Output::Load { .. });
    outputs.iter().filter(load).count()
}

const fn request(number: u32, blob: BlobId) -> Message {
    let request = RequestId(number);
    Message::Request { request, blob }
}

/// A victim whose line is full with two blobs for a peer that takes nothing
/// more, after it took one within `first` seconds, and that is asked by another
/// now.
fn full(first: Option<u64>) -> Victim {
    const LEN: u32 = 1 << 20;
    let mut victim = Victim::greeted(Features::default());
    victim.drain();
    let held = (1..=4).map(|number| (blob(number), LEN));
    victim.input(Input::Holding(held.chain([(blob(5), 1000)]).collect()));
    let serve = |number: u8, victim: &mut Victim| {
        let id = blob(number);
        victim.receive(&request(u32::from(number), id));
        let bytes = Some(Bytes::from(vec![0; LEN as usize]));
        victim.input(Input::Loaded { blob: id, bytes });
    };
    if let Some(seconds) = first {
        serve(1, &mut victim);
        victim.wait(seconds);
        victim.drain();
        victim.drain();
    }
    serve(2, &mut victim);
    serve(3, &mut victim);
    victim.accept();
    victim.greet(handshake(PROTOCOL_VERSION));
    victim
}

#[test]
fn a_peer_that_takes_nothing_holds_nobody_up() {
    let mut victim = full(None);
    let outputs = victim.receive(&request(1, blob(4)));
    assert_eq!(loads(&outputs), 0, "the line is full");
    assert_eq!(loads(&victim.wait(2)), 0);
    assert_eq!(loads(&victim.wait(2)), 1);
}

#[test]
fn a_peer_that_took_more_before_holds_nobody_up_for_long() {
    // A mebibyte a second: what is queued, another, should have left long ago.
    let mut victim = full(Some(1));
    let outputs = victim.receive(&request(1, blob(4)));
    assert_eq!(loads(&outputs), 0, "the line is full");
    assert_eq!(loads(&victim.wait(2)), 1);
}

#[test]
fn an_entry_waits_for_no_chunks() {
    let mut victim = full(None);
    assert_eq!(loads(&victim.receive(&request(1, blob(5)))), 1);
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
fn wants_that_are_told_and_taken_back_are_not_passed_on_without_end() {
    let mut victim = Victim::greeted(Features::default());
    victim.drain();
    let toggling = victim.peer;
    victim.accept();
    let said = handshake(PROTOCOL_VERSION);
    victim.greet(Handshake {
        features: said.features.with(Features::GOSSIP),
        ..said
    });
    let listening = victim.peer;
    let mut passed_on = 0;
    for round in 0..20_u8 {
        victim.peer = toggling;
        for hops in [Hops::OWN, Hops::WITHDRAWN] {
            for batch in 0..4_u8 {
                let wants = (0..1024_u16).map(|number| {
                    let mut id = [round; 32];
                    id[0] = batch;
                    id[1..3].copy_from_slice(&number.to_be_bytes());
                    (BlobId::from_bytes(id), hops)
                });
                victim.receive(&Message::Want(wants.collect()));
            }
            victim.now += 1100;
            for message in sent(&victim.input(Input::Tick)) {
                if let Message::Want(wants) = message {
                    let shared = wants.iter().filter(|(_, hops)| hops.distance().is_some());
                    passed_on += shared.count();
                }
            }
            victim.peer = listening;
            victim.drain();
            victim.peer = toggling;
            victim.drain();
        }
    }
    assert!((1000..6000).contains(&passed_on), "{passed_on} of 40,960");
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
        binding: Bytes::new(),
    });
    assert_eq!(outputs, [Output::Close { connection }]);
    // However many come, this peer can still go to others.
    let address = "ws://relay/ws".into();
    let outputs = victim.input(Input::Keep { address });
    let dialed = |output: &Output| matches!(output, Output::Dial { .. });
    assert!(outputs.iter().any(dialed), "{outputs:?}");
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
