//! When the store is flushed: some time after a put, or once enough was put.
//!
//! On a thread of its own, beside the blocking pool: whoever stops a node and
//! has no use for the flush does not wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use samara_core::BlobId;
use samara_store::{FlushError, Store};
use samara_swarm::Input;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::disk::with_causes;
use crate::driver::Command;

/// From a put to the flush that covers it: short beside what a power cut costs
/// to fetch again, long enough for one flush to cover many.
const FLUSH_AFTER: Duration = Duration::from_secs(10);
/// Puts that do not wait so long: 1 GiB, which the next open hashes in a second
/// should the process be killed.
const FLUSH_AT: usize = 1_024;

/// Tells the flushing task what happens.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flushing(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    puts: AtomicUsize,
    some: Notify,
    enough: Notify,
}

impl Flushing {
    /// A blob was put.
    pub fn was_put(&self) {
        let puts = self.0.puts.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.some.notify_one();
        if puts >= FLUSH_AT {
            self.0.enough.notify_one();
        }
    }
}

/// Flushes for ever.
pub(crate) async fn run(
    flushing: Flushing,
    store: Store,
    commands: mpsc::UnboundedSender<Command>,
) {
    let told = flushing.0;
    loop {
        told.some.notified().await;
        tokio::select! {
            () = tokio::time::sleep(FLUSH_AFTER) => {}
            () = told.enough.notified() => {}
        }
        told.puts.store(0, Ordering::Relaxed);
        if let Err(error) = flush(&store).await {
            tracing::warn!(error = with_causes(&error), "the store was not flushed");
            let _ = commands.send(Command::Input(Input::Evicted(lost(error))));
        }
    }
}

async fn flush(store: &Store) -> Result<(), FlushError> {
    let (done, flushed) = oneshot::channel();
    let store = store.clone();
    thread::spawn(move || {
        // Nobody waits any more once the node was stopped.
        let _ = done.send(store.flush());
    });
    flushed.await.unwrap_or(Ok(()))
}

fn lost(error: FlushError) -> Vec<BlobId> {
    match error {
        FlushError::Lost { lost, .. } => lost,
        _ => Vec::new(),
    }
}
