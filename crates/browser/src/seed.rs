//! A file into sealed blobs in the store.
//!
//! Chunks are read one ahead and stored in batches, so reading, sealing and
//! writing overlap; a file of any size needs the memory of a few chunks.

use std::collections::VecDeque;

use js_sys::Uint8Array;
use rand_core::UnwrapErr;
use samara_core::blob::TAG_LEN;
use samara_core::entry::blob::seal_entry;
use samara_core::entry::{EntryError, OCTET_STREAM, to_file_name};
use samara_core::seal::{SealingKey, seal};
use samara_core::{Blob as SealedBlob, BlobId, Chunk, ChunkSize, FileEntry, Link, padding};
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob as File;

use crate::error::{Coded, text_of};
use crate::number::{length, number, whole};
use crate::store::{Put, PutError, Store};

/// Blobs on their way into the database.
const UNDER_WAY: usize = 32;

/// What became of a file.
pub(crate) struct Seeded {
    pub entry: FileEntry,
    pub link: Link,
    /// All blobs, the entry's own as well.
    pub blobs: Vec<(BlobId, u32)>,
}

/// Why a file cannot be seeded. Nothing of it stays in the store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeedError {
    /// The browser cannot read it.
    #[error("the file cannot be read ({0}); choose it again")]
    Unreadable(String),
    /// No room, or a broken database.
    #[error(transparent)]
    Put(#[from] PutError),
    /// Its name or type is not one.
    #[error("the file's {field} is not {expected}; give another")]
    Described {
        /// Which of them.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// It cannot be described.
    #[error(transparent)]
    Entry(EntryError),
    /// By the caller's wish.
    #[error("sharing the file was stopped")]
    Stopped,
}

impl Coded for SeedError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable-file",
            Self::Put(error) => error.code(),
            Self::Described { .. } | Self::Entry(_) => "bad-file",
            Self::Stopped => "aborted",
        }
    }
}

impl From<EntryError> for SeedError {
    fn from(error: EntryError) -> Self {
        match error {
            EntryError::Invalid { field, expected } => Self::Described { field, expected },
            other => Self::Entry(other),
        }
    }
}

/// Seals a file into the store. `progress` gets the bytes done and says
/// whether to go on. The blobs are pinned.
pub(crate) async fn seed(
    store: &Store,
    file: &File,
    name: &str,
    mime_type: &str,
    progress: impl Fn(u64) -> bool,
) -> Result<Seeded, SeedError> {
    let mut run = Run {
        store,
        blobs: Vec::new(),
        under_way: VecDeque::new(),
    };
    let result = run.seed(file, name, mime_type, progress).await;
    if result.is_err() {
        run.undo();
    }
    let (entry, link) = result?;
    let blobs = run.blobs;
    Ok(Seeded { entry, link, blobs })
}

struct Run<'a> {
    store: &'a Store,
    blobs: Vec<(BlobId, u32)>,
    under_way: VecDeque<Put>,
}

impl Run<'_> {
    async fn seed(
        &mut self,
        file: &File,
        name: &str,
        mime_type: &str,
        progress: impl Fn(u64) -> bool,
    ) -> Result<(FileEntry, Link), SeedError> {
        let size = whole(file.size());
        let chunk_size = u64::from(ChunkSize::MAX.get());
        let mut rng = UnwrapErr(getrandom::SysRng);
        let mut chunks = Vec::new();
        let mut ahead = read(file, 0, chunk_size)?;
        for index in 0..ChunkSize::MAX.chunks_in(size) {
            let start = index * chunk_size;
            let next = read(file, start + chunk_size, chunk_size)?;
            let bytes = std::mem::replace(&mut ahead, next).await;
            let chunk = padded(&Uint8Array::new(&bytes.map_err(|e| unreadable(&e))?));
            let (blob, key) = seal(SealingKey::generate(&mut rng), chunk);
            let id = blob.id();
            chunks.push(Chunk { id, key });
            self.put(blob).await?;
            if !progress(size.min(start + chunk_size)) {
                return Err(SeedError::Stopped);
            }
        }
        let mime_type = if mime_type.is_empty() {
            OCTET_STREAM
        } else {
            mime_type
        };
        let entry = FileEntry::new(to_file_name(name), size, mime_type, ChunkSize::MAX, chunks)?;
        let sealed = seal_entry(&entry)?;
        for blob in sealed.blobs {
            self.put(blob).await?;
        }
        while let Some(put) = self.under_way.pop_front() {
            stored(put).await?;
        }
        Ok((entry, sealed.link))
    }

    async fn put(&mut self, blob: SealedBlob) -> Result<(), SeedError> {
        let len = u32::try_from(blob.bytes().len()).expect("a blob is about 1 MiB");
        self.blobs.push((blob.id(), len));
        self.store.pin(&[blob.id()]);
        self.under_way.push_back(self.store.put(blob));
        if self.under_way.len() >= UNDER_WAY
            && let Some(first) = self.under_way.pop_front()
        {
            stored(first).await?;
        }
        Ok(())
    }

    fn undo(&self) {
        let ids: Vec<_> = self.blobs.iter().map(|(id, _)| *id).collect();
        self.store.unpin(&ids);
        self.store.remove(&ids);
    }
}

async fn stored(put: Put) -> Result<(), SeedError> {
    let result = put.await;
    Ok(result.unwrap_or_else(|_| Err(PutError::closed()))?)
}

/// Begins to read at most `len` bytes.
fn read(file: &File, start: u64, len: u64) -> Result<JsFuture, SeedError> {
    let (start, end) = (number(start), number(start + len));
    let slice = file.slice_with_f64_and_f64(start, end);
    let slice = slice.map_err(|error| unreadable(&error))?;
    Ok(JsFuture::from(slice.array_buffer()))
}

/// The bytes as a chunk to seal, with room for the tag.
fn padded(bytes: &Uint8Array) -> Vec<u8> {
    let len = length(f64::from(bytes.length()));
    let mut chunk = Vec::with_capacity(padding::padme(len) + TAG_LEN);
    chunk.resize(len, 0);
    bytes.copy_to(&mut chunk);
    padding::pad(&mut chunk);
    chunk
}

fn unreadable(error: &wasm_bindgen::JsValue) -> SeedError {
    SeedError::Unreadable(text_of(error))
}
