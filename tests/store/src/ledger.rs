//! What a store must hold, according to what its user was told.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use samara_core::BlobId;
use samara_store::Store;

use crate::event::Event;

/// Collects events, and checks a store against them.
#[derive(Debug, Default)]
pub struct Ledger {
    blobs: BTreeMap<BlobId, Fate>,
    pins: BTreeMap<BlobId, Pin>,
    /// Bytes that puts may have evicted without living to report it.
    unreported: u64,
    /// Length of the largest blob so far.
    largest: u64,
}

/// What is known of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Something was begun and not finished: there or not.
    Unsure {
        len: u64,
    },
    Held {
        len: u64,
        durable: bool,
    },
    /// Gone, but nobody waited until the disk knew.
    Evicted {
        len: u64,
    },
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pin {
    Unsure,
    Pinned,
    Unpinned,
}

impl Ledger {
    /// Takes note of a step.
    pub fn note(&mut self, event: Event) {
        match event {
            Event::Putting(id, len) => {
                self.largest = self.largest.max(len);
                // Putting again what is held risks nothing.
                let fate = self.blobs.entry(id).or_insert(Fate::Gone);
                if *fate == Fate::Gone {
                    *fate = Fate::Unsure { len };
                }
            }
            Event::Held(id) => {
                if let Some(Fate::Unsure { len }) = self.blobs.get(&id).copied() {
                    let durable = false;
                    self.blobs.insert(id, Fate::Held { len, durable });
                }
            }
            Event::Synced(id) => {
                if let Some(Fate::Held { durable, .. }) = self.blobs.get_mut(&id) {
                    *durable = true;
                }
            }
            Event::Removing(id) => {
                if let Some(Fate::Held { len, .. }) = self.blobs.get(&id).copied() {
                    self.blobs.insert(id, Fate::Unsure { len });
                }
            }
            Event::Evicted(id) => {
                let fate = self.blobs.entry(id).or_insert(Fate::Gone);
                if let Fate::Held { len, .. } | Fate::Unsure { len } = *fate {
                    *fate = Fate::Evicted { len };
                }
            }
            Event::Removed(id) | Event::Refused(id) => {
                self.blobs.insert(id, Fate::Gone);
            }
            Event::Pinning(id) | Event::Unpinning(id) => {
                self.pins.insert(id, Pin::Unsure);
            }
            Event::Pinned(id) => {
                self.pins.insert(id, Pin::Pinned);
            }
            Event::Unpinned(id) => {
                self.pins.insert(id, Pin::Unpinned);
            }
        }
    }

    /// The process that reported is dead. What it had begun may have made room
    /// by as much as it needed, and by one victim too large for each need.
    pub fn died(&mut self) {
        let begun = self.blobs.values().filter_map(|fate| match fate {
            Fate::Unsure { len } => Some(len + self.largest),
            Fate::Held { .. } | Fate::Evicted { .. } | Fate::Gone => None,
        });
        self.unreported += begun.sum::<u64>();
    }

    /// The disk lost power. What was not synced may be gone. What was evicted
    /// may be back, and take the place of something else.
    pub fn lost_power(&mut self) {
        for fate in self.blobs.values_mut() {
            match *fate {
                Fate::Evicted { len } => {
                    *fate = Fate::Unsure { len };
                    self.unreported += len + self.largest;
                }
                Fate::Held {
                    len,
                    durable: false,
                } => *fate = Fate::Unsure { len },
                Fate::Held { durable: true, .. } | Fate::Unsure { .. } | Fate::Gone => {}
            }
        }
    }

    /// How many blobs must be there whatever happens to the disk's power.
    pub fn durable(&self) -> usize {
        let durable = |fate: &&Fate| matches!(fate, Fate::Held { durable: true, .. });
        self.blobs.values().filter(durable).count()
    }

