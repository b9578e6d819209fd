//! Each check fails when what it checks for happens.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use samara_core::message::Hops;
use samara_core::{BlobId, Message, PeerId, RequestId};

use super::{Checks, Invariant};
use crate::file::File;
use crate::net::{Talk, WireId};
use crate::peer::{Failure, News, Stored};
use crate::plan::{FilePlan, Host, HostPlan, Kind, Plan, Role, Task};
use crate::run::files;
use crate::time::{Moment, Span};

const A: Host = Host(0);
const B: Host = Host(1);
const NOW: Moment = Moment(1_000_000);
const TALK: Talk = Talk {
    wire: WireId(1),
    session: None,
};

/// Two honest hosts that have to do with one file.
fn checks() -> (Checks, Rc<[File]>) {
    let task = Task {
        file: 0,
        role: Role::Read,
        at: Moment::START,
    };
    let host = HostPlan {
        tasks: vec![task],
        ..HostPlan::plain(Kind::Native)
    };
    let plan = Plan {
        seed: 0,
        files: vec![FilePlan {
            chunk_size: 1024,
            chunks: 2,
            last: 10,
        }],
        hosts: vec![host.clone(), host],
        faults: Vec::new(),
        weight: 1,
        patience: Span::ZERO,
    };
    let files: Rc<[File]> = files(&plan).into();
    let mut checks = Checks::new(&Rc::new(plan), files.clone());
    checks.name(B, PeerId::from_bytes([2; 32]));
    (checks, files)
}

fn broken(checks: &Checks) -> Option<Invariant> {
    checks.breach().map(|breach| breach.invariant)
}

fn say(checks: &mut Checks, message: &Message, store: &BTreeMap<BlobId, Bytes>) {
    checks.on_said(A, B, TALK, NOW, message, store);
}

fn request(number: u32, blob: BlobId) -> Message {
    let request = RequestId(number);
    Message::Request { request, blob }
}

#[test]
fn a_claim_of_what_is_not_in_the_store_is_a_breach() {
    let (mut checks, files) = checks();
    let (blob, bytes) = files[0].blobs[0].clone();
    let len = u32::try_from(bytes.len()).unwrap();
    let store = BTreeMap::from([(blob, bytes)]);
    say(&mut checks, &Message::Have([(blob, len)].into()), &store);
    assert_eq!(broken(&checks), None);
    say(
        &mut checks,
        &Message::Have([(blob, len + 1)].into()),
        &store,
    );
    assert_eq!(broken(&checks), Some(Invariant::OnlyVerified));
}

#[test]
fn other_bytes_than_the_stores_are_a_breach() {
    let (mut checks, files) = checks();
    let blob = files[0].blobs[0].0;
    let response = Message::Response {
        request: RequestId(1),
        blob,
        data: Bytes::from_static(b"x"),
    };
    say(&mut checks, &response, &BTreeMap::new());
    assert_eq!(broken(&checks), Some(Invariant::OnlyVerified));
}

#[test]
fn a_user_that_is_told_of_a_chunk_too_early_is_a_breach() {
    for news in [News::Chunk(0, 0), News::Done(0)] {
        let (mut checks, _) = checks();
        checks.on_news(A, NOW, &news, &BTreeMap::new());
        assert_eq!(broken(&checks), Some(Invariant::OnlyVerified), "{news:?}");
    }
}

#[test]
fn a_second_request_for_the_same_blob_is_a_breach_unless_the_first_is_over() {
    let (mut checks, files) = checks();
    let (blob, bytes) = files[0].blobs[0].clone();
    let store = BTreeMap::new();
    say(&mut checks, &request(1, blob), &store);
    say(
        &mut checks,
        &Message::Cancel {
            request: RequestId(1),
        },
        &store,
    );
    say(&mut checks, &request(2, blob), &store);
    let request_id = RequestId(2);
    let not_found = Message::NotFound {
        request: request_id,
        blob,
    };
    checks.on_heard(A, B, TALK, &not_found);
    say(&mut checks, &request(3, blob), &store);
    checks.on_hung_up(A, TALK.wire);
    say(&mut checks, &request(4, blob), &store);
    let response = Message::Response {
        request: RequestId(4),
        blob,
        data: bytes,
    };
    checks.on_heard(A, B, TALK, &response);
    say(&mut checks, &request(5, blob), &store);
    assert_eq!(broken(&checks), None);
    for number in 6..10 {
        say(&mut checks, &request(number, blob), &store);
    }
    assert_eq!(broken(&checks), Some(Invariant::FetchedOnce));
}

