//! Wants that travel, and copies that are proven, in virtual time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "the network has more than this suite needs")]

mod net;

use net::file::file;
use net::{Host, Net};
use samara_swarm::{Event, Generosity};

/// A chain of peers, each connected to the next.
fn chain(net: &mut Net, length: usize) -> Vec<Host> {
    let hosts: Vec<_> = (0..length).map(|_| net.native()).collect();
    for (position, pair) in hosts.windows(2).enumerate() {
        let address = format!("ws://{position}/ws");
        net.listen(pair[0], &address);
        net.keep(pair[1], &address);
    }
    net.run(1_000);
    hosts
}

#[test]
fn a_want_travels_as_far_as_there_is_sympathy() {
    for (length, arrives) in [(3, true), (5, true), (6, false)] {
        let mut net = Net::default();
        let hosts = chain(&mut net, length);
        let file = file(3);
        net.seed(hosts[0], &file);
        let reader = hosts[length - 1];
        net.fetch(reader, &file.link);
        net.run(120_000);
        assert_eq!(net.is_done(reader), arrives, "{length} peers in a row");
    }
}

#[test]
fn a_want_stands_until_a_source_appears_however_late() {
    let mut net = Net::default();
    let hosts = chain(&mut net, 4);
    let file = file(3);
    net.fetch(hosts[3], &file.link);
    net.run(45 * 60_000);
    net.seed(hosts[0], &file);
    net.run(60_000);
    assert!(net.is_done(hosts[3]));
}

#[test]
fn wants_in_a_ring_are_forgotten_once_nobody_has_them() {
    let mut net = Net::default();
    let hosts = chain(&mut net, 3);
    net.listen(hosts[2], "ws://ring/ws");
    net.keep(hosts[0], "ws://ring/ws");
    let reader = net.native();
    net.keep(reader, "ws://0/ws");
    net.fetch(reader, &file(3).link);
    net.run(30 * 60_000);
    assert!(net.peer(hosts[1]).swarm.favours().count() > 0);
    net.kill(reader);
    net.run(30 * 60_000);
    for host in hosts {
        assert_eq!(net.peer(host).swarm.favours().count(), 0, "{host:?}");
    }
}

#[test]
fn a_slow_keeper_gets_everything_however_long_it_takes() {
    let mut net = Net::default();
    let (pusher, keeper) = (net.native(), net.native());
    net.listen(keeper, "ws://keeper/ws");
    net.keep(pusher, "ws://keeper/ws");
    let slow = samara_swarm::Rate {
        bytes_per_second: std::num::NonZeroU64::new(50).unwrap(),
        burst: 2000,
    };
    let rates = samara_swarm::Rates {
        upload: Some(slow),
        download: None,
    };
    net.input(pusher, samara_swarm::Input::Limit(rates));
    // A quarter of an hour.
    let file = file(45);
    net.seed(pusher, &file);
    net.push(pusher, 1);
    net.run(30 * 60_000);
    assert_eq!(net.peer(keeper).store.len(), file.blobs.len());
}

#[test]
fn nobody_fetches_for_others_what_comes_directly() {
    let mut net = Net::default();
    let (seeder, helper, reader) = (net.native(), net.native(), net.native());
    net.listen(seeder, "ws://seeder/ws");
    net.listen(helper, "ws://helper/ws");
    for peer in [reader, helper] {
        net.keep(peer, "ws://seeder/ws");
    }
    net.keep(reader, "ws://helper/ws");
    let file = file(50);
    net.seed(seeder, &file);
    net.run(1_000);
    net.fetch(reader, &file.link);
    net.run(60_000);
    assert!(net.is_done(reader));
    assert!(net.peer(helper).store.is_empty());
}

#[test]
fn without_sympathy_nothing_is_fetched_or_kept_for_others() {
    let mut net = Net::default();
    let selfish = net.add(|config| config.generosity.sympathy = 0);
    let (seeder, reader) = (net.native(), net.native());
    net.listen(selfish, "ws://selfish/ws");
    net.keep(seeder, "ws://selfish/ws");
    net.keep(reader, "ws://selfish/ws");
    let file = file(3);
    net.seed(seeder, &file);
    net.push(seeder, 1);
    net.fetch(reader, &file.link);
    net.run(120_000);
    assert!(!net.is_done(reader));
    assert!(net.peer(selfish).store.is_empty());
}

