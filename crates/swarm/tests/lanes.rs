//! How many data channels a reader has with a source.

#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]
#![allow(dead_code, reason = "the network has more than this suite needs")]

mod net;

use std::num::NonZeroU64;

use net::file::{File, file, numbered};
use net::{Host, Net};
use samara_core::message::Features;
use samara_swarm::{Input, Path, Rate, Target, TransferId};

const TRANSFER: TransferId = TransferId(1);
const RELAY: &str = "ws://relay/ws";

/// Bytes a second of one channel.
const RATE: u64 = 100_000;

/// A relay that fetches nothing for others.
fn network() -> Net {
    let mut net = Net::default();
    let relay = net.add(|config| {
        config.features = Features::ROOMS;
        config.generosity.sympathy = 0;
    });
    net.listen(relay, RELAY);
    net.channel_rate = RATE;
    net
}

/// A peer that has at most so many channels with another.
fn browser(net: &mut Net, channels: usize) -> Host {
    let host = net.add(|config| {
        config.webrtc = true;
        config.limits.channels = channels;
    });
    net.keep(host, RELAY);
    host
}

/// Channels that a reader has with its one source.
fn channels(net: &mut Net, reader: Host) -> usize {
    let sources = net.peer(reader).swarm.progress(TRANSFER).unwrap().sources;
    let channels = sources.iter().filter(|of| of.path == Path::WebRtc);
    channels.map(|of| of.channels).sum()
}

/// Seconds until the reader is done, and the most channels it had.
fn fetch(net: &mut Net, reader: Host, file: &File) -> (u64, usize) {
    net.fetch(reader, &file.link);
    let (start, mut most) = (net.now, 0);
    while !net.is_done(reader) {
        net.run(1000);
        most = most.max(channels(net, reader));
        assert!(net.now < start + 1_000_000, "the fetch ends");
    }
    ((net.now - start) / 1000, most)
}

/// The same with one seeder, where each may have so many channels.
fn between(net: &mut Net, seeder: usize, reader: usize, file: &File) -> (u64, usize) {
    let [seeder, reader] = [seeder, reader].map(|channels| browser(net, channels));
    net.run(1000);
    net.seed(seeder, file);
    fetch(net, reader, file)
}

/// A seeder and somebody who has just begun to fetch from it; each may have
/// eight channels.
fn reading(net: &mut Net, file: &File) -> (Host, Host) {
    let [seeder, reader] = [8, 8].map(|channels| browser(net, channels));
    net.run(1000);
    net.seed(seeder, file);
    net.fetch(reader, &file.link);
    (seeder, reader)
}

/// About five megabytes: fifty seconds on one channel.
fn large() -> File {
    file(5000)
}

#[test]
fn a_far_source_whose_channel_is_slow_gets_several() {
    let file = large();
    let (one, channels) = between(&mut network(), 8, 1, &file);
    assert_eq!(channels, 1);
    let (several, channels) = between(&mut network(), 8, 8, &file);
    assert_eq!(channels, 8);
    assert!(several * 3 <= one, "{several} s instead of {one}");
}

#[test]
fn channels_that_carry_no_more_together_end_again() {
    let file = large();
    let mut net = network();
    net.one_line = true;
    let (one, _) = between(&mut net, 8, 1, &file);
    let mut net = network();
    net.one_line = true;
    let (_, reader) = reading(&mut net, &file);
    let (mut tried, mut seconds) = (0, 0);
    while !net.is_done(reader) {
        net.run(1000);
        tried += usize::from(channels(&mut net, reader) > 1);
        seconds += 1;
    }
    assert!(tried > 0, "more were tried");
    assert!(tried < seconds / 2, "for {tried} of {seconds} s");
    let took = net.now / 1000;
    assert!(took <= one + one / 20 + 2, "{took} s instead of {one}");
    // What was tried last may stand yet.
    net.run(70_000);
    assert!(channels(&mut net, reader) <= 1);
    // What was on its way when each trial ended.
    let wasted = net.peer(reader).swarm.wasted();
    assert!(wasted < 100_000, "{wasted} bytes of five million");
}

