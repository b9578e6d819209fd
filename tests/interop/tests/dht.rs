//! What samara announces in the Mainline DHT is found by npm `bittorrent-dht`,
//! and what that announces is found by samara.

#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::time::Duration;

use samara_core::Topic;
use samara_dht_test::measure::{PORT, Sweeping, dht, key_of};
use samara_interop::BittorrentDht;
use samara_node::{Dht, SweepConfig};
use tokio::task::JoinSet;

/// Blobs that are looked up: a lookup takes seconds, since both kinds of node
/// name ours, which asks and never answers.
const LOOKED_UP: usize = 8;
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(1);

fn random() -> [u8; 20] {
    let mut key = [0; 20];
    getrandom::fill(&mut key).unwrap();
    key
}

async fn found(dht: &Dht, key: [u8; 20]) -> Vec<String> {
    let mut lookup = dht.lookup(Topic::from_bytes(key)).await;
    let mut found = Vec::new();
    while let Some(addresses) = lookup.next().await {
        found.extend(addresses.iter().map(ToString::to_string));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_announced_by_either_is_found_by_the_other() {
    let mut theirs = BittorrentDht::start().await.unwrap();
    let ours = Dht::start(dht(&theirs.bootstrap())).await.unwrap();

    let topic = random();
    ours.announce(Topic::from_bytes(topic), 4002).await.unwrap();
    assert_eq!(theirs.lookup(&topic).await.unwrap(), ["127.0.0.1:4002"]);

    let topic = random();
    theirs.announce(&topic, 4003).await.unwrap();
    let found = found(&ours, topic).await;
    assert!(found.contains(&"127.0.0.1:4003".to_owned()), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn swept_blobs_are_found_by_both() {
    let mut theirs = BittorrentDht::start().await.unwrap();
    let bootstrap = theirs.bootstrap();
    let sweep = SweepConfig {
        interval: Duration::from_mins(5),
        packets: 4000,
    };
    let sweeping = Sweeping::begin(50, &bootstrap, sweep).unwrap();
    sweeping.finish(PATIENCE).await.unwrap();

    let ours = Dht::start(dht(&bootstrap)).await.unwrap();
    let announced = format!("127.0.0.1:{PORT}");
    let mut lookups = JoinSet::new();
    // Each waits out what their nodes name and does not answer.
    for id in sweeping.ids.iter().take(LOOKED_UP) {
        let (ours, key) = (ours.clone(), key_of(id));
        lookups.spawn(async move { found(&ours, key).await });
    }
    for found in lookups.join_all().await {
        assert!(found.contains(&announced), "{found:?}");
    }
    for id in sweeping.ids.iter().take(LOOKED_UP) {
        let found = theirs.lookup(&key_of(id)).await.unwrap();
        assert_eq!(found, [announced.as_str()]);
    }
    for id in &sweeping.ids {
        let key = key_of(id);
        let holders = theirs.holders(&key).await.unwrap();
        assert!(holders >= 4, "{holders} nodes have a key");
    }
}
