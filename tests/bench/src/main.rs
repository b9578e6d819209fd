//! Speed of the real programs, as ratios to bare baselines measured in the
//! same run: absolute figures say more about the machine than about samara.
//!
//! `cargo xtask bench` runs all of it, prints one table and writes it to
//! `docs/benchmarks.md`.

mod bare;
mod browser;
mod fetch;
mod figure;
mod first;
mod ingest;
mod input;
mod place;
mod process;
mod report;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::figure::Row;
use crate::place::Place;
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
    /// Measure this only, and renew its part of `docs/benchmarks.md`
    #[arg(long)]
    only: Option<Only>,
    /// Leave the browsers out
    #[arg(long)]
    native_only: bool,
    /// Leave the rows on the disk out
    #[arg(long)]
    no_disk: bool,
    /// What the samara binary was built from: written to
    /// `docs/benchmarks.md` with the table. Without it, or with
    /// `--dry-run`, the table is printed only
    #[arg(long)]
    commit: Option<String>,
    /// Print the table and leave `docs/benchmarks.md` alone
    #[arg(long)]
    dry_run: bool,
}

/// What can be measured alone.
#[derive(Clone, Copy, ValueEnum)]
enum Only {
    /// From opening a link to the first verified bytes: a minute or two
    FirstByte,
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
        None => match arguments.only {
            Some(Only::FirstByte) => measure_first(&arguments),
            None => measure(&arguments),
        },
    }
}

fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let samara = Samara::find(&arguments.samara)?;
    let memory = Place::memory(arguments.mebibytes)?;
    let mut rows = native(&samara, &memory, arguments.rounds)?;
    drop(memory);
    if !arguments.no_disk {
        let disk = Place::disk(arguments.mebibytes)?;
        rows.extend(native(&samara, &disk, arguments.rounds)?);
    }
    if !arguments.native_only {
        rows.push(browser::measure(&samara, arguments.rounds)?);
    }
    let report = report::markdown(&rows);
    println!("{report}");
    if let Some(commit) = arguments.written_for() {
        report::write(&report, commit)?;
    }
    if arguments.native_only {
        return Ok(());
    }
    measure_first(arguments)
}

fn measure_first(arguments: &Arguments) -> anyhow::Result<()> {
    let samara = Samara::find(&arguments.samara)?;
    let table = first::measure(&samara, arguments.rounds)?;
    println!("{table}");
    match arguments.written_for() {
        Some(commit) => report::write_first(&table, commit),
        None => Ok(()),
    }
}

impl Arguments {
    /// What the binary was built from, if the figures are to be written.
    fn written_for(&self) -> Option<&str> {
        self.commit.as_deref().filter(|_| !self.dry_run)
    }
}

fn native(samara: &Samara, place: &Place, rounds: usize) -> anyhow::Result<Vec<Row>> {
    Ok(vec![
        ingest::measure(samara, place, rounds)?,
        fetch::measure(samara, place, rounds)?,
    ])
}
