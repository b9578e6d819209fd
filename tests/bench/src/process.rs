//! Running programs and counting what they cost.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::figure::Figure;

/// The binary under measurement.
pub struct Samara(PathBuf);

impl Samara {
    pub fn find(path: &Path) -> anyhow::Result<Self> {
        let found = path.canonicalize();
        let path =
            found.with_context(|| format!("no binary at {}; build it first", path.display()))?;
        Ok(Self(path))
    }

    /// A command with a store of its own.
    pub fn command(&self, subcommand: &str, store: &Path) -> Command {
        let mut command = Command::new(&self.0);
        command.arg(subcommand).arg("--store").arg(store);
        command
    }
}

/// A server that ends with its scope.
pub struct Server(pub Child);

impl Drop for Server {
    fn drop(&mut self) {
        // One that is gone already needs no killing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Memory touched before each run, in bytes.
const WARM: usize = 4 << 30;

/// A virtual machine's free memory may belong to the host again, and the first
/// write to such a page takes longer than everything measured here. Touching
/// it before each run keeps that out of the figures.
fn warm_memory() {
    let mut memory = vec![0_u8; WARM];
    memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    std::hint::black_box(memory);
}

/// What earlier runs left to be written would be written during the next.
fn settle_disk() -> anyhow::Result<()> {
    let synced = Command::new("sync").status()?;
    ensure!(synced.success(), "sync failed: {synced}");
    Ok(())
}

/// Runs a client to its end beside a server and counts both.
pub fn measure(bytes: u64, server: Option<Server>, client: &mut Command) -> anyhow::Result<Figure> {
    settle_disk()?;
    warm_memory();
    let before = children_cpu()?;
    let start = Instant::now();
    let status = client.status().context("the program did not start")?;
    let wall = start.elapsed();
    ensure!(status.success(), "{client:?} failed: {status}");
    drop(server);
    let cpu = children_cpu()?.saturating_sub(before);
    Ok(Figure { bytes, wall, cpu })
}

/// Processor time of all children that have ended: fields 16 and 17 of
/// `/proc/self/stat` (proc(5)), in hundredths of a second.
fn children_cpu() -> anyhow::Result<Duration> {
    let stat =
        fs::read_to_string("/proc/self/stat").context("processor time is read from /proc")?;
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let fields = fields.split_whitespace().skip(13).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}
