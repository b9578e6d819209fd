//! Which blobs the driver must make durable before they count as stored.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "the victim has more than this suite needs")]

mod victim;

use bytes::Bytes;
use samara_core::blob::TAG_LEN;
use samara_core::message::{Features, Handshake, Hops, PROTOCOL_VERSION};
use samara_core::{BlobId, BlobKey, Link, Message};
use samara_swarm::{Input, Output, Target, TransferId};
use victim::{Victim, handshake};

/// A machine with one peer.
struct Machine(Victim);

impl Machine {
    fn new() -> Self {
        let mut victim = Victim::new(Features::default());
        victim.greet(Handshake {
            features: Features::default(),
            max_message: 2 << 20,
            ..handshake(PROTOCOL_VERSION)
        });
        Self(victim)
    }

    fn receive(&mut self, message: &Message) -> Vec<Output> {
        self.0.receive(message)
    }

    /// Answers the request among these outputs; whether what comes is to be
    /// made durable.
    fn is_durable(&mut self, outputs: &[Output], blob: BlobId, data: Bytes) -> bool {
        let requested = outputs.iter().find_map(|output| match output {
            Output::Send { message, .. } => match Message::decode(message).unwrap() {
                Message::Request { request, .. } => Some(request),
                _ => None,
            },
            _ => None,
        });
        let request = requested.unwrap();
        let outputs = self.receive(&Message::Response {
            request,
            blob,
            data,
        });
        let mut stores = outputs.iter().filter_map(|output| match output {
            Output::Store { durable, .. } => Some(*durable),
            _ => None,
        });
        stores.next().unwrap()
    }

    /// Opens a transfer of the blob.
    fn want(&mut self, id: BlobId) {
        let link = Link {
            id,
            key: BlobKey::from_bytes([5; 32]),
            depth: samara_core::entry::blob::Depth::ZERO,
        };
        let (transfer, target) = (TransferId(1), Target::Link(link));
        self.0.input(Input::Open { transfer, target });
    }
}

fn blob() -> (BlobId, Bytes) {
    let bytes = Bytes::from_static(&[3; TAG_LEN]);
    (BlobId::of(&bytes), bytes)
}

#[test]
fn a_blob_kept_for_others_is_durable_before_it_is_acknowledged() {
    let (id, bytes) = blob();
    let mut keeper = Machine::new();
    keeper.receive(&Message::Want([(id, Hops::OWN)].into()));
    let outputs = keeper.receive(&Message::Have([(id, 16)].into()));
    assert!(keeper.is_durable(&outputs, id, bytes));
}

#[test]
fn a_readers_blob_need_not_be() {
    let (id, bytes) = blob();
    let mut reader = Machine::new();
    reader.want(id);
    let outputs = reader.receive(&Message::Have([(id, 16)].into()));
    assert!(!reader.is_durable(&outputs, id, bytes));
}