#[test]
fn a_stingy_peer_serves_only_what_its_user_shares() {
    for stingy in [false, true] {
        let mut net = Net::default();
        let keeper = net.add(|config| {
            let sympathy = 3;
            config.generosity = Generosity { sympathy, stingy };
        });
        net.listen(keeper, "ws://keeper/ws");
        let (shared, other) = (file(3), file(4));
        net.give(keeper, other.blobs.iter().cloned());
        net.seed(keeper, &shared);
        let readers = [&shared, &other].map(|file| {
            let reader = net.native();
            net.keep(reader, "ws://keeper/ws");
            net.fetch(reader, &file.link);
            reader
        });
        net.run(60_000);
        assert!(net.is_done(readers[0]));
        assert_eq!(net.is_done(readers[1]), !stingy);
    }
}

#[test]
fn copies_are_made_until_enough_holders_proved_it() {
    let mut net = Net::default();
    let pusher = net.native();
    let keepers: Vec<_> = (0..5).map(|_| net.native()).collect();
    for (number, keeper) in keepers.iter().enumerate() {
        let address = format!("ws://keeper{number}/ws");
        net.listen(*keeper, &address);
        net.keep(pusher, &address);
    }
    let file = file(40);
    net.seed(pusher, &file);
    net.push(pusher, 3);
    net.run(60_000);
    let whole = |event: &Event| {
        matches!(
            event,
            Event::Pushed {
                copies: 3,
                target: 3,
                ..
            }
        )
    };
    assert!(net.peer(pusher).events.iter().any(whole));
    let kept: usize = keepers
        .iter()
        .map(|keeper| net.peer(*keeper).store.len())
        .sum();
    assert_eq!(kept, 3 * file.blobs.len(), "no copy too many");
}

#[test]
fn a_keeper_that_goes_is_replaced() {
    let mut net = Net::default();
    let (pusher, first, second) = (net.native(), net.native(), net.native());
    for (keeper, address) in [(first, "ws://first/ws"), (second, "ws://second/ws")] {
        net.listen(keeper, address);
    }
    net.keep(pusher, "ws://first/ws");
    net.run(1_000);
    net.peer(first).room = 10 * 1040;
    let file = file(40);
    net.seed(pusher, &file);
    net.push(pusher, 1);
    net.run(5_000);
    net.kill(first);
    net.keep(pusher, "ws://second/ws");
    net.push(pusher, 1);
    net.run(60_000);
    let whole = |event: &Event| matches!(event, Event::Pushed { copies: 1, .. });
    assert!(net.peer(pusher).events.iter().any(whole));
    assert_eq!(net.peer(second).store.len(), file.blobs.len());
}

#[test]
fn a_holder_that_cannot_prove_it_does_not_count_and_is_banned() {
    let mut net = Net::default();
    let (pusher, liar) = (net.native(), net.native());
    net.listen(liar, "ws://liar/ws");
    net.keep(pusher, "ws://liar/ws");
    net.peer(liar).forges = true;
    let file = file(3);
    net.seed(pusher, &file);
    net.push(pusher, 1);
    net.run(30_000);
    let events = &net.peer(pusher).events;
    let cut = |event: &Event| matches!(event, Event::Misbehaved { .. });
    let counted = |event: &Event| matches!(event, Event::Pushed { proven: 1.., .. });
    assert!(events.iter().any(cut));
    assert!(!events.iter().any(counted));
}

#[test]
fn wants_in_a_ring_do_not_multiply() {
    let mut net = Net::default();
    let hosts: Vec<_> = (0..8).map(|_| net.native()).collect();
    for (number, host) in hosts.iter().enumerate() {
        net.listen(*host, &format!("ws://{number}/ws"));
    }
    for host in &hosts {
        let others = hosts.iter().enumerate().filter(|(_, other)| *other != host);
        for (number, _) in others {
            net.keep(*host, &format!("ws://{number}/ws"));
        }
    }
    net.run(1_000);
    let before = net.wants;
    net.fetch(hosts[0], &file(3).link);
    net.run(300_000);
    let told = net.wants - before;
    // One want, told by eight peers to seven others over two links, at three
    // distances at most, and once in a whisper.
    assert!(told <= 8 * 14 * 4, "{told} wants");
    assert!(told >= 14, "{told} wants");
}
