//! What browsers want that only the DHT knows a holder of.

#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]
#![allow(dead_code, reason = "the network has more than this suite needs")]

mod net;

use net::file::{File, file, numbered};
use net::{Host, Net};
use samara_core::message::Features;
use samara_swarm::{Input, Target, TransferId};

const RELAY: &str = "ws://relay/ws";
const KEEPER: &str = "ws://keeper/ws";

/// A relay that looks up what its browsers want, and one browser.
fn browser_and_relay(net: &mut Net) -> (Host, Host) {
    let relay = net.add(|config| {
        config.features = Features::ROOMS;
        config.lookup = true;
    });
    net.listen(relay, RELAY);
    let browser = net.browser();
    net.keep(browser, RELAY);
    net.run(1000);
    (browser, relay)
}

/// A host that keeps blobs it can make nothing of, and announces them.
fn keeper(net: &mut Net, file: &File) -> Host {
    let keeper = net.native();
    net.listen(keeper, KEEPER);
    net.give(keeper, file.blobs.iter().cloned());
    for blob in &file.blobs {
        let key = Net::blob_key(&blob.id());
        net.dht.entry(key).or_default().insert(KEEPER.into());
    }
    keeper
}

fn peers(net: &mut Net, host: Host) -> usize {
    net.peer(host).swarm.peers().len()
}

#[test]
fn a_browser_gets_what_a_host_keeps_that_its_relay_finds() {
    let mut net = Net::default();
    let (browser, relay) = browser_and_relay(&mut net);
    let file = file(40);
    keeper(&mut net, &file);
    net.fetch(browser, &file.link);
    net.run(50_000);
    assert_eq!(net.sought, 0, "somebody may come yet");
    // The entry is found first, and then it is known which chunks there are:
    // the keeper is asked for those without another lookup.
    net.run(40_000);
    assert!(net.is_done(browser));
    assert_eq!(net.sought, 1);
    // The relay needs the keeper no more.
    net.run(120_000);
    assert_eq!(peers(&mut net, relay), 1);
}

#[test]
fn what_nobody_announced_is_looked_up_now_and_then() {
    let mut net = Net::default();
    let (browser, _) = browser_and_relay(&mut net);
    net.fetch(browser, &file(3).link);
    net.run(360_000);
    // Every 30 s after a minute.
    assert!((5..=11).contains(&net.sought), "{}", net.sought);
}

#[test]
fn each_asker_has_lookups_whatever_others_want() {
    let mut net = Net::default();
    let (greedy, _) = browser_and_relay(&mut net);
    // It opened many links that nobody has anything of.
    for number in 2..30 {
        let file = numbered(3, number);
        let target = Target::Link(file.link.clone());
        let transfer = TransferId(number.into());
        net.input(greedy, Input::Open { transfer, target });
    }
    net.run(120_000);
    let modest = net.browser();
    net.keep(modest, RELAY);
    let file = file(20);
    keeper(&mut net, &file);
    net.fetch(modest, &file.link);
    net.run(100_000);
    assert!(net.is_done(modest));
}

#[test]
fn whoever_is_found_and_has_nothing_is_left() {
    let mut net = Net::default();
    let (browser, relay) = browser_and_relay(&mut net);
    let file = file(3);
    let keeper = keeper(&mut net, &file);
    // It lost what it announced.
    let lost = file.blobs.iter().map(samara_core::Blob::id).collect();
    net.input(keeper, Input::Evicted(lost));
    net.fetch(browser, &file.link);
    net.run(75_000);
    assert_eq!(peers(&mut net, relay), 2);
    net.dht.clear();
    net.run(80_000);
    assert_eq!(peers(&mut net, relay), 1);
}
