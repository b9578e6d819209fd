//! What a relay wants for others outlasts its end.
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]
#![allow(dead_code, reason = "the desk has more than this suite needs")]

mod common;
mod relays;

use std::time::{Duration, Instant};

use common::{Desk, MIB};
use relays::Relay;

/// Looks until it is so.
#[track_caller]
fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_mins(1);
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether there is a file anywhere in a folder.
fn holds_a_file(folder: &std::path::Path) -> bool {
    let mut entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.any(|entry| entry.path().is_file() || holds_a_file(&entry.path()))
}

#[test]
fn a_killed_relay_still_looks_for_what_was_wanted_of_it() {
    let desk = Desk::new();
    let relay = Relay::start(&desk, "relay");
    let place = relay.address().to_owned();
    let link = desk.ingest("own", &desk.file("file", MIB));
    let fetch = desk.fetch("reader", &link, "out");
    let reader = fetch.args(["--relay", &relay.url]).start();
    let wants = desk.path("relay").join("wants");
    wait("the want is written down", || {
        std::fs::metadata(&wants).is_ok_and(|file| file.len() > 0)
    });
    drop(relay);
    reader.kill();

    let status = desk.samara("relay").args(["status"]).end();
    status.assert_code(0);
    let said: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(
        (&said["wantedBlobs"], &said["blobs"]),
        (&1.into(), &0.into())
    );

    // Nobody asks any more; the relay itself remembers.
    let relay = Relay::start_at(&desk, "relay", &place);
    let seed = desk.samara("own");
    let seed = seed.args([
        "seed",
        "-i",
        "ENTRY.json",
        "--no-dht",
        "--relay",
        &relay.url,
    ]);
    let _seed = seed.start();
    let blobs = desk.path("relay").join("blobs");
    wait("the blob is fetched", || holds_a_file(&blobs));
}
