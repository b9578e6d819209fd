//! File entries: what it takes to find, open and put together one file.
//!
//! An entry is the capability to read a file (`docs/protocol.md`,
//! "`FileEntry`"). It has two forms, [`json`] for people and scripts and
//! [`binary`] for hashing and sealing, and travels sealed as an entry blob,
//! see [`blob`]. An entry that exists is consistent: the parsers check.

pub mod binary;
pub mod blob;
pub mod json;
mod name;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use self::name::{is_file_name, is_mime_type};
use crate::blob::BlobId;
use crate::seal::BlobKey;

pub use name::{OCTET_STREAM, to_file_name};

/// Version of the entry format, in both forms.
pub const VERSION: u8 = 1;

/// Largest file an entry describes: integers stay exact in JSON.
pub const MAX_FILE_SIZE: u64 = (1 << 53) - 1;

/// How many bytes of the file are in each chunk but the last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ChunkSize(NonZeroU32);

impl ChunkSize {
    /// What files are cut into: 1 MiB.
    pub const MAX: Self = Self(NonZeroU32::new(1 << 20).expect("not zero"));
    /// The smallest allowed, 1 KiB.
    pub const MIN: Self = Self(NonZeroU32::new(1 << 10).expect("not zero"));

    /// Powers of two from 1 KiB to 1 MiB.
    pub fn new(bytes: u32) -> Option<Self> {
        let size = Self(NonZeroU32::new(bytes)?);
        let allowed = bytes.is_power_of_two() && (Self::MIN..=Self::MAX).contains(&size);
        allowed.then_some(size)
    }

    /// The size in bytes.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The size in bytes, as a length in memory.
    pub const fn len(self) -> usize {
        self.0.get() as usize
    }

    /// Never: a chunk holds at least 1 KiB.
    pub const fn is_empty(self) -> bool {
        false
    }

    /// Chunks in a file of `size` bytes. An empty file has one, so that its
    /// entry holds a secret like any other.
    pub const fn chunks_in(self, size: u64) -> u64 {
        let chunks = size.div_ceil(self.0.get() as u64);
        if chunks == 0 { 1 } else { chunks }
    }
}

/// Where one chunk is and what opens it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chunk {
    /// The sealed chunk's name.
    pub id: BlobId,
    /// Opens it.
    pub key: BlobKey,
}

/// One file: its name, true size, type and chunks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileEntry {
    name: String,
    size: u64,
    mime_type: String,
    chunk_size: ChunkSize,
    chunks: Vec<Chunk>,
    unknown: UnknownFields,
}

/// Fields of later versions, kept as they came.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct UnknownFields {
    /// From the binary form, by tag.
    binary: BTreeMap<u8, Vec<u8>>,
    /// From the JSON form, by name.
    json: serde_json::Map<String, serde_json::Value>,
}

/// Why something is not a file entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Not JSON at all.
    #[error("the entry is not JSON (line {line}, column {column}); use the file that ingest wrote")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A required field is not there.
    #[error("the entry has no field \"{0}\"; use the file that ingest wrote")]
    Missing(&'static str),
    /// A field's value cannot be what the field means.
    #[error("the entry's field \"{field}\" is not {expected}; use the file that ingest wrote")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A chunk is not an id and a key.
    #[error(
        "chunk {index} of the entry is not {{\"id\", \"key\"}} with 64 lower-case hexadecimal digits each"
    )]
    InvalidChunk {
        /// Position in the list, from 0.
        index: usize,
    },
    /// The chunk list does not add up to the file's size.
    #[error(
        "the entry lists {found} chunks where its size needs {expected}; use the file that ingest wrote"
    )]
    ChunkCount {
        /// Chunks listed.
        found: u64,
        /// Chunks that the size needs.
        expected: u64,
    },
    /// Two chunks are in one blob. Each is sealed under a key of its own, so
    /// that cannot be.
    #[error(
        "chunks {first} and {second} of the entry are in the same blob; use the file that ingest wrote"
    )]
    RepeatedChunk {
        /// Position in the list, from 0.
        first: usize,
        /// Position of the other, after the first.
        second: usize,
    },
    /// Made by a later version, in a way this one must not ignore.
    #[error("the entry needs a newer version of this software; update it")]
    Newer,
    /// The binary form is damaged.
    #[error("the entry is damaged; ask for the link again")]
    Damaged,
    /// The entry itself is larger than [`blob::MAX_ENTRY_LEN`].
    #[error(
        "the file has too many chunks for one entry: at most 1 TiB with 1 MiB chunks; split it"
    )]
    TooLarge,
}

impl FileEntry {
    /// Describes a file. `name` is a plain file name without folders.
    pub fn new(
        name: impl Into<String>,
        size: u64,
        mime_type: impl Into<String>,
        chunk_size: ChunkSize,
        chunks: Vec<Chunk>,
    ) -> Result<Self, EntryError> {
        let unknown = UnknownFields::default();
        Self::checked(Self {
            name: name.into(),
            size,
            mime_type: mime_type.into(),
            chunk_size,
            chunks,
            unknown,
        })
    }

