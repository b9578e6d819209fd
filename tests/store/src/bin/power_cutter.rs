//! Cuts the power of a disk that a store is on, and looks at what is left.
//!
//! `power_cutter WORK_FOLDER PUTTER`, to be run by root in a mount namespace.
//!
//! The disk is an ext4 file system in a file. What its kernel has not yet
//! written out is not in that file: a copy made the moment a process is killed
//! is the disk as it would be after losing power at that moment.

use std::ffi::OsStr;
use std::fs;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use samara_store::{Options, Store};
use samara_store_test::ledger::Ledger;
use samara_store_test::process::{Putter, fresh_seed};
use samara_store_test::random::Random;

const ROUNDS: usize = 8;
const REPORTS: usize = 120;
const DISK_BYTES: u64 = 96 << 20;
/// Nothing but the store's own syncs is to write anything out.
const MOUNT_OPTIONS: &str = "loop,commit=600";

fn main() -> Result<()> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let mut arg = || {
        args.next()
            .context("usage: power_cutter WORK_FOLDER PUTTER")
    };
    let (work, program) = (arg()?, arg()?);

    cut_often(&work, &program, None, &["again", "large", "sync", "flush"])?;
    cut_often(&work, &program, None, &["again", "remove", "flush"])?;
    cut_often(
        &work,
        &program,
        NonZeroU64::new(1 << 20),
        &["pin", "remove", "sync"],
    )
}

fn cut_often(
    work: &Path,
    program: &Path,
    max_bytes: Option<NonZeroU64>,
    steps: &[&str],
) -> Result<()> {
    let seed = fresh_seed();
    let mut random = Random::new(seed);
    let disk = Disk::new(work)?;
    let dir = disk.mount_point.join("store");
    let putter = Putter {
        program,
        dir: &dir,
        max_bytes,
        steps,
    };
    let mut ledger = Ledger::default();
    for round in 0..ROUNDS {
        disk.mount()?;
        let reports = random.below(REPORTS);
        putter.run_and_kill(&mut random, reports, &mut ledger)?;
        disk.cut_power()?;
        ledger.lost_power();
        let durable = ledger.durable();

        disk.mount()?;
        let store = Store::open(&dir, Options { max_bytes })?;
        let recovery = store.recovery();
        let checked = ledger.check(&store, &dir);
        let blobs = checked.with_context(|| format!("seed {seed}, round {round}, {recovery:?}"))?;
        println!("round {round}: {blobs} blobs, {durable} of them synced, {recovery:?}");
        drop(store);
        disk.unmount()?;
    }
    Ok(())
}

/// A disk in a file.
struct Disk {
    image: PathBuf,
    mount_point: PathBuf,
}

impl Disk {
    fn new(work: &Path) -> Result<Self> {
        let image = work.join("disk");
        let mount_point = work.join("mounted");
        fs::create_dir_all(&mount_point)?;
        fs::File::create(&image)?.set_len(DISK_BYTES)?;
        run("mkfs.ext4", ["-q".as_ref(), image.as_os_str()])?;
        Ok(Self { image, mount_point })
    }

    fn mount(&self) -> Result<()> {
        let options = ["-o".as_ref(), MOUNT_OPTIONS.as_ref()];
        let what = [self.image.as_os_str(), self.mount_point.as_os_str()];
        run("mount", options.into_iter().chain(what))
    }

    fn unmount(&self) -> Result<()> {
        run("umount", [self.mount_point.as_os_str()])
    }

    /// Leaves the disk as it is now, without what the kernel still owes it.
    fn cut_power(&self) -> Result<()> {
        let left = self.image.with_extension("left");
        fs::copy(&self.image, &left)?;
        self.unmount()?;
        fs::rename(left, &self.image)?;
        Ok(())
    }
}

fn run<'a>(program: &str, args: impl IntoIterator<Item = &'a OsStr>) -> Result<()> {
    let status = Command::new(program).args(args).status();
    let status = status.with_context(|| format!("{program} does not start"))?;
    ensure!(status.success(), "{program} failed: {status}");
    Ok(())
}
