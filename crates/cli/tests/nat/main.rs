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

use common::{Desk, Ended};
use serde_json::Value;
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

/// Bytes of the file that each pair exchanges, and how fast: long enough for a
/// better path to take over.
const LEN: usize = 4 << 20;
const SPEED: &str = "1M";

/// How one pair connects: the best path that carried something of a file.
fn way(url: &str, seeder: &Home, reader: &Home) -> Way {
    let desk = Desk::new();
    let file = desk.file("file", LEN);
    let link = desk.ingest("seed", &file);
    let at = ["--no-dht", "--relay", url];
    let seed = desk
        .samara_in(seeder.host(), "seed")
        .args(["seed", "-i", "ENTRY.json"]);
    let seed = seed.args(at).args(["--upload-limit", SPEED]).start();
    seed.wait_until(|event| event["event"] == "connection" && event["problem"].is_null());
    let watched = reader.watched();
    let fetch = desk
        .samara_in(reader.host(), "fetch")
        .args(["fetch", &link, "-o", "out"]);
    let fetched = fetch.args(at).end();
    fetched.assert_code(0);
    let status = desk.samara("seed").arg("status").end();
    seed.stop();
    let (came, sent) = (std::fs::read(desk.path("out")), std::fs::read(&file));
    assert!(came.unwrap() == sent.unwrap(), "what came is what was sent");
    let progress = fetched.event("progress");
    let way = Way::of(&progress["sources"]);
    // What the reader says is what happened.
    let by_turn = reader.watched() - watched > (LEN / 4) as u64;
    assert_eq!(way == Way::Turn, by_turn, "{progress}");
    said_by_seeder(&status, way);
    way
}

/// The other side of the channel says the same, while the reader is there.
fn said_by_seeder(status: &Ended, way: Way) {
    status.assert_code(0);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let peers = status["running"]["peers"].as_array().unwrap();
    let Some(channel) = peers.iter().find(|peer| peer["path"] == "webrtc") else {
        return;
    };
    let pair = match way {
        Way::Direct => "direct",
        Way::Turn => "turn",
        Way::Relay => panic!("{channel}"),
    };
    assert_eq!(channel["pair"], pair, "{channel}");
}

/// A TURN server that one end alone knows is of use whoever begins, and the
/// port that others use is the one named for them all the same.
#[test]
#[ignore = "needs root, iproute2, nftables and coturn: cargo xtask nat"]
fn a_turn_server_of_ones_own_leaves_others_the_port_that_was_named() {
    let (town, desk) = (Town::new(), Desk::new());
    let turn = Turn::start_for(&town, &desk, "me", "north");
    let relay = Relay::start(&town, &desk, None);
    let (seeder, reader) = (
        Home::new(&town, Router::Symmetric),
        Home::new(&town, Router::Symmetric),
    );
    seeder.count_from(PORT);
    let link = desk.ingest("seed", &desk.file("file", LEN));
    let at = ["--no-dht", "--relay", relay.url()];
    let seed = desk
        .samara_in(seeder.host(), "seed")
        .args(["seed", "-i", "ENTRY.json"]);
    let seed = seed.args(at).args(["--udp-port", &PORT.to_string()]);
    let server = format!("turn:me:north@{}", turn.address());
    let seed = seed
        .args(["--upload-limit", SPEED, "--ice-server", &server])
        .start();
    seed.wait_until(|event| event["event"] == "connection" && event["problem"].is_null());
    let fetch = desk.samara_in(reader.host(), "fetch");
    let fetch = fetch.args(["fetch", &link, "-o", "out"]).args(at);
    let fetched = fetch.end();
    fetched.assert_code(0);
    let progress = fetched.event("progress");
    assert_eq!(Way::of(&progress["sources"]), Way::Turn, "{progress}");
    // The seeder was asked, and answered on its port.
    assert!(seeder.watched() > 0);
    seed.stop();
}

/// A port of the seeder's that others are to use.
const PORT: u16 = 4321;

#[test]
#[ignore = "needs root, iproute2, nftables and coturn: cargo xtask nat"]
fn every_pair_of_homes_connects_and_the_tables_say_how() {
    let town = Town::new();
    let desk = Desk::new();
    let turn = Turn::start(&town, &desk);
    let mut tables = Vec::new();
    for with_turn in [false, true] {
        let relay = Relay::start(&town, &desk, with_turn.then_some(&turn));
        let rows = KINDS.map(|seeder| {
            let pairs = KINDS.map(|reader| {
                let pair = (Home::new(&town, seeder), Home::new(&town, reader));
                pair.1.watch(turn.ip());
                pair
            });
            let row = std::thread::scope(|scope| {
                let url = relay.url();
                let ways = pairs
                    .each_ref()
                    .map(|(seeder, reader)| scope.spawn(move || way(url, seeder, reader)));
                ways.map(|way| way.join().unwrap())
            });
            println!("{} with TURN {with_turn}: {row:?}", seeder.name());
            row
        });
        tables.push(Table { with_turn, rows });
    }
    table::check(&tables);
}
