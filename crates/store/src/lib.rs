//! Keeps blobs on disk, within a limit, through any crash.
//!
//! A [`Store`] is a folder: one file per blob, named by its id, and an index
//! that remembers what need not be checked again. The files are the truth and
//! the index a record of them, so losing the end of the index loses no blob.
//!
//! A put is as fast as memory: it survives the process, as everything does
//! that the system has taken. To survive a power cut too, blobs are synced in
//! groups ([`Store::sync`], [`Store::flush`]), which costs the disk little more
//! than one alone. A row is written only of a blob that was synced: a file
//! without one is hashed by the next open, so what a power cut leaves of an
//! unsynced file is never taken for the blob.
//!
//! ```text
//! <store>/            0700
//!   lock              held while a process has the store open
//!   status.json       what that process says of itself, see [`status_in`]
//!   index.redb        per blob: length, change time, inode, last use; the pins
//!   blobs/4f/4f1c…    a blob, under all 64 digits of its id
//!   incoming/         files being written; emptied by every open
//!   unfinished/       per draft: ids of blobs that go at the next open
//! ```
//!
//! Only a [`samara_core::Blob`] can be put, so what enters is verified by its
//! type. The store knows nothing that names or opens a file: no file names, no
//! keys, and not which blobs belong together.
//!
//! Calls block on the disk. Asynchronous callers run them on threads meant for
//! that; any number of threads may call at once.
//!
//! [`MemoryStore`] behaves the same without a disk, for tests.

mod catalog;
mod draft;
mod durable;
mod error;
mod files;
mod fingerprint;
mod folder;
mod index;
mod journal;
mod lease;
mod lock;
mod memory;
mod parallel;
mod pending;
mod recovery;
mod state;
mod store;

use std::num::NonZeroU64;

use samara_core::BlobId;

pub use draft::Draft;
pub use error::{FlushError, GetError, IndexError, OpenError, PinError, PutError, RemoveError};
pub use lease::Lease;
pub use lock::status_in;
pub use memory::MemoryStore;
pub use recovery::Recovery;
pub use store::Store;

/// How a store is opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Bytes of blobs to hold at most; without it, as many as the disk takes.
    ///
    /// A put needs room for the new blob before it lets old ones go, so leave
    /// the disk a few MiB more than this.
    pub max_bytes: Option<NonZeroU64>,
}

/// What a put did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Put {
    /// False if the blob was held already.
    pub new: bool,
    /// Blobs that went to make room, least recently used first.
    pub evicted: Vec<BlobId>,
}

/// What putting several blobs did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PutAll {
    /// Those that were not held before.
    pub new: Vec<BlobId>,
    /// Blobs that went to make room, least recently used first.
    pub evicted: Vec<BlobId>,
}

/// What a store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Blobs held.
    pub blobs: u64,
    /// Their length in bytes.
    pub bytes: u64,
    /// Blobs both held and pinned, by a pin or a [`Lease`].
    pub pinned_blobs: u64,
    /// Their length in bytes.
    pub pinned_bytes: u64,
    /// The limit for `bytes`.
    pub max_bytes: Option<NonZeroU64>,
}
