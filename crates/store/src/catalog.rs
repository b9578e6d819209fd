//! Which blobs are held, in which order they were used, and which must stay.
//!
//! Both stores keep their books here, so that limits, pins and eviction mean
//! the same in each. No IO: `T` is what a store needs to find a blob again.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use samara_core::BlobId;

use crate::Stats;

/// When a blob was last used, counted in uses of the store: no clock can be
/// set back in between.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use(pub u64);

#[derive(Debug, Clone)]
pub(crate) struct Held<T> {
    pub len: u64,
    pub used: Use,
    pub place: T,
}

/// Pinned blobs leave too little of the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom {
    pub needed: u64,
    pub pinned: u64,
    pub max_bytes: u64,
}

/// Why an id must stay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Pin {
    /// Somebody pinned it until further notice.
    lasting: bool,
    /// So many leases are on it.
    leases: u32,
}

#[derive(Debug)]
pub(crate) struct Catalog<T> {
    held: BTreeMap<BlobId, Held<T>>,
    /// Held and not pinned, least recently used first.
    evictable: BTreeSet<(Use, BlobId)>,
    /// Ids that must stay once they are held, held yet or not.
    pins: BTreeMap<BlobId, Pin>,
    next_use: Use,
    stats: Stats,
}

impl<T> Catalog<T> {
    pub fn new(max_bytes: Option<NonZeroU64>, pins: BTreeSet<BlobId>) -> Self {
        let lasting = Pin {
            lasting: true,
            leases: 0,
        };
        Self {
            held: BTreeMap::new(),
            evictable: BTreeSet::new(),
            pins: pins.into_iter().map(|id| (id, lasting)).collect(),
            next_use: Use::default(),
            stats: Stats {
                max_bytes,
                ..Stats::default()
            },
        }
    }

    pub fn stats(&self) -> Stats {
        self.stats
    }

    pub fn ids(&self) -> Vec<BlobId> {
        self.held.keys().copied().collect()
    }

    /// Most recently used first.
    pub fn ids_by_use(&self) -> Vec<BlobId> {
        let mut ids: Vec<_> = self
            .held
            .iter()
            .map(|(id, held)| (held.used, *id))
            .collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.into_iter().map(|(_, id)| id).collect()
    }

    pub fn get(&self, id: &BlobId) -> Option<&Held<T>> {
        self.held.get(id)
    }

    /// Counts a use.
    pub fn touch(&mut self, id: &BlobId) -> Option<&Held<T>> {
        let held = self.held.get_mut(id)?;
        let used = self.next_use;
        self.next_use.0 += 1;
        if self.evictable.remove(&(held.used, *id)) {
            self.evictable.insert((used, *id));
        }
        held.used = used;
        Some(held)
    }

    /// Says that a blob is to be found elsewhere now.
    pub fn replace(&mut self, id: &BlobId, place: T) {
        if let Some(held) = self.held.get_mut(id) {
            held.place = place;
        }
    }

    /// Whether these blobs can all be held at once, beside the pinned ones.
    pub fn check_room(&self, batch: impl Iterator<Item = (BlobId, u64)>) -> Result<(), NoRoom> {
        let Some(max_bytes) = self.stats.max_bytes else {
            return Ok(());
        };
        let unpinned = batch.filter(|(id, _)| !(self.is_pinned(id) && self.held.contains_key(id)));
        let needed = unpinned.map(|(_, len)| len).sum();
        let pinned = self.stats.pinned_bytes;
        let max_bytes = max_bytes.get();
        if needed <= max_bytes.saturating_sub(pinned) {
            Ok(())
        } else {
            Err(NoRoom {
                needed,
                pinned,
                max_bytes,
            })
        }
    }

    /// Adds blobs that are not held, after making room for them all or for none.
    pub fn admit(&mut self, new: Vec<(BlobId, u64, T)>) -> Result<Vec<BlobId>, NoRoom> {
        self.check_room(new.iter().map(|(id, len, _)| (*id, *len)))?;
        let evicted = self.make_room(new.iter().map(|(_, len, _)| len).sum());
        for (id, len, place) in new {
            self.add(id, len, place);
        }
        Ok(evicted)
    }

    /// Adds a blob used now.
    pub fn add(&mut self, id: BlobId, len: u64, place: T) {
        let used = self.next_use;
        self.insert(id, Held { len, used, place });
    }

    /// Adds a blob whose last use is known.
    pub fn insert(&mut self, id: BlobId, held: Held<T>) {
        self.next_use = self.next_use.max(Use(held.used.0 + 1));
        self.stats.blobs += 1;
        self.stats.bytes += held.len;
        if self.is_pinned(&id) {
            self.stats.pinned_blobs += 1;
            self.stats.pinned_bytes += held.len;
        } else {
            self.evictable.insert((held.used, id));
        }
        let before = self.held.insert(id, held);
        debug_assert!(before.is_none(), "only blobs not held are added");
    }

    /// Lets the least recently used go until `needed` more bytes fit, or none
    /// is left that may go.
    pub fn make_room(&mut self, needed: u64) -> Vec<BlobId> {
        let mut evicted = Vec::new();
        let max_bytes = self.stats.max_bytes.map_or(u64::MAX, NonZeroU64::get);
        while self.stats.bytes + needed > max_bytes {
            let Some((_, id)) = self.evictable.first().copied() else {
                break;
            };
            self.take(&id);
            evicted.push(id);
        }
        evicted
    }

    /// Forgets a blob; a pin on its id stays.
    pub fn take(&mut self, id: &BlobId) -> Option<Held<T>> {
        let held = self.held.remove(id)?;
        self.stats.blobs -= 1;
        self.stats.bytes -= held.len;
        if !self.evictable.remove(&(held.used, *id)) {
            self.stats.pinned_blobs -= 1;
            self.stats.pinned_bytes -= held.len;
        }
        Some(held)
    }

    pub fn pin(&mut self, id: BlobId) {
        self.change_pin(id, |pin| pin.lasting = true);
    }

    pub fn unpin(&mut self, id: BlobId) {
        self.change_pin(id, |pin| pin.lasting = false);
    }

    pub fn lease(&mut self, id: BlobId) {
        self.change_pin(id, |pin| pin.leases += 1);
    }

    pub fn end_lease(&mut self, id: BlobId) {
        self.change_pin(id, |pin| pin.leases -= 1);
    }

    pub fn is_pinned(&self, id: &BlobId) -> bool {
        self.pins.contains_key(id)
    }

    fn change_pin(&mut self, id: BlobId, change: impl FnOnce(&mut Pin)) {
        let before = self.is_pinned(&id);
        let pin = self.pins.entry(id).or_default();
        change(pin);
        if *pin == Pin::default() {
            self.pins.remove(&id);
        }
        let after = self.is_pinned(&id);
        let Some(held) = self.held.get(&id) else {
            return;
        };
        match (before, after) {
            (false, true) => {
                self.evictable.remove(&(held.used, id));
                self.stats.pinned_blobs += 1;
                self.stats.pinned_bytes += held.len;
            }
            (true, false) => {
                self.evictable.insert((held.used, id));
                self.stats.pinned_blobs -= 1;
                self.stats.pinned_bytes -= held.len;
            }
            (false, false) | (true, true) => {}
        }
    }
}
