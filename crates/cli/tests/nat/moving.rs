//! What changes in the middle of a transfer.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{Desk, Running};
use crate::server::Relay;
use crate::town::{Home, Router, Town};

/// Bytes of the file: eight seconds at the seeder's speed.
const LEN: usize = 32 << 20;
const SPEED: &str = "4M";

/// A transfer that takes a while, some of which is done.
struct Transfer {
    desk: Desk,
    relay: Relay,
    seeder: Home,
    reader: Home,
    seed: Running,
    fetch: Running,
    town: Town,
}

impl Transfer {
    fn begin(seeder: Router, reader: Router) -> Self {
        Self::begin_at(SPEED, seeder, reader)
    }

    fn begin_at(limit: &str, seeder: Router, reader: Router) -> Self {
        let town = Town::new();
        let desk = Desk::new();
        let file = desk.file("file", LEN);
        let relay = Relay::start(&town, &desk, None);
        let (seeder, reader) = (Home::new(&town, seeder), Home::new(&town, reader));
        let link = desk.ingest("seed", &file);
        let seed = desk.samara_in(seeder.host(), "seed").args([
            "seed",
            "-i",
            "ENTRY.json",
            "--no-dht",
            "--upload-limit",
            limit,
            "--relay",
            relay.url(),
        ]);
        let seed = seed.start();
        seed.wait_for("seeding");
        let fetch = desk.samara_in(reader.host(), "fetch");
        let fetch = fetch.args([
            "fetch",
            &link,
            "-o",
            "out",
            "--no-dht",
            "--relay",
            relay.url(),
        ]);
        let fetch = fetch.start();
        fetch.wait_until(|event| bytes(event) > (LEN / 8) as u64);
        Self {
            desk,
            relay,
            seeder,
            reader,
            seed,
            fetch,
            town,
        }
    }

    /// Waits for the file; the last path. Says how long it took, and how long
    /// nothing came at most.
    fn end(self, what: &str) -> String {
        let start = Instant::now();
        let (mut before, mut came_at, mut pause) = (0, start, Duration::ZERO);
        let mut path = String::new();
        self.fetch.wait_until(|event| {
            if let Some(source) = event["sources"].as_array().and_then(|all| all.last()) {
                source["path"].as_str().unwrap().clone_into(&mut path);
            }
            if bytes(event) > before {
                pause = pause.max(came_at.elapsed());
                (before, came_at) = (bytes(event), Instant::now());
            }
            event["event"] == "done"
        });
        let (took, pause) = (start.elapsed().as_secs_f64(), pause.as_secs_f64());
        println!("{what}: {path}, nothing for {pause:.1} s, complete after {took:.1} s");
        assert!(took < 60.0);
        let file = std::fs::read(self.desk.path("file")).unwrap();
        assert!(std::fs::read(self.desk.path("out")).unwrap() == file);
        self.seed.stop();
        path
    }
}

fn bytes(event: &Value) -> u64 {
    event["bytes"].as_u64().unwrap_or(0)
}

#[test]
#[ignore = "needs root, iproute2, nftables and coturn: cargo xtask nat"]
fn a_transfer_outlives_a_relay_that_starts_again() {
    for (reader, path) in [(Router::Restricted, "webrtc"), (Router::NoUdp, "circuit")] {
        let mut transfer = Transfer::begin(Router::Restricted, reader);
        transfer.relay.stop();
        transfer.relay.resume(&transfer.desk);
        let what = format!("relay restarted, reader {}", reader.name());
        assert_eq!(transfer.end(&what), path);
    }
}

/// A data channel is tried again 30 s after one failed.
#[test]
#[ignore = "needs root, iproute2, nftables and coturn: cargo xtask nat"]
fn a_data_channel_takes_over_once_udp_passes() {
    let transfer = Transfer::begin_at("600K", Router::Restricted, Router::NoUdp);
    transfer.reader.let_udp_pass();
    assert_eq!(transfer.end("UDP passes at the reader's router"), "webrtc");
}

#[test]
#[ignore = "needs root, iproute2, nftables and coturn: cargo xtask nat"]
fn a_transfer_outlives_a_change_of_either_sides_address() {
    let transfer = Transfer::begin(Router::Restricted, Router::Restricted);
    transfer.reader.move_host();
    assert_eq!(transfer.end("the reader's address changed"), "webrtc");
    let transfer = Transfer::begin(Router::Restricted, Router::Restricted);
    transfer.seeder.move_host();
    assert_eq!(transfer.end("the seeder's address changed"), "webrtc");
}

#[test]
#[ignore = "needs root, iproute2, nftables and coturn: cargo xtask nat"]
fn a_transfer_outlives_a_change_of_either_sides_outer_address() {
    for (reader, path) in [(Router::Restricted, "webrtc"), (Router::NoUdp, "circuit")] {
        let mut transfer = Transfer::begin(Router::Restricted, reader);
        transfer.reader.move_router(&transfer.town);
        let what = format!("the reader's outer address changed, {}", reader.name());
        assert_eq!(transfer.end(&what), path);
        let mut transfer = Transfer::begin(Router::Restricted, reader);
        transfer.seeder.move_router(&transfer.town);
        let what = format!(
            "the seeder's outer address changed, reader {}",
            reader.name()
        );
        assert_eq!(transfer.end(&what), path);
    }
}
