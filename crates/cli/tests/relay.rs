//! The relay as an operator runs it.
#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod common;
mod relays;

use std::io::Read as _;
use std::process::Command;

use common::Desk;
use relays::Relay;

#[test]
fn a_file_goes_from_one_to_another_who_know_only_a_relay() {
    let desk = Desk::new();
    let relay = Relay::start(&desk, "relay");
    let file = desk.file("file", 3 << 20);
    let link = desk.ingest("mine", &file);
    let seed = [
        "seed",
        "-i",
        "ENTRY.json",
        "--no-dht",
        "--relay",
        &relay.url,
    ];
    let seeding = desk.samara("mine").args(seed).start();
    seeding.wait_for("seeding");
    let fetch = desk
        .fetch("theirs", &link, "out")
        .args(["--relay", &relay.url]);
    fetch.end().assert_code(0);
    let payload = link.strip_prefix("samara:").unwrap();
    let url = format!("{}/#{payload}", relay.url.trim_end_matches('/'));
    let fetch = desk.samara("others").args(["fetch", &url, "--no-dht"]);
    fetch.args(["-o", "by-page"]).end().assert_code(0);
    let sent = std::fs::read(file).unwrap();
    for out in ["out", "by-page"] {
        assert!(std::fs::read(desk.path(out)).unwrap() == sent, "{out}");
    }
}

#[cfg(unix)]
#[test]
fn a_relay_that_is_terminated_ends_well_and_logs_json() {
    let desk = Desk::new();
    let mut relay = Relay::start(&desk, "relay");
    let pid = relay.child.id().to_string();
    let killed = Command::new("kill").arg(pid).status().unwrap();
    assert!(killed.success());
    assert_eq!(relay.child.wait().unwrap().code(), Some(0));
    let mut log = String::new();
    let mut stderr = relay.child.stderr.take().unwrap();
    stderr.read_to_string(&mut log).unwrap();
    let lines = log.lines().map(serde_json::from_str::<serde_json::Value>);
    let lines: Vec<_> = lines.map(Result::unwrap).collect();
    let mut said = lines.iter().map(|line| &line["message"]);
    assert!(said.any(|said| said == "relay started"), "{log}");
    assert_eq!(lines.last().unwrap()["message"], "relay stopped");
}

#[test]
fn a_port_in_use_is_named() {
    let desk = Desk::new();
    let relay = Relay::start(&desk, "relay");
    let address = relay.address();
    let second = desk
        .samara("second")
        .args(["relay", "--no-dht", "--listen", address]);
    let ended = second.end();
    ended.assert_code(1);
    assert!(ended.stderr.contains(address), "{}", ended.stderr);
}

#[test]
fn a_relays_store_in_use_is_left_alone() {
    let desk = Desk::new();
    let _relay = Relay::start(&desk, "relay");
    let second = ["relay", "--no-dht", "--listen", "127.0.0.1:0"];
    desk.samara("relay").args(second).end().assert_code(6);
}
