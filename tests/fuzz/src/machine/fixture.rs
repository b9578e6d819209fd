//! Files, keys and limits.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use chacha20::ChaCha20Rng;
use rand_core::SeedableRng as _;
use samara_core::entry::blob::{Depth, seal_entry};
use samara_core::{
    Blob, BlobId, Chunk, ChunkSize, FileEntry, Link, SealingKey, SignalKey, Topic, seal,
};
use samara_swarm::Limits;

/// A link and what it leads to.
pub(super) struct File {
    pub(super) link: Link,
    /// What follows from the link's key, worked out once.
    pub(super) topic: Topic,
    pub(super) signal_key: SignalKey,
    /// `None` where the link leads to no entry.
    pub(super) entry: Option<Arc<FileEntry>>,
    pub(super) blobs: Vec<Blob>,
}

impl File {
    fn new(link: Link, entry: Option<Arc<FileEntry>>, blobs: Vec<Blob>) -> Self {
        Self {
            topic: link.topic(),
            signal_key: link.signal_key(),
            link,
            entry,
            blobs,
        }
    }
}

/// One file whose entry is a blob, one whose entry is several, one link that
/// opens to rubbish.
pub(super) fn files() -> &'static [File] {
    static FILES: OnceLock<[File; 3]> = OnceLock::new();
    FILES.get_or_init(|| [file(3), file(40), rubbish()])
}

fn file(chunks: u64) -> File {
    let mut rng = rng();
    let (list, mut blobs): (Vec<_>, Vec<_>) = (0..chunks)
        .map(|index| {
            let content = vec![index.to_le_bytes()[0]; 1024];
            let (blob, key) = seal::seal(SealingKey::generate(&mut rng), content);
            (Chunk { id: blob.id(), key }, blob)
        })
        .unzip();
    let size = chunks * 1024 - 500;
    let entry = FileEntry::new("f", size, "a/b", ChunkSize::MIN, list);
    let entry = entry.expect("the chunks are as many as the size needs");
    let sealed = seal_entry(&entry).expect("the entry is small");
    blobs.extend(sealed.blobs);
    File::new(sealed.link, Some(entry.into()), blobs)
}

fn rubbish() -> File {
    let (blob, key) = seal::seal(SealingKey::generate(&mut rng()), vec![7; 1024]);
    let link = Link {
        id: blob.id(),
        key,
        depth: Depth::ZERO,
    };
    File::new(link, None, vec![blob])
}

/// The same keys in every run: an input means the same every time.
fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([3; 32])
}

/// The blob called `name`, with its bytes if it is one of the files'. Of the
/// other names each `round` makes another blob.
pub(super) fn blob(name: u8, round: u32) -> (BlobId, Option<Bytes>) {
    let mut all = files().iter().flat_map(|file| &file.blobs);
    if let Some(blob) = all.nth(usize::from(name)) {
        return (blob.id(), Some(blob.bytes().clone()));
    }
    let mut id = [name; BlobId::LEN];
    id[..4].copy_from_slice(&round.to_be_bytes());
    (BlobId::from_bytes(id), None)
}

/// Limits small enough to be reached by a short script.
pub(super) fn limits() -> Limits {
    Limits {
        bans: 8,
        connections: 12,
        dials_per_transfer: 3,
        requests_in_flight: 2,
        requests_in_circuit: 1,
        storing: 8 << 10,
        requests_queued: 8,
        send_queue: 8 << 10,
        send_queue_most: 32 << 10,
        wants_per_peer: 64,
        favours: 64,
        help_len: 4 << 10,
        members_per_room: 16,
        circuit_message: 8 << 10,
        message: 16 << 10,
        ..Limits::default()
    }
}
