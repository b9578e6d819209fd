//! Blobs pushed to a relay, kept by it and fetched from it, by peers that know
//! only the protocol.

#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod common;

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use common::{Peer, Relay, config, get};
use samara_core::message::{ErrorCode, Hops};
use samara_core::{Blob, BlobId, Message, RequestId};
use samara_relay::Server;

/// Different bytes for every `seed`; sealed bytes look like any others.
fn blob(seed: u8, len: usize) -> Blob {
    let mut state = u64::from(seed) + 1;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    })
    .take(len)
    .collect();
    let bytes = Bytes::from(bytes);
    Blob::verify(BlobId::of(&bytes), bytes).unwrap()
}

fn blobs() -> Vec<Blob> {
    let lens = [16, 1000, 300_000, 1 << 20];
    (1..).zip(lens).map(|(seed, len)| blob(seed, len)).collect()
}

/// Offers blobs until the relay has said that it holds them all.
async fn push(peer: &mut Peer, blobs: &[Blob]) {
    let by_id: HashMap<_, _> = blobs.iter().map(|blob| (blob.id(), blob)).collect();
    let wants = by_id.keys().map(|id| (*id, Hops::OWN)).collect();
    peer.send(&Message::Want(wants)).await;
    let haves = blobs.iter().map(|blob| (blob.id(), len_of(blob))).collect();
    peer.send(&Message::Have(haves)).await;
    let mut held = HashSet::new();
    while held.len() < blobs.len() {
        match peer.recv().await {
            Message::Request { request, blob } => {
                let data = by_id[&blob].bytes().clone();
                let response = Message::Response {
                    request,
                    blob,
                    data,
                };
                peer.send(&response).await;
            }
            Message::Have(blobs) => held.extend(blobs.into_iter().map(|(id, _)| id)),
            Message::Want(_) => {}
            other => panic!("{other:?} in answer to a push"),
        }
    }
}

fn len_of(blob: &Blob) -> u32 {
    u32::try_from(blob.bytes().len()).unwrap()
}

/// Asks for a blob, as the peer's request of this number, and verifies it.
async fn fetch(peer: &mut Peer, number: u32, id: BlobId) -> Blob {
    peer.send(&Message::Want([(id, Hops::OWN)].into())).await;
    match peer.recv().await {
        Message::Have(blobs) => assert_eq!(blobs[0].0, id),
        other => panic!("{other:?} in answer to a want"),
    }
    let request = RequestId(number);
    peer.send(&Message::Request { request, blob: id }).await;
    match peer.recv().await {
        Message::Response { data, .. } => Blob::verify(id, data).unwrap(),
        other => panic!("{other:?} in answer to a request"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_peer_pushed_another_fetches_after_the_first_is_gone() {
    let relay = Relay::start().await;
    let blobs = blobs();
    let total: usize = blobs.iter().map(|blob| blob.bytes().len()).sum();
    let mut pusher = relay.peer().await;
    push(&mut pusher, &blobs).await;
    drop(pusher);

    let mut reader = relay.peer().await;
    for (number, blob) in (1..).zip(&blobs) {
        assert_eq!(fetch(&mut reader, number, blob.id()).await, *blob);
    }
    let total = total as u64;
    assert_eq!(
        relay.metric("samara_blob_bytes_received_total").await,
        total
    );
    assert_eq!(relay.metric("samara_blob_bytes_sent_total").await, total);
    assert_eq!(relay.metric("samara_store_bytes").await, total);
    assert_eq!(relay.metric("samara_store_blobs").await, 4);
    assert_eq!(relay.metric("samara_signal_bytes_total").await, 0);
    let health = get(relay.addr(), "/health").await.body;
    let health: serde_json::Value = serde_json::from_str(&health).unwrap();
    assert_eq!(health["blobs"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_starts_again_still_has_what_was_pushed() {
    let Relay { server, dir } = Relay::start().await;
    let blobs = blobs();
    let mut pusher = Peer::dial(server.addr()).await;
    pusher.greet().await;
    push(&mut pusher, &blobs).await;
    server.shutdown().await;

    let server = Server::start(config(&dir)).await.unwrap();
    let mut reader = Peer::dial(server.addr()).await;
    reader.greet().await;
    for (number, blob) in (1..).zip(&blobs) {
        assert_eq!(fetch(&mut reader, number, blob.id()).await, *blob);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_blob_that_is_not_what_it_claims_is_refused_and_its_sender_cut_off() {
    let relay = Relay::start().await;
    let mut liar = relay.peer().await;
    let id = blob(1, 1000).id();
    liar.send(&Message::Want([(id, Hops::OWN)].into())).await;
    liar.send(&Message::Have([(id, 1000)].into())).await;
    let request = loop {
        match liar.recv().await {
            Message::Request { request, .. } => break request,
            Message::Want(_) => {}
            other => panic!("{other:?} in answer to a push"),
        }
    };
    liar.send(&Message::Response {
        request,
        blob: id,
        data: Bytes::from(vec![0; 1000]),
    })
    .await;
    let (said, _) = liar.until_closed().await;
    let code = said.iter().find_map(|message| match message {
        Message::Error { code, .. } => Some(*code),
        _ => None,
    });
    assert_eq!(code, Some(ErrorCode::WRONG_BLOB));
    assert_eq!(relay.metric("samara_store_blobs").await, 0);
}
