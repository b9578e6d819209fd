//! What a relay finds and announces in a DHT of the test's own.

#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod common;

use std::num::NonZeroU32;
use std::time::Duration;

use common::native::{CONTENT, Native, dht_config, pushed};
use common::{Relay, TOPIC};
use mainline::Testnet;
use samara_core::message::Reach;
use samara_core::{Message, Topic};
use samara_node::{Dht, Millis, SweepConfig};

const NODES: usize = 10;

/// Rounds of a second.
const SWEEP: SweepConfig = SweepConfig {
    interval: Duration::from_secs(30),
    packets: 2000,
};

async fn testnet() -> Testnet {
    tokio::task::spawn_blocking(|| Testnet::builder(NODES).build().unwrap())
        .await
        .unwrap()
}

async fn announced(bootstrap: &[String], port: u16) -> Dht {
    let dht = Dht::start(dht_config(bootstrap)).await.unwrap();
    dht.announce(TOPIC, port).await.unwrap();
    dht
}

fn sources(port: u16) -> Message {
    Message::Sources {
        topic: TOPIC,
        addresses: vec![format!("127.0.0.1:{port}")],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_are_told_whom_the_dht_names_and_so_are_those_who_come_later() {
    let testnet = testnet().await;
    let _seeder = announced(&testnet.bootstrap, 4001).await;
    let relay = Relay::in_dht(testnet.bootstrap.clone(), None).await;
    let mut first = relay.peer().await;
    first.join().await;
    assert_eq!(first.recv().await, sources(4001));
    assert_eq!(relay.metric("samara_dht_lookups_total").await, 1);

    // The lookup may still be waiting for slow nodes.
    let mut later = relay.peer().await;
    later.join().await;
    assert_eq!(later.recv().await, sources(4001));
    assert_eq!(relay.metric("samara_dht_lookups_total").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_announced_later_is_found_while_somebody_is_in_the_room() {
    let testnet = testnet().await;
    let relay = Relay::with(|config| {
        config.dht = Some(samara_relay::Dht {
            bootstrap: Some(testnet.bootstrap.clone()),
            announce_port: None,
            announce_blobs: None,
        });
        config.limits.lookup_again_first = Duration::from_millis(200);
        config.limits.lookup_again_most = Duration::from_millis(200);
    })
    .await;
    let mut member = relay.peer().await;
    member.join().await;
    let _seeder = announced(&testnet.bootstrap, 4002).await;
    assert_eq!(member.recv().await, sources(4002));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_announces_its_rooms_and_does_not_find_itself() {
    let testnet = testnet().await;
    let relay = Relay::with(|config| {
        config.dht = Some(samara_relay::Dht {
            bootstrap: Some(testnet.bootstrap.clone()),
            announce_port: Some(4003),
            announce_blobs: None,
        });
        config.limits.lookup_again_first = Duration::from_millis(200);
        config.limits.lookup_again_most = Duration::from_millis(200);
    })
    .await;
    let mut member = relay.peer().await;
    member.join().await;
    while relay.metric("samara_dht_announces_total").await == 0 {
        tokio::task::yield_now().await;
    }
    let dht = announced(&testnet.bootstrap, 4004).await;
    let mut lookup = dht.lookup(TOPIC).await;
    let mut found = Vec::new();
    while let Some(addresses) = lookup.next().await {
        found.extend(addresses);
    }
    assert!(found.contains(&"127.0.0.1:4003".parse().unwrap()));
    assert_eq!(member.recv().await, sources(4004));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_without_a_dht_hears_of_members_only() {
    let relay = Relay::start().await;
    let (mut a, mut b) = (relay.peer().await, relay.peer().await);
    a.join().await;
    b.join().await;
    let reach = Reach::WEBRTC;
    let next = a.recv().await;
    assert!(matches!(next, Message::Joined { reach: r, .. } if r == reach));
}

/// One connection's JOINs cannot have the relay flood the DHT.
#[tokio::test(flavor = "multi_thread")]
async fn rooms_left_before_their_lookup_is_due_are_not_looked_up() {
    let testnet = testnet().await;
    let _seeder = announced(&testnet.bootstrap, 4005).await;
    let relay = Relay::with(|config| {
        config.dht = Some(samara_relay::Dht {
            bootstrap: Some(testnet.bootstrap.clone()),
            announce_port: None,
            announce_blobs: None,
        });
        config.limits.lookups_per_minute = NonZeroU32::MIN;
        config.limits.lookup_again_first = Duration::from_millis(500);
    })
    .await;
    let mut member = relay.peer().await;
    for number in 0..20 {
        let topic = Topic::from_bytes([number; 20]);
        let reach = Reach::WEBRTC;
        member.send(&Message::Join { topic, reach }).await;
        assert!(matches!(member.recv().await, Message::Members { .. }));
        if number > 0 {
            member.send(&Message::Leave { topic }).await;
        }
    }
    // This one is due after all of them.
    member.join().await;
    assert_eq!(member.recv().await, sources(4005));
    let lookups = relay.metric("samara_dht_lookups_total").await;
    // The first room's, perhaps again, and the last one's.
    assert!((2..=3).contains(&lookups), "{lookups} lookups");
}

/// Rooms of one connection wait for the DHT; the others' do not wait for them.
#[tokio::test(flavor = "multi_thread")]
async fn one_connections_rooms_do_not_hold_up_those_of_others() {
    let testnet = testnet().await;
    let _seeder = announced(&testnet.bootstrap, 4007).await;
    let relay = Relay::with(|config| {
        config.dht = Some(samara_relay::Dht {
            bootstrap: Some(testnet.bootstrap.clone()),
            announce_port: Some(4008),
            announce_blobs: None,
        });
        config.limits.lookups_per_minute = NonZeroU32::new(600).unwrap();
    })
    .await;
    let mut flood = relay.peer().await;
    // The other's is among them: whoever wants it first has nobody else wait.
    for number in 0..200 {
        let topic = Topic::from_bytes([number; 20]);
        let reach = Reach::WEBRTC;
        flood.send(&Message::Join { topic, reach }).await;
        assert!(matches!(flood.recv().await, Message::Members { .. }));
    }
    let mut other = relay.peer().await;
    other.join().await;
    assert!(relay.metric("samara_dht_lookups_waiting").await > 100);
    assert_eq!(other.recv().await, sources(4007));
    while relay.metric("samara_dht_announces_total").await < 8 {
        tokio::task::yield_now().await;
    }
    // The flood's are not done yet.
    assert!(relay.metric("samara_dht_lookups_waiting").await > 100);
}

/// The operator learns of it when rooms cannot be announced in time.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_announced_in_time_is_in_the_metrics() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let nobody = silent.local_addr().unwrap().to_string();
    let testnet = testnet().await;
    for (bootstrap, overdue) in [(testnet.bootstrap.clone(), 0), (vec![nobody], 1)] {
        let relay = Relay::with(|config| {
            config.dht = Some(samara_relay::Dht {
                bootstrap: Some(bootstrap),
                announce_port: Some(4009),
                announce_blobs: None,
            });
            config.limits.announce_late = Duration::ZERO;
        })
        .await;
        let mut member = relay.peer().await;
        member.join().await;
        while overdue == 0 && relay.metric("samara_dht_announces_total").await == 0 {
            tokio::task::yield_now().await;
        }
        let figure = relay.metric("samara_dht_announces_overdue").await;
        assert_eq!(figure, overdue);
    }
}

/// A keeper that knows no file is found by the blobs it holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_finds_a_holder_that_announces_blobs_only() {
    let testnet = testnet().await;
    let bootstrap = testnet.bootstrap.clone();
    let keeper = Native::start(|config| {
        config.listen = Some("127.0.0.1:0".parse().unwrap());
        config.dht = Some(dht_config(&bootstrap));
        config.sweep = Some(SWEEP);
    })
    .await;
    let ingested = keeper.ingest(100_000);
    let reader = Native::start(|config| {
        config.dht = Some(dht_config(&bootstrap));
        config.limits.lookup_every = Millis::seconds(1);
        config.limits.lookup_blobs_after = Millis(0);
    })
    .await;
    let read = reader.fetch(&ingested).await;
    assert!(read.starts_with(CONTENT) && read.len() == 100_000);
}

/// Whoever has no DHT of its own, as browsers, gets it through its relay.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_gets_what_its_relay_finds_a_keeper_of() {
    let testnet = testnet().await;
    let bootstrap = testnet.bootstrap.clone();
    let keeper = Native::start(|config| {
        config.listen = Some("127.0.0.1:0".parse().unwrap());
        config.dht = Some(dht_config(&bootstrap));
        config.sweep = Some(SWEEP);
    })
    .await;
    let ingested = keeper.ingest(3_000_000);
    let relay = Relay::with(|config| {
        config.dht = Some(samara_relay::Dht {
            bootstrap: Some(bootstrap.clone()),
            ..samara_relay::Dht::default()
        });
        config.limits.seek_after = Duration::ZERO;
    })
    .await;
    let reader = Native::at(&relay).await;
    let read = reader.fetch(&ingested).await;
    assert!(read.starts_with(CONTENT) && read.len() == 3_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_announces_what_was_pushed_to_it_and_says_how_much() {
    let testnet = testnet().await;
    let relay = Relay::with(|config| {
        config.dht = Some(samara_relay::Dht {
            bootstrap: Some(testnet.bootstrap.clone()),
            announce_port: Some(4006),
            announce_blobs: Some(SWEEP),
        });
    })
    .await;
    let pusher = Native::at(&relay).await;
    let (ingested, mut seeding) = pusher.seed(3 << 20);
    pushed(&mut seeding).await;
    let blobs = ingested.blobs.len() as u64;
    while relay.metric("samara_dht_blobs_announced").await < blobs {
        tokio::task::yield_now().await;
    }
    assert_eq!(relay.metric("samara_dht_blobs_left_out").await, 0);
    assert!(relay.metric("samara_dht_blob_announces_total").await >= blobs);
    let sent = relay.metric("samara_dht_blob_packets_sent_total").await;
    assert!(sent >= 8 * blobs, "{sent} packets");

    let dht = Dht::start(dht_config(&testnet.bootstrap)).await.unwrap();
    for (blob, _) in &ingested.blobs {
        let mut lookup = dht.lookup_blob(blob).await;
        let mut found = Vec::new();
        while let Some(addresses) = lookup.next().await {
            found.extend(addresses);
        }
        assert!(found.contains(&"127.0.0.1:4006".parse().unwrap()));
    }
}

/// Two relays that know nothing of each other: a member of one finds, by the
/// DHT, the other, and there the seeder.
#[tokio::test(flavor = "multi_thread")]
async fn members_of_different_relays_meet() {
    let testnet = testnet().await;
    let theirs = Relay::start().await;
    let seeder = Native::at(&theirs).await;
    let (ingested, _seeding) = seeder.seed(100_000);
    // A relay announces a port it is told, which here is free only once it
    // listens, so the test announces for it.
    let dht = Dht::start(dht_config(&testnet.bootstrap)).await.unwrap();
    let topic = ingested.link.topic();
    dht.announce(topic, theirs.addr().port()).await.unwrap();

    let ours = Relay::in_dht(testnet.bootstrap.clone(), None).await;
    let reader = Native::at(&ours).await;
    let read = reader.fetch(&ingested).await;
    assert!(read.starts_with(CONTENT) && read.len() == 100_000);
}
