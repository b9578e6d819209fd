//! Many transfers, many readers: nobody keeps the others from what they need.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "the network has more than this suite needs")]

mod net;

use std::num::NonZeroU64;

use net::file::{File, file};
use net::{Host, Net};
use samara_swarm::{Event, Input, Rate, Target, TransferId};

/// Opens a file whose entry is known, beside the transfer that `fetch` opens.
fn open(net: &mut Net, host: Host, transfer: TransferId, file: &File) {
    let target = Target::Entry(file.entry.clone().into(), file.link.clone());
    net.input(host, Input::Open { transfer, target });
}

/// A reader that may tell few wants, and a native peer it is connected to.
fn few_wants() -> (Net, Host, Host) {
    let mut net = Net::default();
    let peer = net.native();
    let reader = net.add(|config| config.limits.wants_per_peer = 20);
    net.listen(peer, "ws://peer/ws");
    net.keep(reader, "ws://peer/ws");
    (net, peer, reader)
}

#[test]
fn two_sources_with_a_half_each_give_the_whole() {
    let (mut net, first, reader) = few_wants();
    let second = net.native();
    net.listen(second, "ws://second/ws");
    net.keep(reader, "ws://second/ws");
    let file = file(100);
    let half = file.blobs.len() / 2;
    net.give(first, file.blobs[..half].iter().cloned());
    net.give(second, file.blobs[half..].iter().cloned());
    open(&mut net, reader, TransferId(1), &file);
    net.run(120_000);
    assert!(net.is_done(reader));
}

#[test]
fn a_dropped_transfer_makes_room_for_the_next() {
    let (mut net, peer, reader) = few_wants();
    let transfer = TransferId(7);
    open(&mut net, reader, transfer, &file(100));
    net.run(1000);
    net.input(reader, Input::Drop { transfer });
    let file = file(101);
    net.give(peer, file.blobs.iter().cloned());
    net.fetch(reader, &file.link);
    net.run(120_000);
    assert!(net.is_done(reader));
}

#[test]
fn a_transfer_that_nobody_has_does_not_starve_another() {
    let (mut net, peer, reader) = few_wants();
    open(&mut net, reader, TransferId(7), &file(100));
    net.run(1000);
    let file = file(101);
    net.give(peer, file.blobs.iter().cloned());
    net.fetch(reader, &file.link);
    net.run(120_000);
    assert!(net.is_done(reader));
}

#[test]
fn two_that_are_connected_for_one_file_get_another_from_each_other() {
    let mut net = Net::default();
    net.relay();
    let (a, b) = (net.browser(), net.browser());
    let nobodys = file(10);
    for host in [a, b] {
        net.keep(host, "ws://relay/ws");
        net.fetch(host, &nobodys.link);
    }
    net.run(5000);
    let file = file(11);
    net.give(a, file.blobs.iter().cloned());
    open(&mut net, a, TransferId(2), &file);
    open(&mut net, b, TransferId(2), &file);
    net.run(120_000);
    assert!(net.has_all(b, &file.entry));
}

#[test]
fn a_crowd_of_waiting_readers_finds_a_late_seeder() {
    let mut net = Net::default();
    net.relay();
    let file = file(10);
    let readers: Vec<_> = (0..40).map(|_| net.browser()).collect();
    for reader in &readers {
        net.keep(*reader, "ws://relay/ws");
        net.fetch(*reader, &file.link);
    }
    net.run(30_000);
    let seeder = net.browser();
    net.keep(seeder, "ws://relay/ws");
    net.seed(seeder, &file);
    net.run(300_000);
    assert!(readers.iter().all(|reader| net.is_done(*reader)));
}

#[test]
fn a_reader_that_is_gone_without_a_word_holds_the_next_up_for_a_moment_only() {
    let mut net = Net::default();
    net.relay();
    let seeder = net.add(|config| {
        config.webrtc = true;
        config.limits.outgoing_least = 1000;
        let bytes_per_second = NonZeroU64::new(20_000).unwrap();
        config.rates.upload = Some(Rate {
            bytes_per_second,
            burst: 2048,
        });
    });
    let readers = [net.browser(), net.browser()];
    let file = file(100);
    net.keep(seeder, "ws://relay/ws");
    net.seed(seeder, &file);
    for reader in readers {
        net.keep(reader, "ws://relay/ws");
    }
    net.fetch(readers[0], &file.link);
    net.run(1000);
    assert!(!net.is_done(readers[0]), "mid-way");
    net.vanish(readers[0]);
    net.fetch(readers[1], &file.link);
    net.run(1500);
    let events = &net.peer(readers[1]).events;
    let knows = |event: &Event| matches!(event, Event::Entry { .. });
    assert!(events.iter().any(knows), "{events:?}");
}
