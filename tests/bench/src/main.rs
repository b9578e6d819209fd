//! Speed of the real programs, as ratios to bare baselines measured in the
//! same run: absolute figures say more about the machine than about samara.
//!
//! `cargo xtask bench` runs all of it, prints one table and writes it to
//! `docs/benchmarks.md`.

mod bare;
mod browser;
mod fetch;
mod figure;
mod ingest;
mod input;
mod process;
mod report;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use crate::process::Samara;

/// Measures samara against bare baselines.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// The samara binary, built for release
    #[arg(long, default_value = "target/release/samara")]
    samara: PathBuf,
    /// Rounds of each measurement; the median counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// MiB of the native measurements
    #[arg(long, default_value_t = 1024)]
    mebibytes: usize,
    /// Leave the browsers out
    #[arg(long)]
    native_only: bool,
    /// Print the table and leave `docs/benchmarks.md` alone
    #[arg(long)]
    dry_run: bool,
}

#[derive(Subcommand)]
enum Part {
    /// The baseline's server: a WebSocket that sends bytes
    #[command(hide = true)]
    BareSend { mebibytes: usize },
    /// The baseline's client: a WebSocket that writes bytes to a file
    #[command(hide = true)]
    BareReceive { port: u16, out: PathBuf },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.part {
        Some(Part::BareSend { mebibytes }) => bare::send(mebibytes),
        Some(Part::BareReceive { port, ref out }) => bare::receive(port, out),
        None => measure(&arguments),
    }
}

fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let samara = Samara::find(&arguments.samara)?;
    let folder = tempfile::tempdir().context("no folder for temporary files")?;
    let file = input::file(folder.path(), arguments.mebibytes)?;
    let mut rows = vec![
        ingest::measure(&samara, &file, arguments.rounds)?,
        fetch::measure(&samara, &file, arguments.rounds)?,
    ];
    if !arguments.native_only {
        rows.push(browser::measure(&samara, arguments.rounds)?);
    }
    let report = report::markdown(&rows);
    println!("{report}");
    if !arguments.dry_run {
        report::write(&report)?;
    }
    Ok(())
}
