//! A store without a disk, for tests.
//!
//! The same calls with the same answers as [`crate::Store`], which one suite
//! run over both shows; it forgets everything when it goes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use samara_core::{Blob, BlobId};

use crate::catalog::Catalog;
use crate::lease::{Lease, Lessor};
use crate::{GetError, Options, PinError, Put, PutAll, PutError, RemoveError, Stats};

/// Keeps blobs in memory. Clones are the same store.
#[derive(Debug, Clone)]
pub struct MemoryStore(Arc<Mutex<Catalog<Blob>>>);

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new(options: Options) -> Self {
        let catalog = Catalog::new(options.max_bytes, BTreeSet::new());
        Self(Arc::new(Mutex::new(catalog)))
    }

    /// See [`crate::Store::put`].
    pub fn put(&self, blob: &Blob) -> Result<Put, PutError> {
        let PutAll { new, evicted } = self.put_all(std::slice::from_ref(blob))?;
        Ok(Put {
            new: !new.is_empty(),
            evicted,
        })
    }

    /// See [`crate::Store::put_all`].
    pub fn put_all(&self, blobs: &[Blob]) -> Result<PutAll, PutError> {
        let mut catalog = self.catalog();
        let mut seen = BTreeSet::new();
        let batch = blobs.iter().filter(|blob| seen.insert(blob.id()));
        let batch: Vec<_> = batch
            .map(|blob| (blob.id(), blob.bytes().len() as u64, blob))
            .collect();
        catalog.check_room(batch.iter().map(|(id, len, _)| (*id, *len)))?;
        let mut new = batch;
        new.retain(|(id, ..)| catalog.touch(id).is_none());
        let ids = new.iter().map(|(id, ..)| *id).collect();
        let new = new
            .into_iter()
            .map(|(id, len, blob)| (id, len, blob.clone()));
        let evicted = catalog.admit(new.collect())?;
        Ok(PutAll { new: ids, evicted })
    }

    /// See [`crate::Store::get`].
    pub fn get(&self, id: &BlobId) -> Result<Option<Blob>, GetError> {
        Ok(self.catalog().touch(id).map(|held| held.place.clone()))
    }

    /// See [`crate::Store::has`].
    pub fn has(&self, id: &BlobId) -> bool {
        self.catalog().get(id).is_some()
    }

    /// See [`crate::Store::len_of`].
    pub fn len_of(&self, id: &BlobId) -> Option<u64> {
        self.catalog().get(id).map(|held| held.len)
    }

    /// See [`crate::Store::ids`].
    pub fn ids(&self) -> Vec<BlobId> {
        self.catalog().ids()
    }

    /// See [`crate::Store::ids_by_use`].
    pub fn ids_by_use(&self) -> Vec<BlobId> {
        self.catalog().ids_by_use()
    }

    /// See [`crate::Store::remove_all`].
    pub fn remove_all(&self, ids: &[BlobId]) -> Result<Vec<BlobId>, RemoveError> {
        let mut catalog = self.catalog();
        let gone = ids.iter().filter(|id| catalog.take(id).is_some());
        Ok(gone.copied().collect())
    }

    /// See [`crate::Store::remove`].
    pub fn remove(&self, id: &BlobId) -> Result<bool, RemoveError> {
        Ok(self.catalog().take(id).is_some())
    }

    /// See [`crate::Store::pin`].
    pub fn pin(&self, ids: &[BlobId]) -> Result<(), PinError> {
        let mut catalog = self.catalog();
        for id in ids {
            catalog.pin(*id);
        }
        Ok(())
    }

    /// See [`crate::Store::unpin`].
    pub fn unpin(&self, ids: &[BlobId]) -> Result<(), PinError> {
        let mut catalog = self.catalog();
        for id in ids {
            catalog.unpin(*id);
        }
        Ok(())
    }

    /// See [`crate::Store::lease`].
    pub fn lease(&self, ids: &[BlobId]) -> Lease {
        Lease::new(Arc::<Mutex<_>>::clone(&self.0), ids)
    }

    /// See [`crate::Store::is_pinned`].
    pub fn is_pinned(&self, id: &BlobId) -> bool {
        self.catalog().is_pinned(id)
    }

    /// See [`crate::Store::stats`].
    pub fn stats(&self) -> Stats {
        self.catalog().stats()
    }

    fn catalog(&self) -> MutexGuard<'_, Catalog<Blob>> {
        lock(&self.0)
    }
}

impl Lessor for Mutex<Catalog<Blob>> {
    fn lease(&self, ids: &[BlobId]) {
        let mut catalog = lock(self);
        for id in ids {
            catalog.lease(*id);
        }
    }

    fn end_lease(&self, ids: &[BlobId]) {
        let mut catalog = lock(self);
        for id in ids {
            catalog.end_lease(*id);
        }
    }
}

fn lock(catalog: &Mutex<Catalog<Blob>>) -> MutexGuard<'_, Catalog<Blob>> {
    catalog.lock().unwrap_or_else(PoisonError::into_inner)
}
