//! Keepers that do not hold what they say, one trick a test.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "victim and file have more than this suite needs")]

#[path = "net/file.rs"]
mod file;
mod victim;

use file::{File, file};
use samara_core::message::{ErrorCode, Features, Handshake, Nonce, PROTOCOL_VERSION};
use samara_core::possession::Evidence;
use samara_core::{BlobId, Message, PeerId, RequestId};
use samara_swarm::{Event, Input, Output, Target, TransferId};
use victim::{Victim, assert_cut, handshake, own, sent, stranger};

fn keeper() -> Handshake {
    let said = handshake(PROTOCOL_VERSION);
    let keeps = Features::KEEPS.with(Features::POSSESSION);
    Handshake {
        features: said.features.with(keeps),
        ..said
    }
}

/// A pusher of a whole file, with the keeper it faces.
fn pushing() -> (Victim, File) {
    let file = file(2);
    let mut pusher = Victim::new(Features::default());
    let held = file.blobs.iter();
    let held = held.map(|blob| (blob.id(), u32::try_from(blob.bytes().len()).unwrap()));
    pusher.input(Input::Holding(held.collect()));
    let target = Target::Entry(file.entry.clone().into(), file.link.clone());
    let transfer = TransferId(1);
    pusher.input(Input::Open { transfer, target });
    pusher.input(Input::Push {
        transfer,
        copies: 1,
    });
    (pusher, file)
}

/// Blobs offered to be kept.
fn offered(outputs: &[Output]) -> Vec<BlobId> {
    let messages = sent(outputs).into_iter();
    let offers = messages.filter_map(|message| match message {
        Message::Have(blobs) => Some(blobs.into_iter().map(|(blob, _)| blob)),
        _ => None,
    });
    offers.flatten().collect()
}

/// The keeper says it holds a blob, and is challenged.
fn claim(pusher: &mut Victim, blob: BlobId) -> (RequestId, Nonce) {
    let outputs = pusher.receive(&Message::Have([(blob, 1040)].into()));
    let challenge = sent(&outputs)
        .into_iter()
        .find_map(|message| match message {
            Message::Challenge { request, nonce, .. } => Some((request, nonce)),
            _ => None,
        });
    challenge.expect("whoever claims a blob is challenged")
}

fn hashed(pusher: &mut Victim, file: &File, nonce: Nonce, prover: PeerId) -> Vec<Output> {
    let blob = &file.blobs[0];
    let evidence = Some(Evidence::of(nonce, prover, blob.bytes()));
    pusher.input(Input::Hashed {
        blob: blob.id(),
        nonce,
        prover,
        evidence,
    })
}

fn proofs(outputs: &[Output]) -> Vec<Evidence> {
    let messages = sent(outputs).into_iter();
    let proofs = messages.filter_map(|message| match message {
        Message::Possession { evidence, .. } => Some(evidence),
        _ => None,
    });
    proofs.collect()
}

#[test]
fn a_challenge_sent_back_is_no_proof() {
    let (mut pusher, file) = pushing();
    pusher.greet(keeper());
    let blob = file.blobs[0].id();
    let (request, nonce) = claim(&mut pusher, blob);
    // The same question back: the pusher holds the blob and may answer.
    pusher.receive(&Message::Challenge {
        request: RequestId(1),
        blob,
        nonce,
    });
    let outputs = hashed(&mut pusher, &file, nonce, stranger().peer());
    assert_eq!(
        proofs(&outputs),
        [],
        "what the keeper has to say is not told"
    );
    let answers = proofs(&hashed(&mut pusher, &file, nonce, own().peer()));
    let [evidence] = answers[..] else {
        panic!("the pusher proves its own possession: {answers:?}");
    };
    let outputs = pusher.receive(&Message::Possession { request, evidence });
    assert_cut(&outputs, ErrorCode::WRONG_BLOB);
    let counted = |output: &Output| matches!(output, Output::Event(Event::Pushed { .. }));
    assert!(!outputs.iter().any(counted), "{outputs:?}");
}

