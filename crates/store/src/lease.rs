//! Keeping blobs for as long as somebody works with them.
//!
//! A transfer or an ingest needs its blobs until it is done, not until further
//! notice: a pin for it would cost a write for each blob and stay behind when
//! the process is killed. A lease is in memory and ends with its owner.

use std::fmt;
use std::sync::Arc;

use samara_core::BlobId;

/// What leases are taken from.
pub(crate) trait Lessor: Send + Sync {
    fn lease(&self, ids: &[BlobId]);
    fn end_lease(&self, ids: &[BlobId]);
}

/// Blobs that are not evicted while this lives. Ids may be leased ahead of
/// their blobs, and by several leases.
///
/// A lease keeps its store open, as a clone of the store does.
#[must_use = "a lease ends when it is dropped"]
pub struct Lease {
    lessor: Arc<dyn Lessor>,
    ids: Vec<BlobId>,
}

impl Lease {
    pub(crate) fn new(lessor: Arc<dyn Lessor>, ids: &[BlobId]) -> Self {
        let mut lease = Self {
            lessor,
            ids: Vec::new(),
        };
        lease.extend(ids);
        lease
    }

    /// Leases more blobs.
    pub fn extend(&mut self, ids: &[BlobId]) {
        self.lessor.lease(ids);
        self.ids.extend(ids);
    }

    /// The leased ids, in the order they were leased.
    pub fn ids(&self) -> &[BlobId] {
        &self.ids
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.lessor.end_lease(&self.ids);
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("ids", &self.ids)
            .finish_non_exhaustive()
    }
}
