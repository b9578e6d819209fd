//! The log of a relay that is asked for everything names nothing.
//!
//! One test, in a process of its own: a process has one log.

#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod common;

use common::log::Log;
use common::{Relay, TOPIC, signal};
use samara_core::BlobId;
use samara_core::Message;
use samara_core::message::Hops;

#[tokio::test]
async fn the_log_names_no_topic_no_blob_and_no_address() {
    let log = Log::default();
    tracing_subscriber::fmt()
        .json()
        .with_writer(log.clone())
        .with_env_filter("samara_relay=trace,samara_node=trace,samara_store=trace")
        .init();
    let relay = Relay::start().await;
    let (mut a, mut b) = (relay.peer().await, relay.peer().await);
    let (_, _) = a.join().await;
    let (b_id, _) = b.join().await;
    a.send(&signal(b_id, &b"an offer"[..])).await;
    b.recv().await;
    let blob = BlobId::from_bytes([0xb1; 32]);
    a.send(&Message::Want([(blob, Hops::OWN)].into())).await;
    b.send_bytes(vec![200].into()).await;
    b.until_closed().await;
    relay.server.shutdown().await;

    let log = log.text();
    assert!(log.contains("connection opened"), "{log}");
    // It is for this machine only, as it is behind a proxy.
    assert!(log.contains("STUN is not answered"), "{log}");
    let (topic, blob) = (TOPIC.to_string(), blob.to_string());
    let plain = format!("{:?}", TOPIC.as_bytes());
    for secret in [&topic, &blob, &plain, "127.0.0.1"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}
