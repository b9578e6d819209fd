//! The store on disk: what each call promises, and in which order it works.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use samara_core::{Blob, BlobId};

use crate::draft::Draft;
use crate::error::{FlushError, GetError, OpenError, PinError, PutError, RemoveError};
use crate::files::{Checked, Files, Found};
use crate::fingerprint::Fingerprint;
use crate::index::{Index, Pinning};
use crate::journal::Journals;
use crate::lease::{Lease, Lessor};
use crate::lock::Lock;
use crate::recovery::{self, Opened, Recovery};
use crate::state::{Claim, Shared};
use crate::{Options, Put, PutAll, Stats};

/// Keeps blobs in a folder. Clones are the same store; any number of threads
/// may use it at once.
///
/// ```
/// # use bytes::Bytes;
/// # use samara_core::{Blob, BlobId};
/// # use samara_store::{Options, Store};
/// # let dir = tempfile::tempdir().unwrap();
/// let store = Store::open(&dir.path().join("store"), Options::default())?;
/// let bytes = Bytes::from_static(b"what somebody sent");
/// let blob = Blob::verify(BlobId::of(&bytes), bytes)?;
/// store.put(&blob)?;
/// assert_eq!(store.get(&blob.id())?, Some(blob));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub dir: PathBuf,
    pub files: Files,
    pub journals: Journals,
    /// Held by whoever syncs. Taken before the others, never while holding one.
    pub syncing: Mutex<()>,
    /// Taken before the state's lock, never while holding it.
    index: Mutex<Index>,
    pub shared: Shared,
    recovery: Recovery,
    /// The last to go, so that nobody else opens what is still being closed.
    _lock: Lock,
}

