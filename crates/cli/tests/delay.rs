//! A long path that loses packets, between real processes: several data
//! channels are used, and what comes is what was sent.
//!
//! Needs root and `/dev/net/tun`; what a path costs is measured by `cargo xtask
//! lanes`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod common;

use std::time::Duration;

use common::{Desk, MIB};
use samara_line::{Line, NEAR, Places};
use serde_json::Value;

/// Fetches a file over a path; the most data channels the reader had.
fn fetch(line: Line, len: usize, more: &[&str]) -> u64 {
    let path = Places::new(&format!("lane{}", std::process::id()), line).unwrap();
    let (near, far) = (path.near().name(), path.far().name());
    let desk = Desk::new();
    let file = desk.file("file", len);
    let samara = desk.ingest("seed", &file);
    let address = format!("{NEAR}:8787");
    let relay = desk.samara_in(near, "relay");
    // It is to fetch nothing for others.
    let relay = relay.args(["relay", "--no-dht", "--sympathy", "0", "--listen", &address]);
    let relay = relay.start();
    relay.wait_until(|event| event["message"] == "relay started");
    let url = format!("http://{address}");
    let at = ["--no-dht", "--relay", &url];
    let seed = desk
        .samara_in(near, "seed")
        .args(["seed", "-i", "ENTRY.json"]);
    let seed = seed.args(at).start();
    seed.wait_until(|event| event["event"] == "connection" && event["problem"].is_null());
    let fetch = desk
        .samara_in(far, "fetch")
        .args(["fetch", &samara, "-o", "out"]);
    let fetched = fetch.args(at).args(more).end();
    fetched.assert_code(0);
    seed.stop();
    relay.stop();
    let (came, sent) = (std::fs::read(desk.path("out")), std::fs::read(&file));
    assert!(came.unwrap() == sent.unwrap(), "what came is what was sent");
    let events = fetched.stderr.lines();
    let events = events.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let sources = events.filter_map(|event| Some(event["sources"].as_array()?.clone()));
    let channels = sources.flatten().map(|source| {
        assert_eq!(source["path"], "webrtc", "directly");
        source["channels"].as_u64().unwrap()
    });
    channels.max().unwrap()
}

#[test]
#[ignore = "needs root, iproute2 and /dev/net/tun: cargo xtask test"]
fn a_long_path_that_loses_packets_is_filled_by_several_channels() {
    let line = Line {
        delay: Duration::from_millis(25),
        lost_per_million: 5_000,
        seed: 1,
        ..Line::default()
    };
    // Long enough on one channel that others are tried, again if need be.
    assert!(fetch(line, 16 * MIB, &[]) > 1, "several channels");
    assert_eq!(fetch(line, 4 * MIB, &["--channels", "1"]), 1);
}
