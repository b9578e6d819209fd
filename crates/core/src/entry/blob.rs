//! Entry blobs: an entry sealed like any chunk, so that a link can be short.
//!
//! The key follows from the entry itself, whose chunk keys are random: whoever
//! holds an entry can compute its link, and one entry has one link. An entry
//! larger than one chunk is stored as a file of its own, whose entry is sealed
//! in turn; [`Depth`] counts how often (`docs/protocol.md`, "Entry blob").

use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

use super::{Chunk, EntryError, FileEntry};
use crate::blob::Blob;
use crate::derive::expand;
use crate::link::Link;
use crate::padding;
use crate::seal::{self, BlobKey, OpenError, SealingKey, seal};

/// Largest entry in bytes: 2^20 chunks. Bounds what a link can make a reader
/// hold in memory.
pub const MAX_ENTRY_LEN: u64 = 64 << 20;

/// How many entries lie between an entry blob and the file's own entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Depth(u8);

impl Depth {
    /// The entry blob holds the file's own entry.
    pub const ZERO: Self = Self(0);
    /// Enough for [`MAX_ENTRY_LEN`] in the smallest chunks.
    const MAX: u8 = 8;

    /// `None` above the most that a largest entry needs.
    pub fn new(depth: u8) -> Option<Self> {
        (depth <= Self::MAX).then_some(Self(depth))
    }

    /// The number itself.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// One entry nearer to the file, or `None` at the file's own.
    pub fn next(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }
}

/// An entry as blobs, and the link to it.
#[derive(Debug)]
pub struct SealedEntry {
    /// Opens the entry.
    pub link: Link,
    /// All blobs the link needs before the file's own: the entry blob last.
    pub blobs: Vec<Blob>,
}

/// Seals an entry.
pub fn seal_entry(entry: &FileEntry) -> Result<SealedEntry, EntryError> {
    let chunk_size = entry.chunk_size();
    let mut bytes = entry.to_binary();
    if bytes.len() as u64 > MAX_ENTRY_LEN {
        return Err(EntryError::TooLarge);
    }
    let mut blobs = Vec::new();
    let mut depth = 0;
    while bytes.len() > chunk_size.len() {
        let secret = secret(&bytes);
        let chunks = bytes.chunks(chunk_size.len()).zip(0_u32..);
        let chunks = chunks.map(|(chunk, index)| {
            let info: [&[u8]; 2] = [b"samara entry chunk 1", &index.to_be_bytes()];
            let (blob, key) = seal_padded(expand(&secret, &info), chunk);
            let id = blob.id();
            blobs.push(blob);
            Chunk { id, key }
        });
        let chunks = chunks.collect();
        let size = bytes.len() as u64;
        let outer = FileEntry::new(
            "entry",
            size,
            "application/x-samara-entry",
            chunk_size,
            chunks,
        )?;
        bytes = outer.to_binary();
        depth += 1;
    }
    let key = expand(&secret(&bytes), &[b"samara entry blob 1"]);
    let (blob, key) = seal_padded(key, &bytes);
    let id = blob.id();
    blobs.push(blob);
    let depth = Depth::new(depth).ok_or(EntryError::TooLarge)?;
    let link = Link { id, key, depth };
    Ok(SealedEntry { link, blobs })
}

fn secret(entry: &[u8]) -> [u8; 32] {
    Sha256::digest(entry).into()
}

/// The key is derived from the hash of what it seals, so it seals nothing else.
fn seal_padded(key: [u8; 32], bytes: &[u8]) -> (Blob, BlobKey) {
    let mut chunk = Vec::with_capacity(padding::padme(bytes.len()) + crate::blob::TAG_LEN);
    chunk.extend_from_slice(bytes);
    padding::pad(&mut chunk);
    seal(SealingKey::derived(key), chunk)
}

/// Why an entry blob gives no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenEntryError {
    /// The link's key does not open the blob.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The blob opens, to something that is no entry.
    #[error(transparent)]
    Entry(#[from] EntryError),
}

/// Opens an entry blob: at depth 0 the file's own entry, above that the entry
/// of the file that holds the next one.
pub fn open_entry(key: &BlobKey, blob: &[u8], depth: Depth) -> Result<FileEntry, OpenEntryError> {
    let chunk = seal::open(key, blob)?;
    let entry = FileEntry::from_binary(&chunk)?;
    if depth != Depth::ZERO && entry.size() > MAX_ENTRY_LEN {
        return Err(EntryError::TooLarge.into());
    }
    Ok(entry)
}

/// Puts the next entry together from the opened blobs of `outer`, in order.
pub fn join_entry<'a>(
    outer: &FileEntry,
    blobs: impl IntoIterator<Item = &'a [u8]>,
) -> Result<FileEntry, OpenEntryError> {
    let mut bytes = Vec::new();
    for (index, (chunk, blob)) in outer.chunks().iter().zip(blobs).enumerate() {
        let opened = seal::open(&chunk.key, blob)?;
        let len = outer.chunk_len(index);
        bytes.extend_from_slice(opened.get(..len).ok_or(EntryError::Damaged)?);
    }
    Ok(FileEntry::from_binary(&bytes)?)
}

impl FileEntry {
    /// The link of this entry, as [`seal_entry`] would make it.
    pub fn link(&self) -> Result<Link, EntryError> {
        seal_entry(self).map(|sealed| sealed.link)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::entry;
    use super::*;
    use crate::blob::BlobId;
    use alloc::collections::BTreeMap;

    fn reopen(sealed: &SealedEntry) -> FileEntry {
        let blobs: BTreeMap<BlobId, &Blob> = sealed.blobs.iter().map(|b| (b.id(), b)).collect();
        let mut depth = sealed.link.depth;
        let top = blobs[&sealed.link.id].bytes();
        let mut entry = open_entry(&sealed.link.key, top, depth).unwrap();
        while let Some(next) = depth.next() {
            let parts: Vec<_> = entry
                .chunks()
                .iter()
                .map(|c| &blobs[&c.id].bytes()[..])
                .collect();
            entry = join_entry(&entry, parts).unwrap();
            depth = next;
        }
        entry
    }

    #[test]
    fn entries_of_every_depth_open_from_their_link() {
        for (size, depth) in [(0, 0), (10_000, 0), (100_000, 1), (2_000_000, 2)] {
            let entry = entry(size);
            let sealed = seal_entry(&entry).unwrap();
            assert_eq!(sealed.link.depth.get(), depth, "{size}");
            assert_eq!(reopen(&sealed), entry);
        }
    }

    #[test]
    fn one_entry_has_one_link() {
        let link = entry(10).link();
        assert_eq!(link, entry(10).link());
        assert_ne!(link, entry(11).link());
    }

    #[test]
    fn another_links_key_opens_nothing() {
        let sealed = seal_entry(&entry(10)).unwrap();
        let key = entry(11).link().unwrap().key;
        let opened = open_entry(&key, sealed.blobs[0].bytes(), Depth::ZERO);
        assert_eq!(opened, Err(OpenEntryError::Open(OpenError)));
    }
}
