//! Files for tests, sealed for real.

use samara_core::entry::blob::seal_entry;
use samara_core::{Blob, Chunk, ChunkSize, FileEntry, Link, SealingKey, seal};

pub struct File {
    pub entry: FileEntry,
    pub link: Link,
    /// The chunks' blobs and then the entry's.
    pub blobs: Vec<Blob>,
}

/// A file of `chunks` chunks of 1 KiB, the last one short.
pub fn file(chunks: u64) -> File {
    numbered(chunks, u8::try_from(chunks % 251).unwrap())
}

/// One of several files of a length.
pub fn numbered(chunks: u64, number: u8) -> File {
    let mut rng = chacha20::ChaCha20Rng::from_seed([number; 32]);
    let size = chunks * 1024 - 500;
    let mut blobs = Vec::new();
    let mut list = Vec::new();
    for index in 0..chunks {
        let key = SealingKey::generate(&mut rng);
        let chunk = vec![u8::try_from(index % 251).unwrap(); 1024];
        let (blob, key) = seal::seal(key, chunk);
        list.push(Chunk { id: blob.id(), key });
        blobs.push(blob);
    }
    let entry = FileEntry::new("f", size, "a/b", ChunkSize::MIN, list).unwrap();
    let sealed = seal_entry(&entry).unwrap();
    blobs.extend(sealed.blobs);
    let link = sealed.link;
    File { entry, link, blobs }
}

use rand_core::SeedableRng as _;
