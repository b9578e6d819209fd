//! What a store remembers of those it exchanged bytes with.
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]
#![allow(dead_code, reason = "there are more strangers than this suite needs")]

mod common;
mod strangers;

use std::time::{Duration, Instant};

use common::{Desk, MIB};
use samara_node::Ledger;
use serde_json::Value;

fn status(desk: &Desk, store: &str) -> Value {
    let ended = desk.samara(store).args(["status"]).end();
    ended.assert_code(0);
    serde_json::from_slice(&ended.stdout).unwrap()
}

/// Waits until the ledger of a store that is in use says something. What is
/// looked at is a copy, which may be torn while the file is being written.
fn wait_for_ledger(desk: &Desk, store: &str) {
    let start = Instant::now();
    let (from, copy) = (desk.path(store).join("ledger.redb"), desk.path("copy"));
    std::fs::create_dir_all(&copy).unwrap();
    loop {
        let copied = std::fs::copy(&from, copy.join("ledger.redb")).is_ok();
        let accounts = Ledger::beside(&copy).accounts();
        if copied && accounts.is_ok_and(|accounts| !accounts.is_empty()) {
            return;
        }
        assert!(
            start.elapsed() < Duration::from_mins(1),
            "nothing is written"
        );
        std::thread::yield_now();
    }
}

#[test]
fn bytes_exchanged_with_a_peer_are_known_after_a_crash() {
    let desk = Desk::new();
    let file = desk.file("file", 3 * MIB);
    let link = desk.ingest("a", &file);
    let (seed, address) = desk.seed("a");
    // Another store is another peer.
    for store in ["b", "c"] {
        let fetch = desk.fetch(store, &link, "out").peer(&address);
        fetch.end().assert_code(0);
    }
    wait_for_ledger(&desk, "a");
    seed.kill();

    let seeder = status(&desk, "a");
    assert!(seeder["knownPeers"].as_u64().unwrap() >= 1, "{seeder}");
    let reader = &seeder["topPeers"][0];
    let sent = reader["sentBytes"].as_u64().unwrap();
    assert!(sent > 3 * MIB as u64, "{seeder}");
    assert_eq!(reader["receivedBytes"], 0);
    assert_eq!(reader["peer"].as_str().unwrap().len(), 64);
    assert!(reader["lastSeen"].as_u64().unwrap() > 1_700_000_000);

    let reader = status(&desk, "b");
    assert_eq!(reader["topPeers"][0]["receivedBytes"], sent);
    assert_eq!(reader["topPeers"][0]["sentBytes"], 0);
}

#[test]
fn a_peer_is_the_same_at_its_next_start() {
    let desk = Desk::new();
    for name in ["first", "second"] {
        let link = desk.ingest("a", &desk.file(name, MIB));
        let (seed, address) = desk.seed("a");
        let fetch = desk.fetch("b", &link, "out").peer(&address);
        fetch.end().assert_code(0);
        seed.kill();
    }
    let reader = status(&desk, "b");
    assert_eq!(reader["knownPeers"], 1, "{reader}");
    let received = reader["topPeers"][0]["receivedBytes"].as_u64().unwrap();
    assert!(received > 2 * MIB as u64, "both times: {reader}");
}

#[test]
fn a_liars_bytes_are_not_counted() {
    let desk = Desk::new();
    desk.ingest("a", &desk.file("file", 2 * MIB));
    let liar = strangers::Liar::start(&desk.path("ENTRY.json"));
    let fetch = desk.fetch("b", "ENTRY.json", "out").peer(liar.url());
    let fetch = fetch.args(["--timeout", "2"]).start();
    fetch.wait_for("misbehaved");
    drop(fetch);
    assert_eq!(status(&desk, "b")["knownPeers"], 0);
}
