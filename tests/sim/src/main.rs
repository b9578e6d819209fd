//! `samara-sim`: scenarios from the command line.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use samara_sim::{draw, many, report, run, scale};

/// Runs simulated networks of real machines.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Run as many random scenarios as time allows
    Soak {
        /// For so many minutes
        #[arg(long, default_value_t = 1.0)]
        minutes: f64,
        /// The first seed; without it, one of the clock's
        #[arg(long)]
        from: Option<u64>,
        /// At most so many scenarios
        #[arg(long)]
        scenarios: Option<u64>,
        /// Stop after so many failures
        #[arg(long, default_value_t = 1)]
        failures: usize,
    },
    /// Run large networks once each
    Scale {
        /// Readers of one file
        #[arg(long, default_value_t = 1000)]
        readers: usize,
        /// Peers of a mesh
        #[arg(long, default_value_t = 10_000)]
        peers: usize,
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Run one scenario again
    Replay {
        /// Its seed
        seed: u64,
        /// Make it as small as it still fails
        #[arg(long)]
        shrink: bool,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().what {
        What::Soak {
            minutes,
            from,
            scenarios,
            failures,
        } => soak(minutes, from, scenarios, failures),
        What::Scale {
            readers,
            peers,
            seed,
        } => scaled(seed, readers, peers),
        What::Replay { seed, shrink } => replay(seed, shrink),
    }
}

fn soak(minutes: f64, from: Option<u64>, scenarios: Option<u64>, failures: usize) -> ExitCode {
    let first = from.unwrap_or_else(clock);
    let (begun, time) = (Instant::now(), Duration::from_secs_f64(minutes * 60.0));
    let most = scenarios.unwrap_or(u64::MAX);
    let tally = many(first, failures, |done| {
        done < most && begun.elapsed() < time
    });
    print!("{}", report::tally(&tally, begun.elapsed()));
    for (seed, _) in &tally.failed {
        print!("{}", report::failure(*seed));
    }
    if tally.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn scaled(seed: u64, readers: usize, peers: usize) -> ExitCode {
    let begun = Instant::now();
    let crowd = scale::crowd(seed, readers);
    print!("{}", report::crowd(&crowd, begun.elapsed()));
    let begun = Instant::now();
    let mesh = scale::mesh(seed, peers, 8, 20.min(peers / 2));
    print!("{}", report::mesh(&mesh, begun.elapsed()));
    let failed = crowd.breach.is_some() || mesh.breach.is_some() || crowd.done < readers;
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn replay(seed: u64, shrink: bool) -> ExitCode {
    if shrink {
        print!("{}", report::failure(seed));
        return ExitCode::SUCCESS;
    }
    let plan = draw(seed);
    let outcome = run(&plan);
    println!("{plan:#?}\n{outcome:#?}");
    if outcome.breach.is_none() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Seeds of the day: every soak tries others.
fn clock() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
    since.map_or(0, |since| since.as_secs() << 24)
}
