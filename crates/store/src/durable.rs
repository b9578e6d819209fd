//! How blobs become durable and their rows follow: in groups, since the disk
//! takes little longer for many than for one.
//!
//! First the files, then the folders that name them, then the rows. Whoever
//! wants several blobs durable at once waits for one turn: it covers all that
//! was put before it began.

use std::sync::{MutexGuard, PoisonError, TryLockError};

use crate::error::FlushError;
use crate::state::Due;
use crate::store::Inner;

impl Inner {
    /// Makes durable what is held.
    pub fn sync(&self) -> Result<(), FlushError> {
        self.sync_in_turn(&self.syncing.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes durable what is held, and writes the rows of it.
    pub fn flush(&self) -> Result<(), FlushError> {
        let synced = self.sync();
        self.write_rows().and(synced)
    }

    /// Flushes when it is time. Who comes while another flushes goes on,
    /// unless the disk has fallen far behind.
    pub fn flush_if_due(&self) {
        let turn = match self.flush_due() {
            Due::No => return,
            Due::Yes => match self.syncing.try_lock() {
                Ok(turn) => turn,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            },
            Due::Overdue => self.syncing.lock().unwrap_or_else(PoisonError::into_inner),
        };
        // Whoever had the turn before may have done it.
        if self.flush_due() == Due::No {
            return;
        }
        let synced = self.sync_in_turn(&turn);
        drop(turn);
        if let Err(error) = self.write_rows().and(synced) {
            tracing::warn!(%error, "the store could not be flushed; trying again later");
        }
    }

    /// Writes the rows of what is durable or gone.
    pub fn write_rows(&self) -> Result<(), FlushError> {
        let mut index = self.lock_index();
        let (snapshot, rows) = self.shared.lock().unflushed();
        if rows.is_empty() {
            return Ok(());
        }
        index
            .write_rows(&rows)
            .map_err(|source| FlushError::index(&self.dir, source))?;
        self.shared.lock().flushed(&snapshot);
        Ok(())
    }

    fn flush_due(&self) -> Due {
        self.shared.lock().flush_due()
    }

    fn sync_in_turn(&self, _turn: &MutexGuard<'_, ()>) -> Result<(), FlushError> {
        let (snapshot, files) = self.shared.lock().unsynced();
        if snapshot.is_empty() {
            return Ok(());
        }
        let failed = |source| FlushError::sync(&self.dir, source);
        self.journals.sync().map_err(failed)?;
        let lost = self.files.sync_all(&snapshot.ids()).map_err(failed)?;
        for (id, _) in &lost {
            // The system tells of a lost write once: a second sync would seem to succeed.
            if let Some(place) = files.get(id)
                && let Some(claim) = self.shared.take_known(id, *place)
            {
                self.abandon(&claim);
            }
        }
        self.shared.lock().synced(&snapshot);
        FlushError::of_lost(&self.dir, lost)
    }
}
