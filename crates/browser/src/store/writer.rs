//! Writes in batches: a transaction costs more than a blob.
//!
//! While one transaction runs, what comes meanwhile gathers for the next.

use futures_channel::oneshot;
use samara_core::{Blob, BlobId};
use wasm_bindgen_futures::spawn_local;

use super::database::Batch;
use super::index::Record;
use super::tabs::Told;
use super::{Change, PutError, Store, use_now};

/// Blobs a transaction: measured, more is no faster and only keeps readers
/// waiting.
const BATCH: usize = 16;

/// How often a batch is tried again after blobs have gone, when the browser
/// gives less than the limit. Each time twice as many bytes go.
const QUOTA_TRIES: u32 = 4;

/// Something to write.
pub(super) enum Job {
    /// A new blob, and who waits for it.
    Put(Blob, oneshot::Sender<Result<(), PutError>>),
    /// A blob was used.
    Touch(BlobId),
    /// A blob is of no use to anybody.
    Remove(BlobId),
}

/// Jobs of one transaction.
struct Jobs {
    batch: Batch,
    waiting: Vec<oneshot::Sender<Result<(), PutError>>>,
}

impl Store {
    pub(super) fn enqueue(&self, job: Job) {
        self.0.jobs.borrow_mut().push_back(job);
        if !self.0.writing.replace(true) {
            let store = self.clone();
            spawn_local(async move { store.write_all().await });
        }
    }

    async fn write_all(&self) {
        while let Some(jobs) = self.take_jobs() {
            let result = self.write(jobs.batch).await;
            for waiting in jobs.waiting {
                // Whoever waited may have given up.
                let _ = waiting.send(result.clone());
            }
        }
        self.0.writing.set(false);
    }

    fn take_jobs(&self) -> Option<Jobs> {
        let mut queue = self.0.jobs.borrow_mut();
        if queue.is_empty() {
            return None;
        }
        let mut batch = Batch::default();
        let mut waiting = Vec::new();
        let mut index = self.0.index.borrow_mut();
        let used = use_now();
        while batch.put.len() < BATCH
            && let Some(job) = queue.pop_front()
        {
            match job {
                Job::Put(blob, done) => {
                    let len = u32::try_from(blob.bytes().len()).expect("a blob is about 1 MiB");
                    waiting.push(done);
                    if !index.contains(&blob.id()) {
                        batch.put.push((blob, Record { len, used }));
                    }
                }
                Job::Touch(blob) => {
                    if let Some(record) = index.touch(blob, used) {
                        batch.touched.push((blob, record));
                    }
                }
                Job::Remove(blob) => batch.gone.push(blob),
            }
        }
        Some(Jobs { batch, waiting })
    }

    async fn write(&self, mut batch: Batch) -> Result<(), PutError> {
        let incoming = batch.put.iter().map(|(_, record)| u64::from(record.len));
        let incoming: u64 = incoming.sum();
        let removed = batch.gone.len();
        for attempt in 0..QUOTA_TRIES {
            batch.gone.truncate(removed);
            batch.gone.extend(self.make_room(incoming)?);
            match self.0.database.write(&batch).await {
                Ok(()) => {
                    self.written(batch);
                    return Ok(());
                }
                Err(PutError::Quota) => self.give_way(incoming << attempt).await?,
                Err(error) => return Err(error),
            }
        }
        Err(PutError::Quota)
    }

    /// The browser gives no more than there is: that is the limit from now on,
    /// and blobs of at least so many bytes go, as far as there are any.
    ///
    /// They go in a transaction of their own, since a browser may count them
    /// until one is done.
    async fn give_way(&self, bytes: u64) -> Result<(), PutError> {
        let total = self.total();
        self.0.limit.set(self.0.limit.get().min(total));
        let gone = self.0.index.borrow().least_used(bytes);
        if gone.is_empty() {
            return Err(PutError::Quota);
        }
        let batch = Batch {
            gone,
            ..Batch::default()
        };
        self.0.database.write(&batch).await?;
        self.written(batch);
        Ok(())
    }

    /// The blobs that go so that `incoming` bytes fit.
    fn make_room(&self, incoming: u64) -> Result<Vec<BlobId>, PutError> {
        let limit = self.0.limit.get();
        let full = PutError::Full {
            limit_mib: limit >> 20,
        };
        if incoming == 0 {
            return Ok(Vec::new());
        }
        let most = limit.checked_sub(incoming).ok_or_else(|| full.clone())?;
        self.0.index.borrow().shrink_to(most).map_err(|_| full)
    }

    fn written(&self, batch: Batch) {
        let mut told = Told::default();
        {
            let mut index = self.0.index.borrow_mut();
            for (blob, record) in batch.put {
                index.insert(blob.id(), record);
                told.records.push((blob.id(), record));
            }
            for blob in &batch.gone {
                index.remove(blob);
            }
        }
        told.records.extend(batch.touched);
        told.gone = batch.gone;
        self.0.tabs.tell(&told);
        self.0.tell(Change {
            held: Vec::new(),
            gone: told.gone,
        });
    }
}
