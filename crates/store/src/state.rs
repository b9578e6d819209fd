//! What an open store knows, under one lock held for moments only.
//!
//! A blob's file is changed by whoever has claimed its id, so that two threads
//! never write, rename or remove one file at once. An id is either held or
//! claimed or neither, never both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use samara_core::{Blob, BlobId};

use crate::catalog::{Catalog, Held, NoRoom};
use crate::fingerprint::Fingerprint;
use crate::index::Change;
use crate::pending::{Pending, Snapshot};

/// Puts and removes before a flush is due. After a crash the next open hashes
/// little more than this many blobs, 2 GiB at most, which takes two seconds.
/// Whoever has a better moment flushes before.
const CHANGES_PER_FLUSH: usize = 2_048;
/// Blobs that may wait to be synced while a flush is under way. Then a disk
/// slower than its writers holds them up.
const UNSYNCED_MOST: usize = 2 * CHANGES_PER_FLUSH;
/// Gets before their order is written. After a crash the least recently used
/// are found from an order this old.
const TOUCHES_PER_FLUSH: usize = 16_384;

/// The state, and a way to wait until a claim ends.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Debug)]
pub(crate) struct State {
    pub catalog: Catalog<Fingerprint>,
    claimed: BTreeSet<BlobId>,
    /// Held, and not known to outlive a power cut.
    unsynced: Pending,
    /// What the index says of these is wrong or old.
    unflushed: Pending,
    changes: usize,
    touches: usize,
}

/// Whether it is time for a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    No,
    /// By whoever sees it first; the others go on.
    Yes,
    /// Nobody goes on before it is done.
    Overdue,
}

impl Shared {
    /// `changed` are those that the index is wrong about. What is held of them
    /// nobody has synced.
    pub fn new(catalog: Catalog<Fingerprint>, changed: BTreeSet<BlobId>) -> Self {
        let mut state = State {
            catalog,
            claimed: BTreeSet::new(),
            unsynced: Pending::default(),
            unflushed: Pending::default(),
            changes: 0,
            touches: 0,
        };
        for id in changed {
            state.changed(id);
            if state.catalog.get(&id).is_some() {
                state.unsynced.mark(id);
            }
        }
        Self {
            state: Mutex::new(state),
            released: Condvar::new(),
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        // No section leaves the state half-changed, whatever panics around it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims those of `wanted` that are neither held nor claimed, and leaves
    /// in it those that others have claimed. Waits until there is something to
    /// do; `None` once nothing is wanted.
    ///
    /// Whoever holds a claim does not wait for another, so waits end.
    pub fn claim_missing<'a>(
        &self,
        wanted: &mut Vec<&'a Blob>,
    ) -> Option<(Claim<'_>, Vec<&'a Blob>)> {
        let mut state = self.lock();
        loop {
            let mut missing = Vec::new();
            wanted.retain(|blob| {
                let id = blob.id();
                if state.touch(&id).is_some() {
                    return false;
                }
                let free = state.claimed.insert(id);
                if free {
                    missing.push(*blob);
                }
                !free
            });
            if !missing.is_empty() {
                let ids = missing.iter().map(|blob| blob.id()).collect();
                return Some((Claim { shared: self, ids }, missing));
            }
            if wanted.is_empty() {
                return None;
            }
            let woken = self.released.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Holds what a claim wrote and ends the claim; claims what goes for it.
    /// After an error the claim is as it was.
    pub fn admit(
        &self,
        claim: &mut Claim<'_>,
        fingerprints: Vec<Fingerprint>,
    ) -> Result<Claim<'_>, NoRoom> {
        let mut state = self.lock();
        let written = claim.ids.iter().zip(fingerprints);
        let new = written.map(|(id, found)| (*id, found.len, found)).collect();
        let gone = state.catalog.admit(new)?;
        for id in claim.ids.drain(..) {
            state.claimed.remove(&id);
            state.changed(id);
            state.unsynced.mark(id);
        }
        let gone = self.claim_gone(&mut state, gone);
        self.released.notify_all();
        Ok(gone)
    }

    /// Lets the least recently used go until the rest is within the limit.
    pub fn shrink(&self) -> Claim<'_> {
        let mut state = self.lock();
        let gone = state.catalog.make_room(0);
        self.claim_gone(&mut state, gone)
    }

    /// Lets those of the blobs go that are held.
    pub fn take(&self, ids: &[BlobId]) -> (Claim<'_>, Vec<(BlobId, Held<Fingerprint>)>) {
        let mut state = self.lock();
        let taken = ids
            .iter()
            .filter_map(|id| Some((*id, state.catalog.take(id)?)));
        let taken: Vec<_> = taken.collect();
        let gone = taken.iter().map(|(id, _)| *id).collect();
        (self.claim_gone(&mut state, gone), taken)
    }

    /// Lets a blob go, if it is still held as the file known.
    pub fn take_known(&self, id: &BlobId, known: Fingerprint) -> Option<Claim<'_>> {
        let mut state = self.lock();
        if !state.is_held_as(id, known) {
            return None;
        }
        state.catalog.take(id);
        Some(self.claim_gone(&mut state, vec![*id]))
    }

