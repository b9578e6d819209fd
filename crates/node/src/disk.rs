//! Blobs to and from the disk, away from the machine's task.
//!
//! Jobs wait their turn before they take a thread of the blocking pool. The
//! machine bounds how much waits: what it has not seen stored, it does not ask
//! for more of.
//!
//! What a peer fetches for itself it can fetch again, so that becomes durable
//! some seconds later, many blobs at once. What others will rely on, because it
//! is kept for them or possession of it is proven, is durable before the machine
//! hears of it.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use samara_core::entry::blob::seal_entry;
use samara_core::message::Nonce;
use samara_core::possession::Evidence;
use samara_core::{Blob, BlobId, FileEntry, PeerId};
use samara_store::{FlushError, Lease, Store};
use samara_swarm::{ConnectionId, Input, StoreFailure, TransferId};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::driver::Command;
use crate::flush::{self, Flushing};
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
    flushing: Flushing,
}

/// A blob to be stored.
#[derive(Debug)]
pub(crate) struct Storing {
    pub connection: ConnectionId,
    pub id: BlobId,
    pub bytes: Bytes,
    /// Whether others will rely on it.
    pub durable: bool,
}

impl Disk {
    pub fn new(
        store: Store,
        commands: mpsc::UnboundedSender<Command>,
        tasks: TaskTracker,
        received: Arc<AtomicU64>,
        stop: CancellationToken,
    ) -> Self {
        // Most of a job is waiting for the disk, and several waits at once keep it busy.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = (4 * cores).clamp(8, 32);
        let flushing = Flushing::default();
        tasks.spawn(stop.run_until_cancelled_owned(flush::run(
            flushing.clone(),
            store.clone(),
            commands.clone(),
        )));
        Self {
            store,
            commands,
            tasks,
            writing: Arc::new(Semaphore::new(jobs)),
            reading: Arc::new(Semaphore::new(jobs)),
            received,
            flushing,
        }
    }

    /// Reads a blob for [`samara_swarm::Output::Load`].
    pub fn load(&self, blob: BlobId) {
        let store = self.store.clone();
        self.run(&self.reading, move || {
            let found = read(&store, blob);
            let bytes = found.map(Blob::into_bytes);
            Command::Input(Input::Loaded { blob, bytes })
        });
    }

    /// Computes evidence of possession for [`samara_swarm::Output::Hash`].
    /// What others will rely on is `durable` first.
    pub fn hash(&self, blob: BlobId, nonce: Nonce, prover: PeerId, durable: bool) {
        let store = self.store.clone();
        let commands = self.commands.clone();
        self.run(&self.reading, move || {
            let mut evicted = Vec::new();
            let safe = !durable || make_durable(&store, blob, &mut evicted).is_ok();
            if !evicted.is_empty() {
                // A node that was stopped has no use for it.
                let _ = commands.send(Command::Input(Input::Evicted(evicted)));
            }
            let found = if safe { read(&store, blob) } else { None };
            let evidence = found.map(|found| Evidence::of(nonce, prover, found.bytes()));
            Command::Input(Input::Hashed {
                blob,
                nonce,
                prover,
                evidence,
            })
        });
    }

