//! What a killed command leaves.
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod common;

use std::fs::{self, File};
use std::thread;
use std::time::{Duration, Instant};

use common::{Desk, MIB};

/// Longer than an ingest takes to put its first blob on a slow machine.
const PATIENCE: Duration = Duration::from_mins(1);

fn blob_files(desk: &Desk, store: &str) -> usize {
    let Ok(shards) = fs::read_dir(desk.path(store).join("blobs")) else {
        return 0;
    };
    let files = shards.map(|shard| fs::read_dir(shard.unwrap().path()).unwrap().count());
    files.sum()
}

#[test]
fn an_ingest_that_is_killed_leaves_no_blobs_that_nobody_can_open() {
    let desk = Desk::new();
    let kept = desk.file("kept", 2 * MIB);
    desk.ingest("a", &kept);
    let before = desk.stored_bytes("a");
    // Holes: as large as no ingest reads in the time a kill takes.
    let endless = File::create(desk.path("endless")).unwrap();
    endless.set_len(1 << 40).unwrap();

    for wanted in [1, 20] {
        let ingest = desk.samara("a").args(["ingest", "-i", "endless"]).start();
        let start = Instant::now();
        while blob_files(&desk, "a") < 3 + wanted {
            assert!(start.elapsed() < PATIENCE, "it puts nothing");
            thread::yield_now();
        }
        ingest.kill();
        assert!(blob_files(&desk, "a") >= 3 + wanted);
        assert_eq!(desk.stored_bytes("a"), before);
        assert_eq!(blob_files(&desk, "a"), 3, "two chunks and their entry");
    }
    desk.fetch("a", "ENTRY.json", "out").end().assert_code(0);
    assert_eq!(fs::read(desk.path("out")).unwrap(), fs::read(kept).unwrap());
}

#[test]
fn an_entry_that_cannot_be_written_takes_its_blobs_along() {
    let desk = Desk::new();
    desk.file("file", 2 * MIB);
    desk.samara("a")
        .args(["ingest", "-i", "file", "-o", "/dev/full"])
        .end()
        .assert_failed(5, &["cannot be written"]);
    assert_eq!(desk.stored_bytes("a"), 0);
}
