//! Blobs to and from the disk, away from the machine's task.
//!
//! Jobs wait their turn before they take a thread of the blocking pool. The
//! machine bounds how much waits: what it has not seen stored, it does not ask
//! for more of.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use samara_core::possession::{Evidence, Nonce};
use samara_core::{Blob, BlobId, PeerId};
use samara_store::{Lease, Store};
use samara_swarm::{ConnectionId, Input, StoreFailure, TransferId};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;

use crate::driver::Command;
use crate::save::{SaveError, SaveFile};

/// A blob's place in a file that is being put together.
pub(crate) type Place = (TransferId, Arc<SaveFile>, u32);

/// Runs jobs and sends what came of them to the machine's task.
#[derive(Debug)]
pub(crate) struct Disk {
    store: Store,
    commands: mpsc::UnboundedSender<Command>,
    tasks: TaskTracker,
    writing: Arc<Semaphore>,
    reading: Arc<Semaphore>,
    /// Bytes verified and stored so far.
    received: Arc<AtomicU64>,
}

impl Disk {
    pub fn new(
        store: Store,
        commands: mpsc::UnboundedSender<Command>,
        tasks: TaskTracker,
        received: Arc<AtomicU64>,
    ) -> Self {
        // Most of a job is waiting for the disk, and several waits at once keep it busy.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = (4 * cores).clamp(8, 32);
        Self {
            store,
            commands,
            tasks,
            writing: Arc::new(Semaphore::new(jobs)),
            reading: Arc::new(Semaphore::new(jobs)),
            received,
        }
    }

    /// Reads a blob for [`samara_swarm::Output::Load`].
    pub fn load(&self, blob: BlobId) {
        let store = self.store.clone();
        self.run(&self.reading, move || {
            let found = store.get(&blob).unwrap_or_else(|error| {
                tracing::warn!(%error, "a blob could not be read");
                None
            });
            let bytes = found.map(Blob::into_bytes);
            Command::Input(Input::Loaded { blob, bytes })
        });
    }

    /// Computes evidence of possession for [`samara_swarm::Output::Hash`].
    pub fn hash(&self, blob: BlobId, nonce: Nonce, prover: PeerId) {
        let store = self.store.clone();
        self.run(&self.reading, move || {
            let found = store.get(&blob).unwrap_or_else(|error| {
                tracing::warn!(%error, "a blob could not be read");
                None
            });
            let evidence = found.map(|found| Evidence::of(nonce, prover, found.bytes()));
            Command::Input(Input::Hashed {
                blob,
                nonce,
                evidence,
            })
        });
    }

    /// Verifies and stores a blob for [`samara_swarm::Output::Store`], and
    /// writes it where it belongs while it is at hand.
    pub fn store(&self, connection: ConnectionId, id: BlobId, bytes: Bytes, places: Vec<Place>) {
        let store = self.store.clone();
        let received = Arc::clone(&self.received);
        self.run(&self.writing, move || {
            let mut evicted = Vec::new();
            let mut written = Vec::new();
            let result = put(&store, id, bytes, &mut evicted).map(|blob| {
                received.fetch_add(blob.bytes().len() as u64, Ordering::Relaxed);
                written.extend(places.into_iter().map(|(transfer, file, index)| {
                    let result = file.write(index, blob.bytes());
                    (transfer, index, result)
                }));
            });
            Command::Stored {
                connection,
                blob: id,
                result,
                evicted,
                written,
            }
        });
    }

    /// Writes a chunk that the store held already.
    pub fn catch_up(&self, place: Place, id: BlobId) {
        let store = self.store.clone();
        self.run(&self.reading, move || {
            let (transfer, file, index) = place;
            let result = match store.get(&id) {
                Ok(Some(blob)) => file.write(index, blob.bytes()),
                Ok(None) => Err(SaveError::Lost { id }),
                Err(error) => Err(error.into()),
            };
            Command::Written {
                transfer,
                index,
                result,
            }
        });
    }

    /// Gives a complete file its name.
    pub fn finish(&self, transfer: TransferId, file: Arc<SaveFile>) {
        self.run(&self.writing, move || Command::Saved {
            transfer,
            result: file.finish(),
        });
    }

    /// Keeps blobs from eviction while the lease lives.
    pub fn lease(&self, ids: &[BlobId]) -> Lease {
        self.store.lease(ids)
    }

    fn run(&self, turns: &Arc<Semaphore>, job: impl FnOnce() -> Command + Send + 'static) {
        let turns = Arc::clone(turns);
        let commands = self.commands.clone();
        self.tasks.spawn(async move {
            let turn = turns.acquire_owned().await;
            let job = move || {
                // A node that was stopped has no use for the answer.
                let _ = commands.send(job());
                drop(turn);
            };
            let _ = tokio::task::spawn_blocking(job).await;
        });
    }
}

fn put(
    store: &Store,
    id: BlobId,
    bytes: Bytes,
    evicted: &mut Vec<BlobId>,
) -> Result<Blob, StoreFailure> {
    let blob = Blob::verify(id, bytes).map_err(|_| StoreFailure::WrongBlob)?;
    let put = store
        .put(&blob)
        .map_err(|error| StoreFailure::Store(with_causes(&error)))?;
    *evicted = put.evicted;
    Ok(blob)
}

/// An error and what led to it, in one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
