//! Works on a store until it is killed, reporting every step.
//!
//! `putter DIR SEED THREADS MAX_BYTES STEPS…` where `MAX_BYTES` 0 means no
//! limit and each of `STEPS` adds a kind of step to putting and getting:
//! `again`, `remove`, `pin`, `large`, `sync`, `flush`, and `until-full`, which stops at the
//! first refusal by a full disk.

use std::io::Write as _;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::{env, thread};

use anyhow::{Context as _, ensure};
use samara_core::{Blob, BlobId};
use samara_store::{FlushError, Options, PutAll, PutError, Store};
use samara_store_test::event::Event;
use samara_store_test::random::Random;

fn main() -> anyhow::Result<()> {
    let mut args = env::args().skip(1);
    let mut arg = || {
        args.next()
            .context("usage: putter DIR SEED THREADS MAX_BYTES STEPS…")
    };
    let dir = PathBuf::from(arg()?);
    let seed: u64 = arg()?.parse()?;
    let threads: u64 = arg()?.parse()?;
    let max_bytes = NonZeroU64::new(arg()?.parse()?);
    let steps: Vec<String> = args.collect();

    let store = Store::open(&dir, Options { max_bytes })?;
    let workers: Vec<_> = (0..threads)
        .map(|number| {
            let mut worker = Worker {
                store: store.clone(),
                random: Random::new(seed.wrapping_mul(1_000).wrapping_add(number)),
                steps: steps.clone(),
                held: Vec::new(),
                removed: Vec::new(),
            };
            thread::spawn(move || worker.run())
        })
        .collect();
    for worker in workers {
        worker.join().expect("a worker returns its errors")?;
    }
    Ok(())
}

/// Each thread has blobs of its own, so that the order of its reports is the
/// order of its blobs' fates. Only evictions come from elsewhere.
struct Worker {
    store: Store,
    random: Random,
    steps: Vec<String>,
    held: Vec<Blob>,
    removed: Vec<Blob>,
}

impl Worker {
    fn does(&self, step: &str) -> bool {
        self.steps.iter().any(|enabled| enabled == step)
    }

    fn run(&mut self) -> anyhow::Result<()> {
        loop {
            let go_on = match self.random.below(10) {
                0 => self.get()?,
                1 if self.does("again") => self.put_again()?,
                2 | 3 if self.does("remove") => self.remove()?,
                4 if self.does("pin") => self.pin()?,
                5 if self.does("pin") => self.unpin()?,
                6 if self.does("sync") && self.random.chance(40) => self.sync(Store::sync)?,
                6 if self.does("flush") && self.random.chance(20) => self.sync(Store::flush)?,
                6 => {
                    let several = 2 + self.random.below(4);
                    self.put_new(several)?
                }
                _ => self.put_new(1)?,
            };
            if !go_on {
                return Ok(());
            }
        }
    }

    fn put_new(&mut self, several: usize) -> anyhow::Result<bool> {
        let blobs: Vec<Blob> = (0..several).map(|_| self.new_blob()).collect();
        self.put(blobs)
    }

    fn new_blob(&mut self) -> Blob {
        let large = self.does("large") && self.random.chance(10);
        let most = if large {
            1 << 20
        } else {
            1 << self.random.below(17)
        };
        let len = 16 + self.random.below(most);
        self.random.blob(len)
    }

    fn put_again(&mut self) -> anyhow::Result<bool> {
        let held = self.random.pick(&self.held).cloned();
        let removed = self.random.pick(&self.removed).cloned();
        if let Some(removed) = &removed {
            self.removed.retain(|other| other != removed);
        }
        self.put(held.into_iter().chain(removed).collect())
    }

    fn put(&mut self, blobs: Vec<Blob>) -> anyhow::Result<bool> {
        let putting = blobs
            .iter()
            .map(|blob| Event::Putting(blob.id(), blob.bytes().len() as u64));
        report(putting)?;
        let done = match self.store.put_all(&blobs) {
            Ok(done) => done,
            Err(PutError::Full { .. } | PutError::DiskFull { .. }) => {
                report(blobs.iter().map(|blob| Event::Refused(blob.id())))?;
                return Ok(!self.does("until-full"));
            }
            Err(error) => return Err(error.into()),
        };
        let PutAll { evicted, .. } = done;
        let evicted = evicted.into_iter().map(Event::Evicted);
        report(evicted.chain(blobs.iter().map(|blob| Event::Held(blob.id()))))?;
        for blob in blobs {
            if !self.held.contains(&blob) {
                self.held.push(blob);
            }
        }
        Ok(true)
    }

    fn sync(&self, sync: fn(&Store) -> Result<(), FlushError>) -> anyhow::Result<bool> {
        sync(&self.store)?;
        report(self.held.iter().map(|blob| Event::Synced(blob.id())))?;
        Ok(true)
    }

    fn get(&mut self) -> anyhow::Result<bool> {
        if let Some(blob) = self.random.pick(&self.held) {
            let found = self.store.get(&blob.id())?;
            ensure!(
                found.is_none_or(|found| found == *blob),
                "{blob:?} came back changed"
            );
        }
        Ok(true)
    }

    fn remove(&mut self) -> anyhow::Result<bool> {
        if !self.held.is_empty() {
            let at = self.random.below(self.held.len());
            let blob = self.held.swap_remove(at);
            report([Event::Removing(blob.id())])?;
            self.store.remove(&blob.id())?;
            report([Event::Removed(blob.id())])?;
            self.removed.push(blob);
        }
        Ok(true)
    }

    fn pin(&mut self) -> anyhow::Result<bool> {
        for id in self.some_id() {
            report([Event::Pinning(id)])?;
            self.store.pin(&[id])?;
            // Another thread may have been faster.
            let gone = (!self.store.has(&id)).then_some(Event::Evicted(id));
            report(gone.into_iter().chain([Event::Pinned(id)]))?;
        }
        Ok(true)
    }

    fn unpin(&mut self) -> anyhow::Result<bool> {
        for id in self.some_id().filter(|id| self.store.is_pinned(id)) {
            report([Event::Unpinning(id)])?;
            self.store.unpin(&[id])?;
            report([Event::Unpinned(id)])?;
        }
        Ok(true)
    }

    fn some_id(&mut self) -> impl Iterator<Item = BlobId> + use<> {
        self.random.pick(&self.held).map(Blob::id).into_iter()
    }
}

/// Writes the lines in one go: a line is there whole or not at all.
fn report(events: impl IntoIterator<Item = Event>) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    for event in events {
        writeln!(lines, "{event}")?;
    }
    let mut out = std::io::stdout().lock();
    out.write_all(&lines)?;
    out.flush()?;
    Ok(())
}
