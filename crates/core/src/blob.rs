//! Blobs: sealed chunks under the name of their own hash.
//!
//! Bytes that claim to be a blob become a [`Blob`] only here, by hashing to
//! the claimed id. Whatever stores or serves blobs takes a [`Blob`], so
//! unverified bytes cannot reach a disk or another peer. What is inside a blob
//! is the business of [`crate::seal`].

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::hex::hex_id;

/// Length of the largest blob: a chunk of [`crate::ChunkSize::MAX`] and its tag.
pub const MAX_BLOB_LEN: usize = 1_048_576 + TAG_LEN;

/// Length of the Poly1305 tag that ends every blob (RFC 8439 §2.8).
pub const TAG_LEN: usize = 16;

/// SHA-256 of a blob (`docs/protocol.md`, "Blob").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId([u8; 32]);
hex_id!(BlobId, 32);

impl BlobId {
    /// The id of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// Bytes that are what their id says.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob {
    id: BlobId,
    bytes: Bytes,
}

/// The bytes are not the blob they were given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes do not match blob {expected}; fetch it from another peer")]
pub struct WrongBlob {
    /// The blob that was asked for.
    pub expected: BlobId,
}

impl Blob {
    /// Accepts `bytes` as blob `id` if they are.
    pub fn verify(id: BlobId, bytes: Bytes) -> Result<Self, WrongBlob> {
        let found = BlobId::of(&bytes);
        Self::from_digest(id, bytes, found)
    }

    /// Like [`Blob::verify`], with the SHA-256 of `bytes` computed elsewhere,
    /// for example by the browser. The caller vouches that `digest` is of `bytes`.
    pub fn from_digest(id: BlobId, bytes: Bytes, digest: BlobId) -> Result<Self, WrongBlob> {
        if digest == id && (TAG_LEN..=MAX_BLOB_LEN).contains(&bytes.len()) {
            Ok(Self { id, bytes })
        } else {
            Err(WrongBlob { expected: id })
        }
    }

    /// Names bytes that were just sealed.
    pub(crate) fn new(bytes: Bytes) -> Self {
        let id = BlobId::of(&bytes);
        Self { id, bytes }
    }

    /// The blob's name.
    pub const fn id(&self) -> BlobId {
        self.id
    }

    /// The sealed bytes; cloning them copies nothing.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The sealed bytes, without the name.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

impl core::fmt::Debug for Blob {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Blob({}, {} bytes)", self.id, self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_a_blob_only_under_their_own_hash() {
        let bytes = Bytes::from_static(b"seventeen bytes!!");
        let id = BlobId::of(&bytes);
        assert_eq!(Blob::verify(id, bytes.clone()).unwrap().bytes(), &bytes);

        let other = BlobId::of(b"other");
        assert_eq!(
            Blob::verify(other, bytes),
            Err(WrongBlob { expected: other })
        );
    }

    #[test]
    fn bytes_too_short_or_too_long_to_be_sealed_are_no_blob() {
        for len in [0, TAG_LEN - 1, MAX_BLOB_LEN + 1] {
            let bytes = Bytes::from(alloc::vec![0; len]);
            assert!(Blob::verify(BlobId::of(&bytes), bytes).is_err());
        }
    }

    #[test]
    fn an_id_reads_back_from_its_text() {
        let id = BlobId::of(b"x");
        assert_eq!(alloc::format!("{id}").parse(), Ok(id));
        assert!("00".parse::<BlobId>().is_err());
        let upper = alloc::format!("{id}").to_uppercase();
        assert!(upper.parse::<BlobId>().is_err());
    }
}
