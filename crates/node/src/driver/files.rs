//! The part of the machine's task that puts files together.
//!
//! It keeps which chunk was written; the disk's jobs only say how it went.

use std::path::PathBuf;
use std::sync::Arc;

use samara_core::{BlobId, FileEntry, Link};
use samara_store::Lease;
use samara_swarm::{Input, Target, TransferId};
use tokio::sync::mpsc;

use super::Driver;
use crate::destination::Destination;
use crate::disk::Place;
use crate::save::{SaveError, SaveFile};
use crate::transfer::{TransferError, TransferEvent};

/// A transfer, as the driver keeps it.
pub(super) struct Opened {
    link: Link,
    /// Whether the entry came from the user, and nothing that leads to it.
    by_entry: bool,
    events: mpsc::UnboundedSender<TransferEvent>,
    destination: Option<Destination>,
    saving: Option<Saving>,
    /// What is fetched or seeded is not evicted.
    lease: Option<Lease>,
}

/// A file taking shape.
struct Saving {
    file: Arc<SaveFile>,
    chunks: Vec<Written>,
    left: usize,
    stored: bool,
}

/// Whether a chunk is in the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    No,
    Underway,
    Yes,
}

impl Opened {
    pub fn new(
        target: &Target,
        destination: Option<Destination>,
        events: mpsc::UnboundedSender<TransferEvent>,
    ) -> Self {
        let (link, by_entry) = match target {
            Target::Link(link) => (link.clone(), false),
            Target::Entry(_, link) => (link.clone(), true),
        };
        Self {
            link,
            by_entry,
            events,
            destination,
            saving: None,
            lease: None,
        }
    }
}

impl Saving {
    fn new(file: SaveFile) -> Self {
        let left = file.entry().chunks().len();
        Self {
            file: Arc::new(file),
            chunks: vec![Written::No; left],
            left,
            stored: false,
        }
    }

    fn state(&mut self, index: u32) -> Option<&mut Written> {
        self.chunks.get_mut(index as usize)
    }
}

impl Driver {
    pub(super) fn tell(&self, transfer: TransferId, event: TransferEvent) {
        if let Some(opened) = self.opened.get(&transfer) {
            // Its user may have dropped it a moment ago.
            let _ = opened.events.send(event);
        }
    }

    pub(super) fn entry(&mut self, transfer: TransferId, entry: &Arc<FileEntry>) {
        let Some(opened) = self.opened.get_mut(&transfer) else {
            return;
        };
        if let Some(destination) = &opened.destination {
            let file = SaveFile::new(Arc::clone(entry), &opened.link, destination);
            opened.saving = Some(Saving::new(file));
        }
        let chunks = entry.chunks().iter().map(|chunk| chunk.id);
        let blobs: Vec<BlobId> = chunks.chain([opened.link.id]).collect();
        opened.lease = Some(self.disk.lease(&blobs));
        if opened.by_entry {
            self.disk.keep_entry(Arc::clone(entry));
        }
        self.tell(transfer, TransferEvent::Entry(Arc::clone(entry)));
    }

    /// Where the blob is waited for. It may come to nothing, so the chunk
    /// counts as written only when the disk says so.
    pub(super) fn places(&self, blob: &BlobId) -> Vec<Place> {
        let place = |(transfer, opened): (&TransferId, &Opened)| {
            let saving = opened.saving.as_ref()?;
            let index = saving.file.position(blob)?;
            let unwritten = saving.chunks.get(index as usize) == Some(&Written::No);
            unwritten.then(|| (*transfer, Arc::clone(&saving.file), index))
        };
        self.opened.iter().filter_map(place).collect()
    }

    pub(super) fn chunk(&mut self, transfer: TransferId, index: u32) {
        if let Some(opened) = self.opened.get_mut(&transfer)
            && let Some(saving) = &mut opened.saving
            && let Some(state @ Written::No) = saving.state(index)
        {
            *state = Written::Underway;
            let file = Arc::clone(&saving.file);
            let chunk = file.entry().chunks().get(index as usize);
            let id = chunk.map(|chunk| chunk.id);
            if let Some(id) = id {
                self.disk.catch_up((transfer, file, index), id);
            }
        }
        self.tell(transfer, TransferEvent::Chunk(index));
    }

    pub(super) fn written(
        &mut self,
        transfer: TransferId,
        index: u32,
        result: Result<(), SaveError>,
    ) {
        if let Err(error) = result {
            return self.fail(transfer, TransferError::Save(error));
        }
        if let Some(opened) = self.opened.get_mut(&transfer)
            && let Some(saving) = &mut opened.saving
            && let Some(state @ (Written::No | Written::Underway)) = saving.state(index)
        {
            *state = Written::Yes;
            saving.left -= 1;
        }
        self.finish_if_complete(transfer);
    }

    pub(super) fn done(&mut self, transfer: TransferId) {
        if let Some(opened) = self.opened.get_mut(&transfer)
            && let Some(saving) = &mut opened.saving
        {
            saving.stored = true;
        }
        self.tell(transfer, TransferEvent::Done);
        self.finish_if_complete(transfer);
    }

    pub(super) fn saved(&mut self, transfer: TransferId, result: Result<PathBuf, SaveError>) {
        match result {
            Ok(path) => self.tell(transfer, TransferEvent::Saved(path)),
            Err(error) => self.fail(transfer, TransferError::Save(error)),
        }
    }

    pub(super) fn fail(&mut self, transfer: TransferId, error: TransferError) {
        self.tell(transfer, TransferEvent::Failed(error));
        self.drop_transfer(transfer);
    }

    pub(super) fn drop_transfer(&mut self, transfer: TransferId) {
        if self.opened.remove(&transfer).is_some() {
            self.handle(Input::Drop { transfer });
        }
    }

    fn finish_if_complete(&mut self, transfer: TransferId) {
        if let Some(opened) = self.opened.get_mut(&transfer)
            && opened.saving.as_ref().is_some_and(Saving::is_complete)
            && let Some(saving) = opened.saving.take()
        {
            self.disk.finish(transfer, saving.file);
        }
    }
}

impl Saving {
    fn is_complete(&self) -> bool {
        self.stored && self.left == 0
    }
}