    /// Ends a claim, and holds those of its blobs again whose files could not
    /// be removed.
    pub fn restore(&self, mut claim: Claim<'_>, back: Vec<(BlobId, Held<Fingerprint>)>) {
        let mut state = self.lock();
        for id in claim.ids.drain(..) {
            state.claimed.remove(&id);
        }
        for (id, held) in back {
            state.catalog.insert(id, held);
            state.changed(id);
            state.unsynced.mark(id);
        }
        self.released.notify_all();
    }

    fn claim_gone(&self, state: &mut State, ids: Vec<BlobId>) -> Claim<'_> {
        for id in &ids {
            state.claimed.insert(*id);
            state.changed(*id);
            state.unsynced.forget(id);
        }
        Claim { shared: self, ids }
    }
}

impl State {
    /// Counts a use and says what the blob's file is.
    pub fn touch(&mut self, id: &BlobId) -> Option<Fingerprint> {
        let place = self.catalog.touch(id)?.place;
        self.unflushed.mark(*id);
        self.touches += 1;
        Some(place)
    }

    /// Records that a file touched by somebody is still right.
    pub fn confirm(&mut self, id: &BlobId, known: Fingerprint, found: Fingerprint) {
        if self.is_held_as(id, known) {
            self.catalog.replace(id, found);
            self.changed(*id);
            self.unsynced.mark(*id);
        }
    }

    pub fn is_held_as(&self, id: &BlobId, known: Fingerprint) -> bool {
        self.catalog.get(id).is_some_and(|held| held.place == known)
    }

    pub fn flush_due(&self) -> Due {
        if self.unsynced.len() >= UNSYNCED_MOST {
            Due::Overdue
        } else if self.changes >= CHANGES_PER_FLUSH || self.touches >= TOUCHES_PER_FLUSH {
            Due::Yes
        } else {
            Due::No
        }
    }

    /// Whether the index may have a row of a blob that is not held any more.
    pub fn may_have_stale_row(&self, id: &BlobId) -> bool {
        self.unflushed.contains(id)
    }

    /// What is to be synced: each blob, and the file it is held as.
    pub fn unsynced(&self) -> (Snapshot, BTreeMap<BlobId, Fingerprint>) {
        let snapshot = self.unsynced.snapshot();
        let ids = snapshot.ids().into_iter();
        let files = ids.filter_map(|id| Some((id, self.catalog.get(&id)?.place)));
        let files = files.collect();
        (snapshot, files)
    }

    /// The files of a snapshot outlive a power cut.
    pub fn synced(&mut self, done: &Snapshot) {
        self.unsynced.settle(done);
    }

    /// The rows to be written, in order: of what is durable or gone, so that
    /// none names a blob that a power cut can take.
    pub fn unflushed(&mut self) -> (Snapshot, Vec<(BlobId, Change)>) {
        self.changes = 0;
        self.touches = 0;
        let mut snapshot = self.unflushed.snapshot();
        snapshot.retain(|id| !self.unsynced.contains(id));
        let change = |id| match self.catalog.get(&id) {
            Some(held) => (id, Change::Write(held.clone())),
            None => (id, Change::Delete),
        };
        let rows = snapshot.ids().into_iter().map(change).collect();
        (snapshot, rows)
    }

    /// The rows of a snapshot are written. Those that could not be stay to be
    /// written and count as no changes: a full disk is not tried again at
    /// every put.
    pub fn flushed(&mut self, done: &Snapshot) {
        self.unflushed.settle(done);
    }

    fn changed(&mut self, id: BlobId) {
        self.unflushed.mark(id);
        self.changes += 1;
    }
}

/// The right to change the files of these ids, until it is dropped. Never drop
/// it while holding the state's lock.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    shared: &'a Shared,
    pub ids: Vec<BlobId>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if self.ids.is_empty() {
            return;
        }
        let mut state = self.shared.lock();
        for id in &self.ids {
            state.claimed.remove(id);
        }
        drop(state);
        self.shared.released.notify_all();
    }
}
