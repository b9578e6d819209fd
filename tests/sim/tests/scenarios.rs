//! Scenarios by seed: the same seed does the same, and all of them hold.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use samara_sim::{draw, many, report, run};

/// Seeds that are tried each time. They are always the same, so that whoever
/// breaks something learns of it at once and nobody else later; `cargo xtask
/// soak` tries others.
const SCENARIOS: u64 = 10_000;

#[test]
fn the_same_seed_does_the_same_bit_for_bit() {
    for seed in 0..20 {
        let (once, again) = (run(&draw(seed)), run(&draw(seed)));
        assert_eq!(once.trace, again.trace, "seed {seed}");
        assert_eq!(once.figures.events, again.figures.events, "seed {seed}");
    }
    assert_ne!(run(&draw(0)).trace, run(&draw(1)).trace);
}

#[test]
fn ten_thousand_random_scenarios_hold() {
    let tally = many(0, 1, |done| done < SCENARIOS);
    if let Some((seed, _)) = tally.failed.first() {
        panic!("{}", report::failure(*seed));
    }
    assert_eq!(tally.scenarios, SCENARIOS);
    let figures = &tally.figures;
    assert!(figures.completed > SCENARIOS, "{figures:?}");
    // Crashes, cuts and liars cost some; what a scheduler wastes comes on top.
    assert!(figures.wasted_all < figures.received / 6, "{figures:?}");
}

#[test]
fn seeds_that_failed_once_hold() {
    let lines = include_str!("../seeds.txt").lines();
    let seeds = lines.filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    for line in seeds {
        let (seed, reason) = line.split_once(' ').unwrap();
        let outcome = run(&draw(seed.parse().unwrap()));
        assert!(outcome.breach.is_none(), "{reason}: {:?}", outcome.breach);
    }
}
