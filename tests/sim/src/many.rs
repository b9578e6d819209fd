//! Many scenarios on all cores. Each is a thread's own; only the count of
//! seeds is shared.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::checks::{Breach, Figures};
use crate::draw::draw;
use crate::run::run;

/// What came of many seeds.
#[derive(Debug, Default)]
pub struct Tally {
    pub scenarios: u64,
    pub figures: Figures,
    /// Seeds that failed, as they were found.
    pub failed: Vec<(u64, Breach)>,
}

/// Runs the seeds from `first` on until `go_on` says no, on all cores; stops
/// after so many failures.
pub fn many(first: u64, most_failures: usize, go_on: impl Fn(u64) -> bool + Sync) -> Tally {
    let next = AtomicU64::new(first);
    let stop = AtomicBool::new(false);
    let tally = Mutex::new(Tally::default());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !go_on(seed - first) {
                        return;
                    }
                    let outcome = run(&draw(seed));
                    let mut tally = tally.lock().expect("no scenario panics while counting");
                    tally.scenarios += 1;
                    tally.figures.add(&outcome.figures);
                    if let Some(breach) = outcome.breach {
                        tally.failed.push((seed, breach));
                        stop.fetch_or(tally.failed.len() >= most_failures, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    tally
        .into_inner()
        .expect("no scenario panics while counting")
}
