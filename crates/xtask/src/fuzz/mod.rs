//! Looking for bytes that break what must hold for all (`tests/fuzz`).
//!
//! The targets run one after the other, each with the committed corpus, the
//! inputs that once failed, the test vectors, and what earlier runs found on
//! this machine. An input that fails is left beside the corpus.

mod corpus;
mod figures;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use self::corpus::Corpus;
use self::figures::Figures;
use crate::process::run as run_shown;
use crate::setup::{self, FOR_FUZZ};
use crate::workspace::Workspace;

/// Where the targets and their inputs are.
const FOLDER: &str = "tests/fuzz";
/// Longest input: what takes more is in other suites, and this keeps the
/// corpus small.
const LONGEST: usize = 4096;
/// An input that takes so many seconds has found a loop.
const TIMEOUT: u32 = 20;
/// MiB that a target may take: far above what the checks themselves allow.
const MEMORY: u32 = 2048;
/// A short run of one target.
const SHORT: Duration = Duration::from_secs(5);
/// Where chance begins in a short run: the same code gets the same verdict.
const SHORT_SEED: u32 = 1;
/// Lines of a failing target that are shown: the panic and the input's file.
const SHOWN: usize = 60;

/// Runs all targets for `minutes` in all and, if they are to be kept, makes
/// the corpus anew from the inputs found.
pub fn run(workspace: &Workspace, minutes: f64, keep: bool) -> anyhow::Result<()> {
    let all = Duration::try_from_secs_f64(minutes * 60.0)
        .with_context(|| format!("{minutes} minutes cannot be waited for"))?;
    let targets = prepare(workspace)?;
    let share = all / u32::try_from(targets.len())?;
    fuzz(workspace, &targets, share, None)?;
    if keep {
        for target in &targets {
            Corpus::of(workspace, target).keep(&mut cargo_fuzz(workspace, "run"), target)?;
        }
    }
    Ok(())
}

/// Runs all targets for a few seconds each.
pub fn briefly(workspace: &Workspace) -> anyhow::Result<()> {
    let targets = prepare(workspace)?;
    fuzz(workspace, &targets, SHORT, Some(SHORT_SEED))
}

/// Builds everything and names the targets.
fn prepare(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    setup::ensure(workspace, &FOR_FUZZ)?;
    let mut seeds = workspace.cargo();
    seeds.args(["run", "--package", "samara-fuzz", "--example", "seed", "--"]);
    run_shown(seeds.arg(corpus::seeds(workspace)))?;
    run_shown(&mut cargo_fuzz(workspace, "build"))?;
    let mut targets = corpus::names(&workspace.path(FOLDER).join("targets"))?;
    targets.sort_unstable();
    Ok(targets)
}

/// `cargo fuzz` with the settings that make one build of all its commands.
fn cargo_fuzz(workspace: &Workspace, command: &str) -> Command {
    let mut cargo = workspace.cargo();
    cargo
        // Optimizing over all crates at once takes minutes for each target.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .args(["fuzz", command, "--fuzz-dir", FOLDER])
        .args(["--features", "libfuzzer"])
        // Our code has no `unsafe` to watch over, and this is twice as fast;
        // it also leaves any stable compiler fit for the job.
        .args(["--sanitizer", "none", "--target-dir"])
        .arg(workspace.target().join("fuzz"));
    cargo
}

fn fuzz(
    workspace: &Workspace,
    targets: &[String],
    time: Duration,
    seed: Option<u32>,
) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    for target in targets {
        match fuzz_one(workspace, target, time, seed) {
            Ok(figures) => println!("{target:<14} {figures}"),
            Err(error) => {
                println!("{target:<14} FAILED: {error:#}");
                failed.push(target.as_str());
            }
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

fn fuzz_one(
    workspace: &Workspace,
    target: &str,
    time: Duration,
    seed: Option<u32>,
) -> anyhow::Result<Figures> {
    let corpus = Corpus::of(workspace, target);
    let mut fuzzer = cargo_fuzz(workspace, "run");
    fuzzer
        .arg(target)
        .args(corpus.folders()?)
        .arg("--")
        .arg(format!("-max_total_time={}", time.as_secs().max(1)))
        .arg(format!("-max_len={LONGEST}"))
        // Scripts and entries are long before they mean anything.
        .arg("-len_control=0")
        .arg(format!("-timeout={TIMEOUT}"))
        .arg(format!("-rss_limit_mb={MEMORY}"))
        .args(seed.map(|seed| format!("-seed={seed}")))
        .arg(corpus.failures());
    let mut child = fuzzer
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start cargo fuzz")?;
    let stderr = child.stderr.take().expect("stderr is piped");
    let mut figures = Figures::default();
    let mut last = VecDeque::new();
    for read in BufReader::new(stderr).split(b'\n') {
        let text = String::from_utf8_lossy(&read?).into_owned();
        figures.read(&text);
        last.push_back(text);
        if last.len() > SHOWN {
            last.pop_front();
        }
    }
    let status = child.wait()?;
    if !status.success() {
        for text in &last {
            eprintln!("{text}");
        }
        bail!("an input breaks what must hold; `cargo test -p samara-fuzz` replays it");
    }
    ensure!(figures.runs > 0, "the fuzzer ran nothing");
    Ok(figures)
}