/// A channel may end before what came on it is stored.
#[test]
fn what_came_on_a_channel_that_ended_counts_for_its_source() {
    let file = large();
    let mut net = network();
    net.one_line = true;
    net.slow_stores = 5000;
    let [seeder, reader] = [8, 8].map(|channels| browser(&mut net, channels));
    net.run(1000);
    net.seed(seeder, &file);
    fetch(&mut net, reader, &file);
    let sources = net.peer(reader).swarm.progress(TRANSFER).unwrap().sources;
    let came: u64 = sources.iter().map(|source| source.bytes).sum();
    let sealed: usize = file.blobs.iter().map(|blob| blob.bytes().len()).sum();
    assert_eq!(came, sealed as u64);
}

#[test]
fn a_near_source_is_not_tried() {
    let file = large();
    let mut net = network();
    net.near = true;
    net.channel_rate = 10 * RATE;
    let (_, channels) = between(&mut net, 8, 8, &file);
    assert_eq!(channels, 1);
}

/// A busy machine answers the first handshake late.
#[test]
fn a_source_that_turns_out_to_be_near_is_left_with_one_channel() {
    let file = large();
    let mut net = network();
    let (_, reader) = reading(&mut net, &file);
    while channels(&mut net, reader) == 0 {
        net.run(10);
    }
    net.run(100);
    net.near = true;
    let mut most = 0;
    for _ in 0..150 {
        net.run(100);
        most = most.max(channels(&mut net, reader));
    }
    assert!(!net.is_done(reader));
    assert_eq!((most, channels(&mut net, reader)), (4, 1));
}

#[test]
fn a_trial_ends_when_nothing_is_asked_for_any_more() {
    let file = large();
    let mut net = network();
    let (_, reader) = reading(&mut net, &file);
    while channels(&mut net, reader) < 4 {
        net.run(100);
    }
    let transfer = TRANSFER;
    net.input(reader, Input::Pause { transfer });
    net.run(30_000);
    assert_eq!(channels(&mut net, reader), 1);
}

#[test]
fn no_more_channels_are_taken_than_one_peer_may_have() {
    let file = large();
    let (_, channels) = between(&mut network(), 2, 8, &file);
    // One is to spare for a peer that comes from another address.
    assert_eq!(channels, 3);
}

#[test]
fn whoever_has_more_channels_gets_no_more_of_a_full_line() {
    let files = [1, 2].map(|number| numbered(5000, number));
    for limited in [false, true] {
        let mut net = network();
        net.one_line = !limited;
        let seeder = net.add(|config| {
            config.webrtc = true;
            // One blob, as of large ones.
            config.limits.outgoing_least = 1024;
            let bytes_per_second = NonZeroU64::new(RATE).unwrap();
            let burst = 10_000;
            config.rates.upload = limited.then_some(Rate {
                bytes_per_second,
                burst,
            });
        });
        net.keep(seeder, RELAY);
        // Each has a file of its own, so that neither helps the other.
        let [greedy, modest] = [8, 1].map(|channels| browser(&mut net, channels));
        net.run(1000);
        for (number, reader) in (1..).zip([greedy, modest]) {
            let file = &files[number - 1];
            net.give(seeder, file.blobs.iter().cloned());
            let target = Target::Entry(file.entry.clone().into(), file.link.clone());
            let transfer = TransferId(number as u64);
            net.input(seeder, Input::Open { transfer, target });
            net.fetch(reader, &file.link);
        }
        net.run(40_000);
        let got = [greedy, modest].map(|of| net.peer(of).store.len());
        assert!(got[0] <= got[1] + got[1] / 4, "{got:?} {limited}");
    }
}

#[test]
fn what_was_asked_for_on_a_channel_that_ends_comes_by_the_others() {
    let file = large();
    let mut net = network();
    let (seeder, reader) = reading(&mut net, &file);
    while channels(&mut net, reader) < 8 {
        net.run(500);
    }
    net.cut_first(reader, seeder);
    net.run(200);
    assert_eq!(channels(&mut net, reader), 7);
    let (took, _) = fetch(&mut net, reader, &file);
    assert!(took < 30, "{took} s");
}