impl Store {
    /// Opens the store in `dir`, made if it is missing, and puts right what a
    /// crash left. If it holds more than the limit, the least recently used go.
    ///
    /// Takes a moment after a clean stop, and as long as hashing what was put
    /// since the last flush after a crash. Without its index, hashes every blob.
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        let Opened {
            files,
            journals,
            index,
            shared,
            recovery,
            lock,
        } = recovery::open(dir, options)?;
        let store = Self(Arc::new(Inner {
            dir: dir.to_owned(),
            files,
            journals,
            syncing: Mutex::new(()),
            index: Mutex::new(index),
            shared,
            recovery,
            _lock: lock,
        }));
        store.0.flush_if_due();
        Ok(store)
    }

    /// What the open had to put right.
    pub fn recovery(&self) -> Recovery {
        self.0.recovery
    }

    /// Holds a blob. When this returns, the blob outlives a crash of the
    /// process, unless it is evicted or removed; after the next
    /// [`Store::flush`] or [`Store::sync`], one of the machine too. A put that
    /// makes it two thousand without a flush flushes by itself.
    ///
    /// A blob held already counts as used. If there is a limit, the least
    /// recently used blobs that are not pinned go until the new one fits.
    pub fn put(&self, blob: &Blob) -> Result<Put, PutError> {
        let PutAll { new, evicted } = self.put_all(std::slice::from_ref(blob))?;
        Ok(Put {
            new: !new.is_empty(),
            evicted,
        })
    }

    /// Holds several blobs, all or none. They must all fit within the limit
    /// beside the pinned ones.
    ///
    /// After an error those that were not held before are not held now, except
    /// by the doing of another thread.
    pub fn put_all(&self, blobs: &[Blob]) -> Result<PutAll, PutError> {
        let mut wanted: Vec<&Blob> = Vec::with_capacity(blobs.len());
        let mut seen = BTreeSet::new();
        wanted.extend(blobs.iter().filter(|blob| seen.insert(blob.id())));
        let sizes = wanted
            .iter()
            .map(|blob| (blob.id(), blob.bytes().len() as u64));
        self.0.shared.lock().catalog.check_room(sizes)?;

        let failed = |source| PutError::io(&self.0.dir, source);
        wanted
            .iter()
            .try_for_each(|blob| self.doubt(&blob.id()))
            .map_err(failed)?;
        let mut done = PutAll::default();
        while let Some((mut claim, missing)) = self.0.shared.claim_missing(&mut wanted) {
            let written = self.0.write(&missing).map_err(failed)?;
            let gone = self.0.shared.admit(&mut claim, written).inspect_err(|_| {
                // Pins came in between.
                self.0.abandon(&claim);
            })?;
            self.0.abandon(&gone);
            done.new.extend(missing.iter().map(|blob| blob.id()));
            done.evicted.extend(&gone.ids);
        }
        self.0.flush_if_due();
        Ok(done)
    }

    /// The blob, if it is held; counts as a use.
    ///
    /// A file that changed since it was verified is hashed again. If it is not
    /// the blob any more it is removed, and the answer is that there is none.
    pub fn get(&self, id: &BlobId) -> Result<Option<Blob>, GetError> {
        let failed = |source| GetError::Io { id: *id, source };
        let blob = loop {
            let Some(known) = self.0.shared.lock().touch(id) else {
                break None;
            };
            let found = self.0.files.read(id, known.len).map_err(failed)?;
            if let Some(blob) = found.and_then(|found| trust(*id, known, found)) {
                break Some(blob);
            }
            match self.recheck(id, known).map_err(failed)? {
                Recheck::Is(blob) => break blob,
                Recheck::Superseded => {}
            }
        };
        self.0.flush_if_due();
        Ok(blob)
    }

    /// Whether the blob is held. Not a use.
    pub fn has(&self, id: &BlobId) -> bool {
        self.0.shared.lock().catalog.get(id).is_some()
    }

    /// The length in bytes of a blob that is held. Not a use.
    pub fn len_of(&self, id: &BlobId) -> Option<u64> {
        self.0.shared.lock().catalog.get(id).map(|held| held.len)
    }

    /// The ids of all blobs held, in order.
    pub fn ids(&self) -> Vec<BlobId> {
        self.0.shared.lock().catalog.ids()
    }

    /// The ids of all blobs held, most recently used first. Not a use.
    pub fn ids_by_use(&self) -> Vec<BlobId> {
        self.0.shared.lock().catalog.ids_by_use()
    }

    /// Removes a blob, pinned or not; true if it was held. A pin on its id
    /// stays. Outlives a crash like a put.
    pub fn remove(&self, id: &BlobId) -> Result<bool, RemoveError> {
        let gone = self.remove_all(std::slice::from_ref(id))?;
        Ok(!gone.is_empty())
    }

    /// Removes several blobs at the cost of few waits for the disk, and
    /// returns those that were held.
    ///
    /// After an error those whose files could not be removed are still held.
    pub fn remove_all(&self, ids: &[BlobId]) -> Result<Vec<BlobId>, RemoveError> {
        let (claim, taken) = self.0.shared.take(ids);
        let mut gone = Vec::with_capacity(taken.len());
        let mut back = Vec::new();
        let mut result = Ok(());
        for (id, held) in taken {
            match self.0.files.remove(&id) {
                Ok(_) => gone.push(id),
                Err(source) => {
                    back.push((id, held));
                    result = Err(RemoveError::Io { id, source });
                }
            }
        }
        if let Err(source) = self.0.files.sync_shards(gone.iter().copied())
            && let Some(id) = gone.first()
        {
            result = Err(RemoveError::Io { id: *id, source });
        }
        self.0.shared.restore(claim, back);
        self.0.flush_if_due();
        result.map(|()| gone)
    }

    /// Keeps these blobs from eviction until they are unpinned. Ids that are
    /// not held may be pinned ahead of their blobs. Outlives a crash.
    pub fn pin(&self, ids: &[BlobId]) -> Result<(), PinError> {
        self.write_pins(ids, Pinning::Pin)
    }

    /// Takes pins away. Outlives a crash.
    pub fn unpin(&self, ids: &[BlobId]) -> Result<(), PinError> {
        self.write_pins(ids, Pinning::Unpin)
    }

    /// Keeps these blobs from eviction while the lease lives. Costs no wait
    /// for the disk and does not outlive the process: for blobs in use, where a
    /// pin is for blobs somebody wants to keep.
    pub fn lease(&self, ids: &[BlobId]) -> Lease {
        Lease::new(Arc::<Inner>::clone(&self.0), ids)
    }

    /// Whether the id is pinned or leased, held or not.
    pub fn is_pinned(&self, id: &BlobId) -> bool {
        self.0.shared.lock().catalog.is_pinned(id)
    }

    /// What is held.
    pub fn stats(&self) -> Stats {
        self.0.shared.lock().catalog.stats()
    }

    /// Holds blobs until the draft is finished: if it is not, they go again.
    pub fn draft(&self) -> Result<Draft, PutError> {
        let journal = self.0.journals.begin();
        let journal = journal.map_err(|source| PutError::io(&self.0.dir, source))?;
        Ok(Draft::new(self.clone(), journal))
    }

    /// When this returns, every blob put before outlives a crash of the machine
    /// (unless it is evicted or removed). Callers at the same time wait
    /// together. Whoever tells others that they may rely on a blob calls this
    /// first, and then sees that the blob is still held.
    pub fn sync(&self) -> Result<(), FlushError> {
        self.0.sync()
    }

    /// Like [`Store::sync`], and brings the index up to date, so that the next
    /// open has nothing to hash. To be called before the store is dropped,
    /// unless a crash of the machine may take what was put last.
    pub fn flush(&self) -> Result<(), FlushError> {
        self.0.flush()
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.0.dir
    }

    fn write_pins(&self, ids: &[BlobId], pinning: Pinning) -> Result<(), PinError> {
        let mut index = self.0.lock_index();
        let written = index.write_pins(ids, pinning);
        written.map_err(|error| PinError::new(&self.0.dir, error))?;
        // Under the index's lock, so that memory and disk see the same order.
        let mut state = self.0.shared.lock();
        for id in ids {
            match pinning {
                Pinning::Pin => state.catalog.pin(*id),
                Pinning::Unpin => state.catalog.unpin(*id),
            }
        }
        Ok(())
    }

    /// Lets a blob go whose file is not there or not right any more, so that
    /// putting it again mends it.
    fn doubt(&self, id: &BlobId) -> io::Result<()> {
        let place = self.0.shared.lock().catalog.get(id).map(|held| held.place);
        if let Some(known) = place
            && self.0.files.fingerprint(id)? != Some(known)
        {
            self.recheck(id, known)?;
        }
        Ok(())
    }

    /// Settles what a file that was touched is now.
    fn recheck(&self, id: &BlobId, known: Fingerprint) -> io::Result<Recheck> {
        match self.0.files.check(id)? {
            Checked::Right(blob, fingerprint) => {
                if let Some(found) = fingerprint {
                    self.0.shared.lock().confirm(id, known, found);
                }
                Ok(Recheck::Is(Some(blob)))
            }
            Checked::Missing | Checked::Corrupt => {
                let Some(claim) = self.0.shared.take_known(id, known) else {
                    return Ok(Recheck::Superseded);
                };
                tracing::warn!(%id, "a blob's file was damaged or taken away");
                self.0.files.remove(id)?;
                drop(claim);
                Ok(Recheck::Is(None))
            }
        }
    }
}

