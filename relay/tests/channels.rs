//! Native nodes that a relay introduces to each other and that then do without
//! it.

#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod common;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use common::Relay;
use common::native::{CONTENT, Native};
use samara_node::{Limits, Path, WebRtcConfig};

const LEN: usize = 8_000_000;

/// More than meeting takes, less than any chunk.
const MOST_SIGNALING: u64 = 64 * 1024;

/// A relay that helps nobody, however long they wait.
async fn relay() -> Relay {
    Relay::with(|config| config.sympathy = 0).await
}

/// A node with data channels from this address.
async fn native(relay: &Relay, address: impl Into<IpAddr>) -> Native {
    native_with(relay, address, |_| {}).await
}

async fn native_with(
    relay: &Relay,
    address: impl Into<IpAddr>,
    change: impl FnOnce(&mut Limits),
) -> Native {
    let url = format!("http://{}", relay.addr()).parse().unwrap();
    Native::start(|config| {
        config.keep = vec![url];
        config.webrtc = Some(WebRtcConfig {
            addresses: vec![address.into()],
            ..WebRtcConfig::default()
        });
        change(&mut config.limits);
    })
    .await
}

fn content() -> Vec<u8> {
    CONTENT.iter().copied().cycle().take(LEN).collect()
}

async fn blob_bytes(relay: &Relay) -> u64 {
    let sent = relay.metric("samara_blob_bytes_sent_total").await;
    sent + relay.metric("samara_blob_bytes_received_total").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_by_a_data_channel_and_the_relay_carries_none_of_it() {
    let relay = relay().await;
    let seeder = native(&relay, Ipv4Addr::LOCALHOST).await;
    let reader = native(&relay, Ipv4Addr::LOCALHOST).await;
    let (ingested, _seeding) = seeder.seed(LEN);
    let (bytes, paths) = reader.fetch_by(&ingested).await;
    assert!(bytes == content());
    assert_eq!(paths, [Path::WebRtc]);
    assert_eq!(blob_bytes(&relay).await, 0);
    assert!(relay.metric("samara_signal_bytes_total").await < MOST_SIGNALING);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_readers_at_once_come_to_the_one_port_of_a_seeder() {
    let relay = relay().await;
    let seeder = native(&relay, Ipv4Addr::LOCALHOST).await;
    let (ingested, _seeding) = seeder.seed(LEN);
    let reader = async || {
        let reader = native(&relay, Ipv4Addr::LOCALHOST).await;
        reader.fetch_by(&ingested).await
    };
    let (one, two, three) = tokio::join!(reader(), reader(), reader());
    for (bytes, paths) in [one, two, three] {
        assert!(bytes == content());
        assert!(paths.iter().all(|path| *path == Path::WebRtc), "{paths:?}");
    }
    assert_eq!(blob_bytes(&relay).await, 0);
    assert!(relay.metric("samara_signal_bytes_total").await < 4 * MOST_SIGNALING);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_data_channel_comes_about_a_file_goes_through_the_relay() {
    let relay = relay().await;
    let seeder = native(&relay, Ipv4Addr::LOCALHOST).await;
    // Neither has an address of the other's kind, which takes until the attempt is given up.
    let reader = native_with(&relay, Ipv6Addr::LOCALHOST, |limits| limits.dial.0 = 1000).await;
    let (ingested, _seeding) = seeder.seed(LEN);
    let (bytes, paths) = reader.fetch_by(&ingested).await;
    assert!(bytes == content());
    assert_eq!(paths, [Path::Circuit]);
    assert!(relay.metric("samara_signal_bytes_total").await > LEN as u64);
}