    /// Verifies and stores a blob for [`samara_swarm::Output::Store`], and
    /// writes it where it belongs while it is at hand.
    pub fn store(&self, storing: Storing, places: Vec<Place>) {
        let store = self.store.clone();
        let flushing = self.flushing.clone();
        let received = Arc::clone(&self.received);
        self.run(&self.writing, move || {
            let (connection, id) = (storing.connection, storing.id);
            let mut evicted = Vec::new();
            let mut written = Vec::new();
            let result = put(&store, storing, &mut evicted).map(|blob| {
                flushing.was_put();
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

    /// Stores what leads from a link to the entry: whoever has only the link
    /// begins there.
    pub fn keep_entry(&self, entry: Arc<FileEntry>) {
        let store = self.store.clone();
        let commands = self.commands.clone();
        let flushing = self.flushing.clone();
        self.run(&self.writing, move || {
            let (mut held, mut evicted) = (Vec::new(), Vec::new());
            // An entry that cannot be sealed has no link either.
            let sealed = seal_entry(&entry).map(|sealed| sealed.blobs);
            for blob in sealed.into_iter().flatten() {
                match store.put(&blob) {
                    Ok(put) => {
                        flushing.was_put();
                        evicted.extend(put.evicted);
                        let len = u32::try_from(blob.bytes().len());
                        held.extend(len.map(|len| (blob.id(), len)));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "whoever has only the link finds no entry here");
                    }
                }
            }
            if !evicted.is_empty() {
                // A node that was stopped has no use for it.
                let _ = commands.send(Command::Input(Input::Evicted(evicted)));
            }
            Command::Input(Input::Holding(held))
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

fn read(store: &Store, blob: BlobId) -> Option<Blob> {
    store.get(&blob).unwrap_or_else(|error| {
        tracing::warn!(%error, "a blob could not be read");
        None
    })
}

fn put(store: &Store, storing: Storing, evicted: &mut Vec<BlobId>) -> Result<Blob, StoreFailure> {
    let Storing { id, bytes, .. } = storing;
    let blob = Blob::verify(id, bytes).map_err(|_| StoreFailure::WrongBlob)?;
    let put = store.put(&blob).map_err(|error| failure(&error))?;
    evicted.extend(put.evicted);
    if storing.durable {
        make_durable(store, id, evicted)?;
    }
    Ok(blob)
}

/// Waits, together with whoever else does, until a power cut cannot take the
/// blob any more.
fn make_durable(store: &Store, id: BlobId, evicted: &mut Vec<BlobId>) -> Result<(), StoreFailure> {
    match store.sync() {
        Ok(()) => {}
        // Others' blobs; whether this one is among them is seen below.
        Err(FlushError::Lost { lost, .. }) => evicted.extend(lost),
        Err(error) => return Err(failure(&error)),
    }
    // Another's sync may have lost it, another's put may have taken its room.
    if store.has(&id) {
        Ok(())
    } else {
        let text = "the disk does not take more; check it and free some space";
        Err(StoreFailure::Store(text.to_owned()))
    }
}

fn failure(error: &dyn Error) -> StoreFailure {
    StoreFailure::Store(with_causes(error))
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

#[cfg(test)]
mod tests {
    use samara_store::Options;

    use super::*;

    /// Puts a blob, then opens the store as it is after a crash: how many
    /// blobs were not durable.
    fn unsynced_after_put(durable: bool) -> u64 {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let bytes = Bytes::from_static(b"seventeen bytes!!");
        let storing = Storing {
            connection: ConnectionId(1),
            id: BlobId::of(&bytes),
            bytes,
            durable,
        };
        put(&store, storing, &mut Vec::new()).unwrap();
        drop(store);
        let store = Store::open(dir.path(), Options::default()).unwrap();
        store.recovery().indexed
    }

    #[test]
    fn what_others_rely_on_is_durable_before_it_counts_as_stored() {
        assert_eq!(unsynced_after_put(true), 0);
        assert_eq!(unsynced_after_put(false), 1);
    }

    #[test]
    fn a_blob_that_does_not_reach_the_disk_does_not_count_as_stored() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let bytes = Bytes::from_static(b"seventeen bytes!!");
        let blob = Blob::verify(BlobId::of(&bytes), bytes).unwrap();
        let id = blob.id();
        store.put(&blob).unwrap();
        // A folder cannot be synced as a file.
        let name = id.to_string();
        let path = dir.path().join("blobs").join(&name[..2]).join(name);
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let mut evicted = Vec::new();
        let failed = make_durable(&store, id, &mut evicted).unwrap_err();
        assert!(matches!(failed, StoreFailure::Store(_)), "{failed:?}");
        assert_eq!(evicted, [id]);
    }
}
