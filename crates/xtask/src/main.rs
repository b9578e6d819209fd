//! `cargo xtask`: every build, run and test step of the project, one subcommand each.
//!
//! Continuous integration calls the same subcommands as people do. A step sets
//! up what it needs itself, so each works from a clean clone; what a step is
//! for stands at the top of its module.

mod bench;
mod check;
mod e2e;
mod freshness;
mod fuzz;
mod lanes;
mod nat;
mod process;
mod report;
mod run;
mod setup;
mod soak;
mod tally;
mod test;
mod wasm;
mod web;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Builds, runs and tests samara; each step sets up what it needs.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Install whatever building, running and testing need and this machine lacks
    ///
    /// Looks first and does nothing when all is there. What it may install: the
    /// wasm target (by rustup, or Debian packages), the npm packages of `web/`,
    /// `tests/e2e/` and `tests/interop/`, and Chromium and Firefox for the tests. When it cannot, it
    /// prints the command to run instead.
    Setup,
    /// Build the browser peer: Rust to wasm, JavaScript and TypeScript types
    ///
    /// Settings are in `wasm-pack.toml`.
    Wasm,
    /// Build the npm package and the page, after the browser peer
    Web,
    /// Build everything and start the relay, which prints the address to open
    Run {
        /// Arguments for `samara relay`
        #[arg(last = true)]
        relay: Vec<OsString>,
    },
    /// Run every check and every test
    ///
    /// The last line sums the tests of all steps; a check counts as one test.
    Test,
    /// Check formatting, lints, types, layers and licences
    Check,
    /// Run the tests that need the real binary and a real browser
    E2e {
        /// Arguments for the test runner, such as a file name or `--headed`
        #[arg(last = true)]
        runner: Vec<OsString>,
    },
    /// Run simulated networks for as long as time allows
    ///
    /// Prints scenarios per second and the worst figure of each invariant. A
    /// scenario that fails is made smaller and printed with its seed.
    Soak {
        /// For so many minutes
        #[arg(long, default_value_t = 10.0)]
        minutes: f64,
        /// Run the large networks instead, once each
        #[arg(long)]
        scale: bool,
        /// Arguments for the simulator
        #[arg(last = true)]
        simulator: Vec<OsString>,
    },
    /// Look for inputs that break what must hold for any bytes a stranger sends
    ///
    /// An input that does is left in `tests/fuzz/crashes/`, where `cargo test`
    /// replays it until it is mended, and ever after.
    Fuzz {
        /// How long, all targets together
        #[arg(long, default_value_t = 10.0)]
        minutes: f64,
        /// Make the committed corpus anew from all that was found on this machine
        #[arg(long)]
        keep: bool,
    },
    /// Connect real processes behind routers of every kind, as root
    ///
    /// Compares what it sees with the tables in `docs/nat.md`.
    Nat {
        /// Write the tables instead
        #[arg(long)]
        write: bool,
    },
    /// Measure what several data channels do over paths with delay and loss, as root
    Lanes {
        /// Write the table in `docs/delay.md` anew
        #[arg(long)]
        write: bool,
    },
    /// Measure speed against bare baselines
    Bench {
        /// Arguments for the benchmark
        #[arg(last = true)]
        benchmark: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let step = Arguments::parse().step;
    match Workspace::find().and_then(|workspace| take(step, &workspace)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn take(step: Step, workspace: &Workspace) -> anyhow::Result<()> {
    match step {
        Step::Setup => setup::everything(workspace),
        Step::Wasm => wasm::build(workspace),
        Step::Web => web::build(workspace),
        Step::Run { relay } => run::relay(workspace, &relay),
        Step::Test => test::everything(workspace),
        Step::Check => check::everything(workspace),
        Step::E2e { runner } => e2e::run(workspace, &runner),
        Step::Soak {
            minutes,
            scale,
            simulator,
        } => soak::run(workspace, minutes, scale, &simulator),
        Step::Fuzz { minutes, keep } => fuzz::run(workspace, minutes, keep),
        Step::Nat { write } => nat::run(workspace, write),
        Step::Lanes { write } => lanes::run(workspace, write),
        Step::Bench { benchmark } => bench::run(workspace, &benchmark),
    }
}
