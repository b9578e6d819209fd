//! The transfers a user has open, and who waits for their chunks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_channel::oneshot;
use samara_core::{BlobId, FileEntry};
use samara_swarm::TransferId;

/// Open transfers by id.
#[derive(Default)]
pub(crate) struct Transfers {
    last: u32,
    open: BTreeMap<TransferId, Transfer>,
}

/// One open transfer.
pub(crate) struct Transfer {
    /// The entry blob.
    id: BlobId,
    /// Blobs that stay in the store while it is open.
    pub pinned: Vec<BlobId>,
    pub entry: Option<Arc<FileEntry>>,
    held: BTreeSet<u32>,
    waiting: Vec<(u32, oneshot::Sender<()>)>,
}

impl Transfers {
    /// The transfer that has this entry blob open: one entry has one link.
    pub fn find(&self, entry: BlobId) -> Option<TransferId> {
        let mut open = self.open.iter();
        open.find(|(_, transfer)| transfer.id == entry)
            .map(|(id, _)| *id)
    }

    /// Opens a transfer under a new id; it takes over these pins.
    pub fn open(&mut self, entry: BlobId, pinned: Vec<BlobId>) -> TransferId {
        self.last += 1;
        let id = TransferId(self.last.into());
        let transfer = Transfer {
            id: entry,
            pinned,
            entry: None,
            held: BTreeSet::new(),
            waiting: Vec::new(),
        };
        self.open.insert(id, transfer);
        id
    }

    pub fn get_mut(&mut self, id: TransferId) -> Option<&mut Transfer> {
        self.open.get_mut(&id)
    }

    /// Forgets a transfer; whoever waits for its chunks is told so.
    pub fn close(&mut self, id: TransferId) -> Option<Transfer> {
        self.open.remove(&id)
    }
}

impl Transfer {
    /// A chunk is in the store.
    pub fn on_chunk(&mut self, index: u32) {
        self.held.insert(index);
        let waiting = std::mem::take(&mut self.waiting);
        for (wanted, sender) in waiting {
            if wanted == index {
                // Whoever waited may have given up.
                let _ = sender.send(());
            } else {
                self.waiting.push((wanted, sender));
            }
        }
    }

    /// No more chunks come.
    pub fn on_failed(&mut self) {
        self.waiting.clear();
    }

    /// Resolves when the chunk is in the store; fails when it never will be.
    pub fn chunk(&mut self, index: u32) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        if self.held.contains(&index) {
            let _ = sender.send(());
        } else {
            self.waiting.push((index, sender));
        }
        receiver
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: BlobId = BlobId::from_bytes([1; 32]);

    #[test]
    fn a_chunk_that_is_there_is_not_waited_for() {
        let mut transfers = Transfers::default();
        let id = transfers.open(ENTRY, Vec::new());
        let transfer = transfers.get_mut(id).unwrap();
        let mut early = transfer.chunk(3);
        assert_eq!(early.try_recv(), Ok(None));
        transfer.on_chunk(3);
        assert_eq!(early.try_recv(), Ok(Some(())));
        assert_eq!(transfer.chunk(3).try_recv(), Ok(Some(())));
    }

    #[test]
    fn closing_a_transfer_ends_every_wait() {
        let mut transfers = Transfers::default();
        let id = transfers.open(ENTRY, Vec::new());
        let mut wait = transfers.get_mut(id).unwrap().chunk(0);
        transfers.close(id);
        assert_eq!(wait.try_recv(), Err(oneshot::Canceled));
    }

    #[test]
    fn an_open_transfer_is_found_by_its_entry() {
        let mut transfers = Transfers::default();
        let id = transfers.open(ENTRY, Vec::new());
        assert_eq!(transfers.find(ENTRY), Some(id));
        transfers.close(id);
        assert_eq!(transfers.find(ENTRY), None);
    }

    #[test]
    fn ids_are_never_zero_and_never_given_twice() {
        let mut transfers = Transfers::default();
        let first = transfers.open(ENTRY, Vec::new());
        transfers.close(first);
        assert!(first.0 > 0 && transfers.open(ENTRY, Vec::new()) != first);
    }
}