#[test]
fn a_request_for_what_is_held_is_a_breach() {
    let (mut checks, files) = checks();
    let (blob, bytes) = files[0].blobs[0].clone();
    say(&mut checks, &request(1, blob), &[(blob, bytes)].into());
    assert_eq!(broken(&checks), Some(Invariant::FetchedOnce));
}

#[test]
fn a_want_told_twice_is_a_breach_unless_it_changed() {
    let (mut checks, files) = checks();
    let blob = files[0].blobs[0].0;
    let (store, want) = (BTreeMap::new(), |hops| Message::Want([(blob, hops)].into()));
    say(&mut checks, &want(Hops::OWN), &store);
    say(&mut checks, &want(Hops::WITHDRAWN), &store);
    say(&mut checks, &want(Hops::OWN), &store);
    assert_eq!(broken(&checks), None);
    say(&mut checks, &want(Hops::OWN), &store);
    assert_eq!(broken(&checks), Some(Invariant::Wants));
}

#[test]
fn a_want_told_over_and_over_is_a_breach_although_it_changes() {
    let (mut checks, files) = checks();
    let blob = files[0].blobs[0].0;
    let store = BTreeMap::new();
    for _ in 0..files[0].blobs.len() * super::wants::OFTEN {
        for hops in [Hops::OWN, Hops::WITHDRAWN] {
            say(&mut checks, &Message::Want([(blob, hops)].into()), &store);
        }
    }
    assert_eq!(broken(&checks), Some(Invariant::Wants));
}

#[test]
fn a_machine_that_holds_more_than_it_may_is_a_breach() {
    let (mut checks, _) = checks();
    checks.bound_memory(A, NOW, 100, 100);
    assert_eq!(broken(&checks), None);
    checks.bound_memory(A, NOW, 101, 100);
    assert_eq!(broken(&checks), Some(Invariant::Memory));
}

#[test]
fn a_machine_that_wakes_without_end_is_a_breach() {
    let (mut checks, _) = checks();
    for _ in 0..1000 {
        checks.on_wake(A, NOW);
    }
    assert_eq!(broken(&checks), Some(Invariant::Quiet));
}

#[test]
fn an_honest_peer_taken_for_a_liar_is_a_breach() {
    let (mut checks, _) = checks();
    let accused = Some(PeerId::from_bytes([2; 32]));
    let news = News::Misbehaved(accused, "anything".into());
    checks.on_news(A, NOW, &news, &BTreeMap::new());
    assert_eq!(broken(&checks), Some(Invariant::Fairness));
}

#[test]
fn a_task_that_fails_for_no_reason_is_a_breach() {
    let (mut checks, _) = checks();
    let news = News::Failed(0, Failure::Other);
    checks.on_news(A, NOW, &news, &BTreeMap::new());
    assert_eq!(broken(&checks), Some(Invariant::Progress));
}

#[test]
fn a_peer_that_is_asked_again_after_a_wrong_blob_is_a_breach() {
    let (mut checks, files) = checks();
    let (blob, bytes) = files[0].blobs[0].clone();
    Rc::get_mut(&mut checks.plan).unwrap().hosts[B.0].lie = Some(crate::Lie::WrongBlobs);
    checks.on_stored(A, Some(B), NOW, (blob, bytes.len()), Stored::Wrong);
    say(&mut checks, &request(1, blob), &BTreeMap::new());
    assert_eq!(broken(&checks), Some(Invariant::Trust));
}
