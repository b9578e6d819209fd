//! What drivers are told of bytes exchanged with each identity.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "the network has more than this suite needs")]

mod net;

use net::file::{File, file};
use net::{Host, Net};
use samara_core::{PeerId, PeerSecret};
use samara_swarm::Traffic;

/// The identity that the network gives a host.
fn peer(host: Host) -> PeerId {
    PeerSecret::from_bytes(&[u8::try_from(host.0).unwrap(); 32]).peer()
}

fn bytes(file: &File) -> u64 {
    file.blobs
        .iter()
        .map(|blob| blob.bytes().len() as u64)
        .sum()
}

/// A seeder that listens and a reader connected to it.
fn two(file: &File) -> (Net, Host, Host) {
    let mut net = Net::default();
    let (seeder, reader) = (net.native(), net.native());
    net.listen(seeder, "ws://seeder/ws");
    net.seed(seeder, file);
    net.keep(reader, "ws://seeder/ws");
    (net, seeder, reader)
}

#[test]
fn both_sides_count_the_blobs_that_went_between_them() {
    let file = file(10);
    let (mut net, seeder, reader) = two(&file);
    net.fetch(reader, &file.link);
    net.run(60_000);
    assert!(net.is_done(reader));
    let (sent, received) = (bytes(&file), 0);
    let gave = &net.peer(seeder).ledger;
    assert_eq!(gave[&peer(reader)], Traffic { sent, received });
    let (sent, received) = (0, bytes(&file));
    let took = &net.peer(reader).ledger;
    assert_eq!(took[&peer(seeder)], Traffic { sent, received });
}

#[test]
fn a_ledger_is_told_while_the_connection_lasts_and_when_it_ends() {
    let file = file(10);
    let (mut net, seeder, reader) = two(&file);
    net.fetch(reader, &file.link);
    net.run(9000);
    assert!(net.is_done(reader));
    assert!(net.peer(seeder).ledger.is_empty(), "not at every blob");
    net.run(3000);
    assert!(!net.peer(seeder).ledger.is_empty());

    let (mut net, seeder, reader) = two(&file);
    net.fetch(reader, &file.link);
    net.run(5000);
    assert!(net.is_done(reader));
    net.kill(reader);
    net.run(1000);
    assert_eq!(net.peer(seeder).ledger[&peer(reader)].sent, bytes(&file));
}

#[test]
fn a_driver_that_stops_gets_what_was_not_told_yet() {
    let file = file(10);
    let (mut net, seeder, reader) = two(&file);
    net.fetch(reader, &file.link);
    net.run(5000);
    let untold = net.peer(reader).swarm.settle();
    let (sent, received) = (0, bytes(&file));
    assert_eq!(untold, [(peer(seeder), Traffic { sent, received })]);
    assert_eq!(net.peer(reader).swarm.settle(), [], "once");
    net.run(20_000);
    assert!(net.peer(reader).ledger.is_empty(), "and nowhere else");
}

#[test]
fn wrong_bytes_of_a_liar_do_not_count() {
    let file = file(10);
    let (mut net, liar, reader) = two(&file);
    net.peer(liar).lies = true;
    net.fetch(reader, &file.link);
    net.run(60_000);
    assert!(!net.is_done(reader));
    let credit = net.peer(reader).ledger.get(&peer(liar)).copied();
    assert_eq!(credit.unwrap_or_default().received, 0);
}

#[test]
fn bytes_in_a_circuit_count_for_the_member_and_not_for_the_relay() {
    let mut net = Net::default();
    let relay = net.relay();
    let (seeder, reader) = (net.native(), net.native());
    let file = file(10);
    for host in [seeder, reader] {
        net.keep(host, "ws://relay/ws");
    }
    net.seed(seeder, &file);
    net.fetch(reader, &file.link);
    net.run(60_000);
    assert!(net.is_done(reader));
    let took = &net.peer(reader).ledger;
    assert_eq!(took[&peer(seeder)].received, bytes(&file));
    assert_eq!(took.get(&peer(relay)), None);
    let gave = &net.peer(seeder).ledger;
    assert_eq!(gave[&peer(reader)].sent, bytes(&file));
    assert_eq!(gave.get(&peer(relay)), None);
}
