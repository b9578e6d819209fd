//! A process that works on a store is killed at random moments, over and over;
//! whatever it was told is true afterwards.
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

use std::num::NonZeroU64;
use std::path::Path;

use anyhow::Context as _;
use samara_store::{Options, Store};
use samara_store_test::ledger::Ledger;
use samara_store_test::process::{Putter, fresh_seed};
use samara_store_test::random::Random;

/// Times five scripts.
const ROUNDS: usize = 15;
/// Kills come after fewer reports than this.
const REPORTS: usize = 160;

#[test]
fn no_acknowledged_blob_is_lost_flushed_or_not() {
    kill_often(None, &["again", "large"]);
    kill_often(None, &["again", "large", "sync", "flush"]);
}

#[test]
fn what_was_removed_stays_removed() {
    kill_often(None, &["again", "remove"]);
}

#[test]
fn eviction_takes_no_more_than_it_needs() {
    kill_often(NonZeroU64::new(1 << 20), &[]);
}

#[test]
fn pins_and_what_they_pin_stay() {
    kill_often(NonZeroU64::new(2 << 20), &["pin", "remove"]);
}

fn kill_often(max_bytes: Option<NonZeroU64>, steps: &[&str]) {
    let seed = fresh_seed();
    let mut random = Random::new(seed);
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("store");
    let program = Path::new(env!("CARGO_BIN_EXE_putter"));
    let putter = Putter {
        program,
        dir: &dir,
        max_bytes,
        steps,
    };
    let mut ledger = Ledger::default();
    for round in 0..ROUNDS {
        let reports = random.below(REPORTS);
        putter
            .run_and_kill(&mut random, reports, &mut ledger)
            .unwrap();
        if round + 1 < ROUNDS && random.chance(30) {
            // The next one finds the store as this one left it.
            continue;
        }
        let store = Store::open(&dir, Options { max_bytes }).unwrap();
        let recovery = store.recovery();
        let checked = ledger.check(&store, &dir);
        let at = || format!("seed {seed}, round {round}, {recovery:?}");
        let blobs = checked.with_context(at).unwrap();
        println!("round {round}: {blobs} blobs, {recovery:?}");
    }
}