enum Recheck {
    Is(Option<Blob>),
    /// Evicted, or removed and put again, while it was read.
    Superseded,
}

/// Believes bytes that were hashed before they were recorded, if their file has
/// not changed since.
fn trust(id: BlobId, known: Fingerprint, found: Found) -> Option<Blob> {
    let unchanged = found.fingerprint == known;
    // The digest was computed then: it is the id the bytes were recorded under.
    let digest = unchanged.then_some(id)?;
    Blob::from_digest(id, Bytes::from(found.bytes), digest).ok()
}

impl Inner {
    pub fn lock_index(&self) -> MutexGuard<'_, Index> {
        // redb rolls back a transaction that a panic cut short.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the files of blobs that are not held any more. One that stays
    /// is found by the next open; it is no reason to fail the caller.
    pub fn abandon(&self, claim: &Claim<'_>) {
        for id in &claim.ids {
            if let Err(error) = self.files.remove(id) {
                tracing::warn!(%id, %error, "an evicted blob's file could not be removed");
            }
        }
    }

    /// A file is believed at the next open if a row is there for it: the row of
    /// an earlier one must not vouch for what a power cut leaves of this.
    fn write(&self, missing: &[&Blob]) -> io::Result<Vec<Fingerprint>> {
        let has_row = |id: &BlobId| self.shared.lock().may_have_stale_row(id);
        self.files.write(missing, has_row)
    }
}

impl Lessor for Inner {
    fn lease(&self, ids: &[BlobId]) {
        let mut state = self.shared.lock();
        for id in ids {
            state.catalog.lease(*id);
        }
    }

    fn end_lease(&self, ids: &[BlobId]) {
        let mut state = self.shared.lock();
        for id in ids {
            state.catalog.end_lease(*id);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Without the last rows the next open hashes a few blobs more.
        let _ = self.write_rows();
    }
}
