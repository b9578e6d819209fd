//! A file in order, while its chunks come in any order.

use std::io::{self, Write};
use std::sync::Arc;

use samara_core::{BlobId, FileEntry, seal};
use samara_store::{GetError, Store};

/// Writes a file's chunks in order, each as soon as it and all before it are
/// in the store.
#[derive(Debug)]
pub struct Streamer {
    store: Store,
    entry: Arc<FileEntry>,
    held: Vec<bool>,
    next: usize,
    plain: Vec<u8>,
}

/// A stream ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// Whoever read it stopped, or the disk is full.
    #[error("the output cannot be written")]
    Write(#[source] io::Error),
    /// A blob is what its id says, and the entry's key does not open it.
    #[error("chunk {index} does not open; the entry is damaged or forged, ask for the link again")]
    Forged {
        /// Position in the entry.
        index: usize,
    },
    /// The store lost a blob that it held.
    #[error("the store lost blob {id} while it was needed; run the fetch again")]
    Lost {
        /// The blob.
        id: BlobId,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] GetError),
}

impl Streamer {
    /// A stream of which nothing is written yet.
    pub fn new(store: Store, entry: Arc<FileEntry>) -> Self {
        let held = vec![false; entry.chunks().len()];
        Self {
            store,
            entry,
            held,
            next: 0,
            plain: Vec::new(),
        }
    }

    /// Says that a chunk is in the store now.
    pub fn held(&mut self, index: u32) {
        if let Some(held) = self.held.get_mut(index as usize) {
            *held = true;
        }
    }

    /// Whether the whole file was written.
    pub fn is_complete(&self) -> bool {
        self.next == self.held.len()
    }

    /// Writes what is there; blocks on the disk and on `output`.
    pub fn write_to(&mut self, output: &mut impl Write) -> Result<(), StreamError> {
        while self.held.get(self.next).copied().unwrap_or(false) {
            let index = self.next;
            let chunk = &self.entry.chunks()[index];
            let lost = StreamError::Lost { id: chunk.id };
            let blob = self.store.get(&chunk.id)?.ok_or(lost)?;
            let opened = seal::open_into(&chunk.key, blob.bytes(), &mut self.plain);
            let bytes = self.plain.get(..self.entry.chunk_len(index));
            let (Ok(()), Some(bytes)) = (opened, bytes) else {
                return Err(StreamError::Forged { index });
            };
            output.write_all(bytes).map_err(StreamError::Write)?;
            self.next += 1;
        }
        output.flush().map_err(StreamError::Write)
    }
}
