//! How real processes behind real routers connect: network namespaces, the
//! kernel's address translation, coturn. What is seen is written down in
//! `docs/nat.md`, and a run that sees something else fails.
//!
//! Needs root, iproute2, nftables and coturn: `cargo xtask nat`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

#[path = "../common/mod.rs"]
mod common;
mod moving;
mod server;
mod table;
mod town;

use common::Desk;
use server::{Relay, Turn};
use table::{Table, Way};
use town::{Home, Router, Town};

/// Every kind of home, in the order of the tables.
const KINDS: [Router; 5] = [
    Router::None,
    Router::FullCone,
    Router::Restricted,
    Router::Symmetric,
    Router::NoUdp,
];

/// Bytes of the file that each pair exchanges.
const LEN: usize = 3 << 20;

/// How one pair connects: the path that carried the file.
fn way(desk: &Desk, relay: &Relay, turn: &Turn, seeder: &Home, reader: &Home) -> Way {
    let before = turn.received();
    let link = desk.ingest("seed", &desk.path("file"));
    let seed = desk.samara_in(seeder.host(), "seed");
    let seed = seed.args(["seed", "-i", "ENTRY.json", "--no-dht", "--relay", relay.url()]);
    let seed = seed.start();
    seed.wait_for("seeding");
    let fetch = desk.samara_in(reader.host(), "fetch");
    let fetch = fetch.args(["fetch", &link, "-o", "out", "--no-dht", "--relay", relay.url()]);
    let fetched = fetch.end();
    fetched.assert_code(0);
    seed.stop();
    let same = std::fs::read(desk.path("out")).unwrap() == std::fs::read(desk.path("file")).unwrap();
    assert!(same, "what came is what was sent");
    std::fs::remove_dir_all(desk.path("fetch")).unwrap();
    std::fs::remove_file(desk.path("out")).unwrap();
    let progress = fetched.event("progress");
    let sources = progress["sources"].as_array().unwrap();
    let gave = sources.iter().max_by_key(|source| source["bytes"].as_u64());
    let gave = gave.unwrap_or_else(|| panic!("{progress}"));
    let by_turn = turn.received() - before > LEN as u64;
    Way::of(gave, by_turn)
}

#[test]
#[ignore = "needs root, iproute2, nftables and coturn: cargo xtask nat"]
fn every_pair_of_homes_connects_and_the_tables_say_how() {
    let town = Town::new();
    let desk = Desk::new();
    desk.file("file", LEN);
    let turn = Turn::start(&town, &desk);
    let seeders = KINDS.map(|kind| Home::new(&town, kind));
    let readers = KINDS.map(|kind| Home::new(&town, kind));
    let mut tables = Vec::new();
    for with_turn in [false, true] {
        let relay = Relay::start(&town, &desk, with_turn.then_some(&turn));
        let rows = seeders.each_ref().map(|seeder| {
            readers.each_ref().map(|reader| {
                let way = way(&desk, &relay, &turn, seeder, reader);
                println!("{with_turn} {:?} {:?}: {way:?}", seeder.router, reader.router);
                way
            })
        });
        tables.push(Table { with_turn, rows });
    }
    table::check(&tables);
}
