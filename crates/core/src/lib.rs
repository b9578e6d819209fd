//! Files into sealed, addressed blobs and back; messages into bytes and back.
//!
//! This crate gives bytes their meaning and does no IO: no clock, no socket,
//! no file, no randomness of its own. It is `no_std`, so the same code runs in
//! a browser and in a native node. The specification is `docs/protocol.md`;
//! the section a type implements is named in its documentation.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod blob;
#[cfg_attr(feature = "ring", path = "cipher/ring.rs")]
#[cfg_attr(not(feature = "ring"), path = "cipher/rust_crypto.rs")]
mod cipher;
pub mod derive;
pub mod entry;
mod hex;
pub mod identity;
pub mod link;
pub mod message;
pub mod padding;
pub mod possession;
pub mod seal;
mod wire;

pub use blob::{Blob, BlobId, WrongBlob};
pub use derive::{SignalKey, Topic};
pub use entry::{Chunk, ChunkSize, FileEntry};
pub use hex::HexError;
pub use identity::{PeerId, PeerSecret};
pub use link::Link;
pub use message::{MemberId, Message, RequestId};
pub use seal::{BlobKey, SealingKey};
