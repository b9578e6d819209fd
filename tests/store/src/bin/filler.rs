//! Fills a small disk with a store, and checks that nothing is lost by it.
//!
//! `filler MOUNT_POINT`, to be run where it may mount a tmpfs there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use samara_core::{Blob, BlobId};
use samara_store::{OpenError, Options, PinError, PutError, Store};
use samara_store_test::event::Event;
use samara_store_test::ledger::Ledger;
use samara_store_test::random::Random;

/// Fits a few hundred blobs and the index.
const DISK: &str = "size=16m";

fn main() -> Result<()> {
    let disk = PathBuf::from(
        std::env::args()
            .nth(1)
            .context("usage: filler MOUNT_POINT")?,
    );
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", DISK, "tmpfs"]).arg(&disk);
    let mounted = mount.status()?;
    ensure!(
        mounted.success(),
        "the disk could not be mounted: {mounted}"
    );

    let mut filler = Filler::open(disk.join("store"), Random::new(1), Ledger::default())?;
    filler.a_full_disk_refuses_and_loses_nothing()?;
    filler.room_made_is_used()?;
    let ballast = disk.join("ballast");
    let filler = filler.a_disk_filled_by_others_is_read(&ballast)?;
    a_full_disk_takes_no_new_store(&disk)?;
    filler.room_made_by_others_is_used(&ballast)
}

fn a_full_disk_takes_no_new_store(disk: &Path) -> Result<()> {
    let dir = disk.join("another");
    match Store::open(&dir, Options::default()) {
        Err(OpenError::DiskFull { .. }) => {}
        other => bail!("a new store on a full disk: {other:?}"),
    }
    Ok(fs::remove_dir_all(dir)?)
}

struct Filler {
    dir: PathBuf,
    store: Store,
    random: Random,
    ledger: Ledger,
}

impl Filler {
    fn open(dir: PathBuf, random: Random, ledger: Ledger) -> Result<Self> {
        let store = Store::open(&dir, Options::default())?;
        Ok(Self {
            dir,
            store,
            random,
            ledger,
        })
    }

    fn reopen(self) -> Result<Self> {
        let Self {
            dir,
            store,
            random,
            ledger,
        } = self;
        drop(store);
        Self::open(dir, random, ledger)
    }

    fn a_full_disk_refuses_and_loses_nothing(&mut self) -> Result<()> {
        for batch in [1, 5, 1] {
            let error = self.fill(batch)?;
            ensure!(matches!(error, PutError::DiskFull { .. }), "{error:?}");
            let text = error.to_string();
            ensure!(
                text.contains("free some space or give the store a smaller limit"),
                "{text}"
            );
        }
        ensure!(self.check()? > 100, "the disk is smaller than thought");
        Ok(())
    }

    fn room_made_is_used(&mut self) -> Result<()> {
        let before = self.store.stats().bytes;
        self.remove_some(60)?;
        self.fill(1)?;
        let after = self.store.stats().bytes;
        ensure!(
            after > before / 10 * 9,
            "{after} bytes fit where {before} did"
        );
        self.check()?;
        Ok(())
    }

    /// The index cannot grow either: what it was to learn, it learns later.
    fn a_disk_filled_by_others_is_read(mut self, ballast: &Path) -> Result<Self> {
        self.remove_some(150)?;
        for _ in 0..1_500 {
            self.put(1, 1_000)?;
        }
        // Writes what fits and fails.
        ensure!(
            fs::write(ballast, vec![0; 32 << 20]).is_err(),
            "the disk is larger than thought"
        );

        let pins: Vec<BlobId> = (0..20_000).map(|_| self.random.blob(16).id()).collect();
        match self.store.pin(&pins) {
            Err(PinError::DiskFull { .. }) => {}
            other => bail!("twenty thousand pins on a full disk: {other:?}"),
        }
        ensure!(!self.store.is_pinned(&pins[0]), "a refused pin holds");
        ensure!(self.put(1, 100_000).is_err(), "the disk is not full");
        self.check()?;
        let mut reopened = self.reopen()?;
        reopened.check()?;
        Ok(reopened)
    }

    fn room_made_by_others_is_used(mut self, ballast: &Path) -> Result<()> {
        // Fails and must not be the last word.
        let refused = (0..20_000).map(|_| self.random.blob(16).id());
        ensure!(
            self.store.pin(&refused.collect::<Vec<_>>()).is_err(),
            "the disk is not full"
        );
        fs::remove_file(ballast)?;
        let id = self.store.ids()[0];
        self.store.pin(&[id])?;
        self.ledger.note(Event::Pinned(id));
        self.store.flush()?;
        self.put(1, 100_000)?;
        self.check()?;
        self.reopen()?.check()?;
        Ok(())
    }

    fn remove_some(&mut self, number: usize) -> Result<()> {
        for id in &self.store.ids()[..number] {
            ensure!(self.store.remove(id)?, "{id} was listed");
            self.ledger.note(Event::Removed(*id));
        }
        Ok(())
    }

    /// Puts until there is no room.
    fn fill(&mut self, batch: usize) -> Result<PutError> {
        for _ in 0..10_000 {
            let len = 16 + self.random.below(100_000);
            if let Err(error) = self.put(batch, len) {
                return Ok(error);
            }
        }
        bail!("the disk does not fill")
    }

    fn put(&mut self, batch: usize, len: usize) -> Result<(), PutError> {
        let blobs: Vec<Blob> = (0..batch).map(|_| self.random.blob(len)).collect();
        for blob in &blobs {
            self.ledger
                .note(Event::Putting(blob.id(), blob.bytes().len() as u64));
        }
        let put = self.store.put_all(&blobs);
        let end = if put.is_ok() {
            Event::Held
        } else {
            Event::Refused
        };
        for blob in &blobs {
            self.ledger.note(end(blob.id()));
        }
        put.map(|_| ())
    }

    fn check(&mut self) -> Result<usize> {
        self.ledger.check(&self.store, &self.dir)
    }
}
