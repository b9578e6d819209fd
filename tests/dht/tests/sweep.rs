//! A sweep on real sockets, in a DHT of another making, looked up by a third.

#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::time::Duration;

use samara_dht_test::measure::{Sweeping, announced_singly, dht, found, key_of};
use samara_dht_test::{Key, Testnet, Tokens};
use samara_node::{Dht, SweepConfig};
use tokio::task::JoinSet;

const NODES: usize = 100;
const BLOBS: usize = 2000;
/// Announced one by one, to compare.
const SINGLE: u32 = 20;
/// Nodes that look up, and their lookups at once.
const LOOKERS: usize = 3;
const AT_ONCE: usize = 4;
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(2);

const FAST: SweepConfig = SweepConfig {
    interval: Duration::from_mins(5),
    packets: 20_000,
};

/// Looks keys up by several nodes, each asking for as many at once as it may.
async fn all_found(bootstrap: &[String], keys: Vec<Key>) -> usize {
    let mut tasks = JoinSet::new();
    let share = keys.len().div_ceil(LOOKERS);
    for share in keys.chunks(share) {
        let looker = Dht::start(dht(bootstrap)).await.unwrap();
        for some in share.chunks(share.len().div_ceil(AT_ONCE)) {
            let (looker, some) = (looker.clone(), some.to_vec());
            tasks.spawn(async move { found(&looker, &some).await });
        }
    }
    tasks.join_all().await.into_iter().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_blob_is_found_for_a_quarter_of_what_single_announcements_cost() {
    let testnet = Testnet::start(NODES, Tokens::PerAddress).unwrap();
    let bootstrap = testnet.bootstrap();
    let looker = Dht::start(dht(&bootstrap)).await.unwrap();
    let before = testnet.packets();
    announced_singly(&looker, SINGLE as usize).await.unwrap();
    let single = u32::try_from(testnet.packets() - before).unwrap();
    let single = f64::from(single) / f64::from(SINGLE);

    let sweeping = Sweeping::begin(BLOBS, &bootstrap, FAST).unwrap();
    let swept = sweeping.finish(PATIENCE).await.unwrap();
    assert!(
        swept.packets_per_blob * 4.0 < single,
        "{swept:?}, one by one {single}"
    );
    let stored = testnet.stored();
    assert_eq!(stored.keys, BLOBS + SINGLE as usize);
    let keys = sweeping.ids.iter().map(key_of).collect();
    assert_eq!(all_found(&bootstrap, keys).await, BLOBS);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_bind_tokens_to_a_key_are_swept_too() {
    let testnet = Testnet::start(NODES, Tokens::PerKey).unwrap();
    let bootstrap = testnet.bootstrap();
    let sweeping = Sweeping::begin(200, &bootstrap, FAST).unwrap();
    let swept = sweeping.finish(PATIENCE).await.unwrap();
    assert!(swept.packets_per_blob < 50.0, "{swept:?}");
    let keys = sweeping.ids.iter().map(key_of).collect();
    assert_eq!(all_found(&bootstrap, keys).await, 200);
}
