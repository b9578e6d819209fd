//! `samara status` while another command has the store open, and after it.
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]
#![allow(dead_code, reason = "the desk has more than this suite needs")]

mod common;
mod relays;

use std::fs;
use std::time::{Duration, Instant};

use common::{Desk, MIB, Running};
use relays::Relay;
use samara_store::{Options, Store};
use serde_json::Value;

/// Asks for the status until it is as wanted.
#[track_caller]
fn status_when(desk: &Desk, store: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        let status = desk.samara(store).args(["status"]).end();
        // The first moments, in which nothing is said yet.
        if status.code != Some(6) {
            status.assert_code(0);
            let status = serde_json::from_slice(&status.stdout).unwrap();
            if wanted(&status) {
                return status;
            }
            assert!(Instant::now() < until, "{status}");
        }
        assert!(Instant::now() < until, "{}", status.stderr);
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn runs(status: &Value) -> bool {
    !status["running"].is_null()
}

/// A seed that takes as long as these tests, and the file's link.
fn slow_seed(desk: &Desk) -> (Running, String, String) {
    let link = desk.ingest("a", &desk.file("secret plans", 16 * MIB));
    let seed = desk.samara("a").args(["seed", "-i", "ENTRY.json"]);
    let seed = seed.args(["--no-dht", "--listen", "127.0.0.1:0"]);
    let seed = seed.args(["--upload-limit", "256K"]).start();
    let listening = seed.wait_for("listening");
    let address = format!("ws://{}", listening["address"].as_str().unwrap());
    (seed, address, link)
}

#[test]
fn both_ends_of_a_transfer_say_how_it_goes() {
    let desk = Desk::new();
    let (seed, address, link) = slow_seed(&desk);
    let before = status_when(&desk, "a", runs);
    assert_eq!(before["running"]["process"], seed.id());
    assert_eq!(before["running"]["connectedPeers"], 0);
    assert_eq!(before["running"]["peers"], Value::Array(Vec::new()));

    let fetch = desk.fetch("b", &link, "out").peer(&address).start();
    let reader = status_when(&desk, "b", |status| {
        status["running"]["peers"][0]["bytes"].as_u64() > Some(0)
    });
    assert_eq!(reader["running"]["process"], fetch.id());
    assert_eq!(reader["running"]["connectedPeers"], 1);
    let source = &reader["running"]["peers"][0];
    assert_eq!(source["path"], "websocket");
    assert_eq!(source["sentBytes"], 0);
    assert_eq!(source["peer"].as_str().unwrap().len(), 64);
    assert!(source["bytesPerSecond"].is_u64(), "{source}");
    assert!(reader["bytes"].as_u64().unwrap() >= source["bytes"].as_u64().unwrap());

    let seeder = status_when(&desk, "a", |status| {
        status["running"]["peers"][0]["sentBytes"].as_u64() > Some(0)
    });
    assert_eq!(seeder["running"]["peers"][0]["path"], "websocket");
    assert_eq!(seeder["running"]["peers"][0]["bytes"], 0);
    assert!(seeder["running"]["ageMs"].as_u64().unwrap() < 60_000);

    // The figures are those that the store says itself, once it is free.
    drop((seed, fetch));
    let after = status_when(&desk, "a", |_| true);
    assert_eq!(after["running"], Value::Null);
    for figure in ["store", "blobs", "bytes", "pinnedBlobs", "pinnedBytes"] {
        assert_eq!(after[figure], seeder[figure], "{figure}");
    }
    for figure in ["wantedBlobs", "knownPeers", "topPeers"] {
        assert!(!seeder[figure].is_null() && !after[figure].is_null());
    }
}

#[test]
fn what_a_process_says_names_no_file_and_opens_none() {
    let desk = Desk::new();
    let (_seed, _, link) = slow_seed(&desk);
    status_when(&desk, "a", runs);
    let said = fs::read_to_string(desk.path("a/status.json")).unwrap();
    let entry = fs::read_to_string(desk.path("ENTRY.json")).unwrap();
    let entry: Value = serde_json::from_str(&entry).unwrap();
    let chunk = &entry["chunks"][0];
    let payload = link.strip_prefix("samara:").unwrap();
    let words = [chunk["id"].as_str(), chunk["key"].as_str(), Some(payload)];
    for word in words.into_iter().flatten().chain(["secret plans"]) {
        assert!(!said.contains(word), "{word} in {said}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let file = fs::metadata(desk.path("a/status.json")).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn what_a_killed_process_said_is_not_believed() {
    let desk = Desk::new();
    let (seed, ..) = slow_seed(&desk);
    status_when(&desk, "a", runs);
    seed.kill();
    assert!(desk.path("a/status.json").exists());
    // Another process has it now, which says nothing.
    let store = Store::open(&desk.path("a"), Options::default()).unwrap();
    let status = desk.samara("a").args(["status"]).end();
    status.assert_failed(6, &["does not say how it is doing", "ingesting"]);
    drop(store);
    assert!(!runs(&status_when(&desk, "a", |_| true)));
    assert!(!desk.path("a/status.json").exists());
}

#[test]
fn a_status_that_cannot_be_read_is_named() {
    let desk = Desk::new();
    let _store = Store::open(&desk.path("a"), Options::default()).unwrap();
    fs::write(desk.path("a/status.json"), "{").unwrap();
    let status = desk.samara("a").args(["status"]).end();
    status.assert_failed(1, &["status.json", "is damaged"]);
}

#[cfg(unix)]
#[test]
fn a_process_that_stops_takes_back_what_it_said() {
    let desk = Desk::new();
    let (seed, ..) = slow_seed(&desk);
    status_when(&desk, "a", runs);
    assert_eq!(seed.stop(), Some(0));
    assert!(!desk.path("a/status.json").exists());
}

#[test]
fn people_are_told_in_words() {
    let desk = Desk::new();
    let (seed, ..) = slow_seed(&desk);
    status_when(&desk, "a", runs);
    let words = desk.samara_in_words("a").arg("status").end();
    words.assert_code(0);
    let words = String::from_utf8(words.stdout).unwrap();
    let process = format!("open    by process {}", seed.id());
    for line in [process.as_str(), "blobs   17, ", "now     0 connected"] {
        assert!(words.contains(line), "no {line:?} in {words}");
    }
}

#[test]
fn a_relay_says_how_it_is_doing() {
    let desk = Desk::new();
    let relay = Relay::start(&desk, "relay");
    let link = desk.ingest("own", &desk.file("file", MIB));
    let fetch = desk.fetch("reader", &link, "out");
    let _reader = fetch.args(["--relay", &relay.url]).start();
    let status = status_when(&desk, "relay", |status| {
        status["running"]["connectedPeers"] == 1 && status["wantedBlobs"] == 1
    });
    assert_eq!(status["running"]["peers"][0]["path"], "websocket");
}
