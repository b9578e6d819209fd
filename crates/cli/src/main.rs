//! The `samara` command: share files as encrypted blobs, from a terminal.
//!
//! Standard output carries what a command produces: an entry, a file, figures.
//! Everything else, progress and problems, goes to standard error: as bars on
//! a terminal, as lines elsewhere, or as JSON with `--json`.

mod args;
mod copies;
mod exit;
mod fetch;
mod ingest;
mod network;
mod output;
mod relay;
mod report;
mod seed;
mod signals;
mod source;
mod status;
mod store;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};
use exit::{Code, Failure};
use report::Report;

/// The system's allocator gives memory of a blob's size back each time, and the
/// next blob pays for its pages anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    start_log(&args);
    let report = Report::new(args.json);
    match run(args, &report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report.failure(&failure);
            failure.code.into()
        }
    }
}

fn run(args: Args, report: &Report) -> Result<(), Failure> {
    let (store, json) = (args.store, args.json);
    match args.command {
        Command::Ingest(args) => ingest::run(&args, store, report),
        Command::Seed(args) => seed::run(&args, store, report),
        Command::Fetch(args) => fetch::run(&args, store, report),
        Command::Status(_) => status::run(json, store),
        Command::Relay(args) => relay::run(&args, store, json),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Runtime::new();
    runtime.map_err(|error| Failure::of(Code::Other, &error))
}

/// Silent unless asked for: what a user needs to know is reported.
fn start_log(args: &Args) {
    let level = match args.verbose {
        // A relay has a log of its own, whatever is asked.
        _ if matches!(args.command, Command::Relay(_)) => return,
        0 => return,
        1 => "samara=info,samara_node=info,samara_store=info,samara_relay=info",
        2 => "samara=debug,samara_node=debug,samara_store=debug,samara_relay=debug",
        // The WebRTC crates say addresses where others say what they do.
        _ => "debug,rtc=off,webrtc=off",
    };
    let log = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::new(level));
    if args.json {
        log.json().init();
    } else {
        log.init();
    }
}
