//! Files, sealed for real: what is verified in a scenario is verified as in
//! life.

use std::sync::Arc;

use bytes::Bytes;
use samara_core::entry::blob::seal_entry;
use samara_core::{Blob, BlobId, Chunk, ChunkSize, FileEntry, Link, SealingKey, seal};

use crate::dice::Dice;

/// A file that somebody has.
pub struct File {
    pub entry: Arc<FileEntry>,
    pub link: Link,
    /// The chunks' blobs and then those of the entry.
    pub blobs: Vec<(BlobId, Bytes)>,
}

impl File {
    /// A file of random blobs: full chunks and a last one of `last` bytes.
    pub fn new(dice: &mut Dice, chunk_size: u32, chunks: u64, last: u64) -> Self {
        let chunk_size = ChunkSize::new(chunk_size).expect("plans name legal chunk sizes");
        let mut blobs = Vec::new();
        let mut named = Vec::new();
        let size = (chunks - 1) * chunk_size.len() as u64 + last;
        for index in 1..=chunks {
            let key = SealingKey::generate(dice.rng());
            let len = if index == chunks {
                usize::try_from(last).expect("at most a chunk")
            } else {
                chunk_size.len()
            };
            // The key alone makes each blob different.
            let (blob, key) = seal::seal(key, vec![0; len]);
            named.push(Chunk { id: blob.id(), key });
            blobs.push((blob.id(), blob.into_bytes()));
        }
        let entry = FileEntry::new("file", size, "a/b", chunk_size, named)
            .expect("a plan's file has a legal entry");
        let sealed = seal_entry(&entry).expect("a plan's entry is small");
        let entry_blobs = sealed.blobs.into_iter();
        blobs.extend(entry_blobs.map(|blob: Blob| (blob.id(), blob.into_bytes())));
        Self {
            entry: Arc::new(entry),
            link: sealed.link,
            blobs,
        }
    }

    /// Bytes of all blobs.
    pub fn sealed_len(&self) -> u64 {
        self.blobs.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }
}
