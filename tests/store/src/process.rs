//! A `putter` as a process of its own, and its end.

use std::io::{BufRead as _, BufReader};
use std::num::NonZeroU64;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};

use crate::ledger::Ledger;
use crate::random::Random;

/// What a `putter` is to do, see its source.
#[derive(Debug, Clone, Copy)]
pub struct Putter<'a> {
    /// The program.
    pub program: &'a Path,
    /// The store's folder.
    pub dir: &'a Path,
    /// The store's limit.
    pub max_bytes: Option<NonZeroU64>,
    /// Kinds of steps beyond putting and getting.
    pub steps: &'a [&'a str],
}

impl Putter<'_> {
    /// Lets a process work, kills it after `reports` lines, and notes all it
    /// reported until it was dead.
    pub fn run_and_kill(
        &self,
        random: &mut Random,
        reports: usize,
        ledger: &mut Ledger,
    ) -> Result<()> {
        let mut process = self.spawn(random.number())?;
        let out = process.stdout.take().context("its output is a pipe")?;
        let mut lines = BufReader::new(out).lines();
        for _ in 0..reports {
            let line = lines.next().context("nothing but the kill ends it")??;
            ledger.note(line.parse()?);
        }
        process.kill()?;
        for line in lines {
            ledger.note(line?.parse()?);
        }
        let status = process.wait()?;
        ensure!(
            status.code().is_none(),
            "it failed before it was killed: {status}"
        );
        ledger.died();
        Ok(())
    }

    fn spawn(&self, seed: u64) -> Result<Child> {
        let max_bytes = self.max_bytes.map_or(0, NonZeroU64::get);
        let mut command = Command::new(self.program);
        command.arg(self.dir);
        // Room for the threads' own seeds above it.
        command.args([
            (seed >> 32).to_string(),
            "3".to_owned(),
            max_bytes.to_string(),
        ]);
        command.args(self.steps).stdout(Stdio::piped());
        Ok(command.spawn()?)
    }
}

/// Another seed every time. A failure names it.
pub fn fresh_seed() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::from(since.subsec_nanos()) << 32 | since.as_secs()
}