#[test]
fn a_false_proof_ends_every_connection_of_the_peer() {
    let (mut pusher, file) = pushing();
    pusher.greet(keeper());
    let first = pusher.peer;
    pusher.accept();
    pusher.greet(keeper());
    let second = core::mem::replace(&mut pusher.peer, first);
    let (request, nonce) = claim(&mut pusher, file.blobs[0].id());
    hashed(&mut pusher, &file, nonce, stranger().peer());
    let evidence = Evidence::from_bytes([9; 32]);
    let outputs = pusher.receive(&Message::Possession { request, evidence });
    for of in [first, second] {
        let closed =
            |output: &Output| matches!(output, Output::Close { connection } if *connection == of);
        assert!(outputs.iter().any(closed), "{of:?}: {outputs:?}");
    }
}

#[test]
fn a_keeper_that_does_not_hold_what_it_claimed_is_replaced() {
    for late in [false, true] {
        let (mut pusher, file) = pushing();
        let blob = file.blobs[0].id();
        assert!(offered(&pusher.greet(keeper())).contains(&blob));
        let first = pusher.peer;
        pusher.accept();
        assert_eq!(offered(&pusher.greet(keeper())), [], "one copy is enough");
        let second = core::mem::replace(&mut pusher.peer, first);
        let (request, _) = claim(&mut pusher, blob);
        for connection in [first, second] {
            pusher.peer = connection;
            pusher.drain();
        }
        pusher.peer = first;
        let mut outputs = if late {
            pusher.wait(60)
        } else {
            pusher.receive(&Message::NotFound { request, blob })
        };
        let mut told = |to| {
            let to = |output: &mut Output| matches!(output, Output::Send { connection, .. } if *connection == to);
            offered(&outputs.extract_if(.., to).collect::<Vec<_>>())
        };
        // Whoever is late with one proof is not waited for with the others.
        let blobs = file.blobs.iter().map(samara_core::Blob::id);
        let mut expected: Vec<_> = blobs.filter(|id| late || *id == blob).collect();
        let mut told_second = told(second);
        expected.sort_unstable();
        told_second.sort_unstable();
        assert_eq!(told_second, expected, "late: {late}");
        assert_eq!(told(first), [], "late: {late}");
    }
}

#[test]
fn a_keeper_that_claims_and_does_not_find_is_asked_three_times() {
    let (mut pusher, file) = pushing();
    pusher.greet(keeper());
    let blob = file.blobs[0].id();
    for _ in 0..3 {
        let (request, nonce) = claim(&mut pusher, blob);
        pusher.receive(&Message::NotFound { request, blob });
        hashed(&mut pusher, &file, nonce, stranger().peer());
    }
    let outputs = pusher.receive(&Message::Have([(blob, 1040)].into()));
    let hashes = |output: &Output| matches!(output, Output::Hash { .. });
    assert!(!outputs.iter().any(hashes), "{outputs:?}");
}

#[test]
fn a_keeper_that_does_nothing_about_its_offers_may_keep_them_but_others_get_them_too() {
    let (mut pusher, file) = pushing();
    let blobs = offered(&pusher.greet(keeper()));
    let silent = pusher.peer;
    pusher.drain();
    pusher.accept();
    assert_eq!(offered(&pusher.greet(keeper())), [], "one copy is enough");
    pusher.drain();
    let other = core::mem::replace(&mut pusher.peer, silent);
    assert_eq!(offered(&pusher.wait(59)), []);
    let outputs = pusher.wait(1);
    assert_eq!(offered(&outputs), blobs);
    let to_other =
        |output: &Output| matches!(output, Output::Send { connection, .. } if *connection == other);
    assert!(outputs.iter().any(to_other), "{outputs:?}");
    // Late is not never.
    let (request, nonce) = claim(&mut pusher, file.blobs[0].id());
    let prover = stranger().peer();
    hashed(&mut pusher, &file, nonce, prover);
    let evidence = Evidence::of(nonce, prover, file.blobs[0].bytes());
    let outputs = pusher.receive(&Message::Possession { request, evidence });
    let counted =
        |output: &Output| matches!(output, Output::Event(Event::Pushed { proven: 1, .. }));
    assert!(outputs.iter().any(counted), "{outputs:?}");
}

#[test]
fn a_keeper_connected_twice_is_offered_each_blob_once() {
    let (mut pusher, file) = pushing();
    assert_eq!(offered(&pusher.greet(keeper())).len(), file.blobs.len());
    pusher.accept();
    assert_eq!(offered(&pusher.greet(keeper())), []);
    // Two copies: still none of them with the same keeper, nor anew.
    let transfer = TransferId(1);
    let outputs = pusher.input(Input::Push {
        transfer,
        copies: 2,
    });
    assert_eq!(offered(&outputs), []);
}
