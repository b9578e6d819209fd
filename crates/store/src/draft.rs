//! Blobs that are worth nothing before all of them are there.
//!
//! Whoever cuts a file into blobs holds their keys in memory until the end:
//! without the end, nobody can ever open them. A draft takes them back then,
//! even after the process was killed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use samara_core::{Blob, BlobId};

use crate::journal::Journal;
use crate::{Lease, PinError, Put, PutError, Store};

/// Puts blobs that go again unless the draft is finished: when it is dropped,
/// or, should the process not live to drop it, at the store's next open. While
/// it lives none of them is evicted. Any number of threads may put at once.
#[derive(Debug)]
#[must_use = "what is put goes again when the draft is dropped"]
pub struct Draft {
    store: Store,
    journal: Arc<Journal>,
    lease: Mutex<Lease>,
    finished: bool,
}

impl Draft {
    pub(crate) fn new(store: Store, journal: Arc<Journal>) -> Self {
        let lease = Mutex::new(store.lease(&[]));
        Self {
            store,
            journal,
            lease,
            finished: false,
        }
    }

    /// See [`Store::put`]. The blob must be of nobody else's interest: it goes
    /// with the draft even if it was held before.
    pub fn put(&self, blob: &Blob) -> Result<Put, PutError> {
        let id = blob.id();
        self.journal
            .add(id)
            .map_err(|source| PutError::io(self.store.dir(), source))?;
        self.lease().extend(&[id]);
        self.store.put(blob)
    }

    /// What was put, in order.
    pub fn ids(&self) -> Vec<BlobId> {
        self.lease().ids().to_vec()
    }

    /// Pins what was put: it stays until it is unpinned. For that to be true
    /// after a power cut, call [`Store::flush`] before.
    pub fn finish(mut self) -> Result<(), PinError> {
        self.store.pin(self.lease().ids())?;
        self.finished = true;
        // Pinned blobs stay, whatever a journal says.
        if let Err(error) = self.journal.end() {
            tracing::warn!(%error, "the journal of finished blobs could not be removed");
        }
        Ok(())
    }

    fn lease(&self) -> MutexGuard<'_, Lease> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let removed = self.store.remove_all(self.lease().ids());
        let ended = removed.map(|_| self.journal.end());
        if let Err(error) = ended {
            tracing::warn!(%error, "blobs that nobody can open stay until the next open");
        }
    }
}