    /// Compares a store just opened, and its folder, with what was reported.
    /// Returns how many blobs there are. From here on, what is there is known,
    /// and durable: whoever cuts a disk's power lets it come to rest first.
    pub fn check(&mut self, store: &Store, dir: &Path) -> Result<usize> {
        let ids: BTreeSet<BlobId> = store.ids().into_iter().collect();
        for id in &ids {
            let blob = store
                .get(id)?
                .with_context(|| format!("{id} is listed and not there"))?;
            ensure!(BlobId::of(blob.bytes()) == *id, "{id} is not what it says");
            match self.blobs.get(id) {
                Some(Fate::Held { .. } | Fate::Unsure { .. }) => {}
                Some(Fate::Evicted { .. } | Fate::Gone) => bail!("{id} was gone and came back"),
                None => bail!("{id} comes from nowhere"),
            }
        }
        self.check_pins(store)?;
        self.check_missing(store, &ids)?;
        check_folder(store, dir, &ids)?;
        self.learn(&ids, store)?;
        Ok(ids.len())
    }

    fn check_pins(&self, store: &Store) -> Result<()> {
        for (id, pin) in &self.pins {
            match pin {
                Pin::Pinned => ensure!(store.is_pinned(id), "the pin on {id} is lost"),
                Pin::Unpinned => ensure!(!store.is_pinned(id), "{id} is pinned again"),
                Pin::Unsure => {}
            }
        }
        Ok(())
    }

    fn check_missing(&self, store: &Store, ids: &BTreeSet<BlobId>) -> Result<()> {
        let mut missing_bytes = 0;
        for (id, fate) in &self.blobs {
            let Fate::Held { len, .. } = fate else {
                continue;
            };
            if !ids.contains(id) {
                let evictable = store.stats().max_bytes.is_some() && !self.was_pinned(id);
                ensure!(evictable, "{id} was acknowledged and is lost");
                missing_bytes += len;
            }
        }
        ensure!(
            missing_bytes <= self.unreported,
            "{missing_bytes} bytes are lost, only {} may have been evicted",
            self.unreported
        );
        Ok(())
    }

    fn was_pinned(&self, id: &BlobId) -> bool {
        self.pins.get(id) == Some(&Pin::Pinned)
    }

    fn learn(&mut self, ids: &BTreeSet<BlobId>, store: &Store) -> Result<()> {
        self.unreported = 0;
        for (id, fate) in &mut self.blobs {
            *fate = Fate::Gone;
            if ids.contains(id) {
                let len = store.len_of(id).context("listed blobs have a length")?;
                let durable = true;
                *fate = Fate::Held { len, durable };
            }
        }
        for (id, pin) in &mut self.pins {
            *pin = if store.is_pinned(id) {
                Pin::Pinned
            } else {
                Pin::Unpinned
            };
        }
        Ok(())
    }
}

/// The folder has one file for each blob listed, of its length, and no other.
fn check_folder(store: &Store, dir: &Path, ids: &BTreeSet<BlobId>) -> Result<()> {
    let mut found = BTreeSet::new();
    let mut bytes = 0;
    for shard in fs::read_dir(dir.join("blobs"))? {
        for file in fs::read_dir(shard?.path())? {
            let file = file?;
            let name = file
                .file_name()
                .into_string()
                .ok()
                .context("names are text")?;
            found.insert(name.parse::<BlobId>()?);
            bytes += file.metadata()?.len();
        }
    }
    ensure!(
        found == *ids,
        "{} files for {} blobs",
        found.len(),
        ids.len()
    );
    let stats = store.stats();
    ensure!(
        stats.blobs == ids.len() as u64,
        "{stats:?} for {} blobs",
        ids.len()
    );
    ensure!(stats.bytes == bytes, "{stats:?} for {bytes} bytes");
    ensure!(
        stats.max_bytes.is_none_or(|max| bytes <= max.get()),
        "{stats:?} is over the limit"
    );

    let pinned = ids.iter().filter(|id| store.is_pinned(id));
    let pinned: Vec<u64> = pinned.filter_map(|id| store.len_of(id)).collect();
    ensure!(
        stats.pinned_blobs == pinned.len() as u64,
        "{stats:?} for {} pins",
        pinned.len()
    );
    ensure!(
        stats.pinned_bytes == pinned.iter().sum::<u64>(),
        "{stats:?}"
    );

    let left = fs::read_dir(dir.join("incoming"))?.count();
    ensure!(left == 0, "{left} half-written files are left");
    Ok(())
}