    fn checked(self) -> Result<Self, EntryError> {
        let invalid = |field, expected| Err(EntryError::Invalid { field, expected });
        if !is_file_name(&self.name) {
            return invalid(
                "name",
                "a file name of 1 to 255 bytes without folders or control characters",
            );
        }
        if !is_mime_type(&self.mime_type) {
            return invalid("mimeType", "a media type such as video/mp4");
        }
        if self.size > MAX_FILE_SIZE {
            return invalid("size", "a number of bytes below 2^53");
        }
        let expected = self.chunk_size.chunks_in(self.size);
        let found = self.chunks.len() as u64;
        if found != expected {
            return Err(EntryError::ChunkCount { found, expected });
        }
        match repeated(&self.chunks) {
            None => Ok(self),
            Some((first, second)) => Err(EntryError::RepeatedChunk { first, second }),
        }
    }

    /// The file's name, without folders. Still a stranger's choice: show it,
    /// and let the user say where to save.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file's true size in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The file's media type (RFC 6838).
    pub fn mime_type(&self) -> &str {
        &self.mime_type
    }

    /// How the file is cut.
    pub const fn chunk_size(&self) -> ChunkSize {
        self.chunk_size
    }

    /// The chunks, in the file's order.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// True length of chunk `index`, without padding; 0 past the end.
    pub fn chunk_len(&self, index: usize) -> usize {
        let start = (index as u64).saturating_mul(self.chunk_size.get().into());
        let left = self.size.saturating_sub(start);
        usize::try_from(left).map_or(self.chunk_size.len(), |left| {
            left.min(self.chunk_size.len())
        })
    }
}

/// Positions of two chunks with one id.
fn repeated(chunks: &[Chunk]) -> Option<(usize, usize)> {
    let mut order: Vec<usize> = (0..chunks.len()).collect();
    order.sort_by_key(|index| chunks[*index].id);
    order
        .array_windows()
        .find(|[first, second]| chunks[*first].id == chunks[*second].id)
        .map(|[first, second]| (*first, *second))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn chunk(byte: u8) -> Chunk {
        Chunk {
            id: BlobId::from_bytes([byte; 32]),
            key: BlobKey::from_bytes([byte ^ 0xff; 32]),
        }
    }

    pub(crate) fn entry(size: u64) -> FileEntry {
        let count = ChunkSize::MIN.chunks_in(size);
        let chunks = (0..count).map(|i| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&i.to_le_bytes());
            let id = BlobId::from_bytes(id);
            Chunk { id, ..chunk(0) }
        });
        let chunks = chunks.collect();
        FileEntry::new(
            "a film.mkv",
            size,
            "video/x-matroska",
            ChunkSize::MIN,
            chunks,
        )
        .unwrap()
    }

    pub(crate) fn entries() -> impl Strategy<Value = FileEntry> {
        let names = "[^/\\\\[:cntrl:]]{1,60}".prop_filter("a file name", |name| is_file_name(name));
        let chunks = proptest::collection::vec((any::<[u8; 32]>(), any::<[u8; 32]>()), 1..40);
        (names, chunks, 1..=1024_u64).prop_map(|(name, chunks, last)| {
            let size = (chunks.len() as u64 - 1) * 1024 + last;
            let chunks = chunks.into_iter().map(|(id, key)| Chunk {
                id: BlobId::from_bytes(id),
                key: BlobKey::from_bytes(key),
            });
            FileEntry::new(name, size, "a/b", ChunkSize::MIN, chunks.collect()).unwrap()
        })
    }

    #[test]
    fn a_name_that_could_leave_its_folder_is_refused() {
        for name in ["", ".", "..", "a/b", "..\\b", "/etc/passwd", "a\nb", "a\0"] {
            let made = FileEntry::new(name, 1, "a/b", ChunkSize::MIN, alloc::vec![chunk(1)]);
            let field = "name";
            assert!(
                matches!(made, Err(EntryError::Invalid { field: f, .. }) if f == field),
                "{name:?}"
            );
        }
    }

    #[test]
    fn chunks_that_do_not_add_up_to_the_size_are_refused() {
        let made = FileEntry::new("a", 1025, "a/b", ChunkSize::MIN, alloc::vec![chunk(1)]);
        let (found, expected) = (1, 2);
        assert_eq!(made, Err(EntryError::ChunkCount { found, expected }));
    }

    #[test]
    fn one_blob_for_two_chunks_is_refused() {
        let chunks = [5, 1, 2, 1].map(chunk).to_vec();
        let made = FileEntry::new("a", 4096, "a/b", ChunkSize::MIN, chunks);
        let (first, second) = (1, 3);
        assert_eq!(made, Err(EntryError::RepeatedChunk { first, second }));
    }

    #[test]
    fn the_last_chunk_is_as_long_as_what_is_left() {
        let file = entry(2 * 1024 + 5);
        let lengths: Vec<_> = (0..4).map(|index| file.chunk_len(index)).collect();
        assert_eq!(lengths, [1024, 1024, 5, 0]);
        assert_eq!(entry(0).chunk_len(0), 0);
    }

    #[test]
    fn chunk_sizes_are_powers_of_two_up_to_a_mebibyte() {
        assert_eq!(ChunkSize::new(1 << 20), Some(ChunkSize::MAX));
        for bytes in [0, 1, 512, 1025, 3 << 10, 1 << 21] {
            assert_eq!(ChunkSize::new(bytes), None, "{bytes}");
        }
    }
}
