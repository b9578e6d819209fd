//! Sealing chunks into blobs and opening them again.
//!
//! Every chunk is sealed under a key of its own with an all-zero nonce, which
//! is safe exactly as long as no key ever seals two chunks. The types see to
//! that: a [`SealingKey`] is used up by [`seal`], and the [`BlobKey`] it leaves
//! behind can only open.

use alloc::vec::Vec;

use bytes::Bytes;
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::blob::{Blob, TAG_LEN};
use crate::cipher;

/// A key that has sealed nothing yet and will seal one chunk.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SealingKey([u8; 32]);

impl SealingKey {
    /// A fresh random key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut key = Self([0; 32]);
        rng.fill_bytes(&mut key.0);
        key
    }

    /// A key that follows from what it seals, see [`crate::entry::blob`].
    pub(crate) const fn derived(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// A key that opens the one blob sealed with it. Never printed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct BlobKey([u8; 32]);

impl BlobKey {
    /// Bytes in a key.
    pub const LEN: usize = 32;

    /// Takes a key out of an entry or a link.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret itself, for an entry or a link and nothing else.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl core::fmt::Debug for BlobKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("BlobKey(..)")
    }
}

/// Seals one padded chunk (at most 1 MiB) in place: ciphertext, then tag.
///
/// Give `chunk` a capacity of [`TAG_LEN`] bytes more than its length and
/// nothing is copied.
///
/// ```
/// # use samara_core::seal::{open, seal, SealingKey};
/// # let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
/// let (blob, key) = seal(SealingKey::generate(&mut rng), b"chunk".to_vec());
/// assert_eq!(open(&key, blob.bytes()).unwrap(), b"chunk");
/// ```
///
/// A key seals once:
///
/// ```compile_fail,E0382
/// # use samara_core::seal::{seal, SealingKey};
/// # let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
/// let key = SealingKey::generate(&mut rng);
/// seal(key, b"one".to_vec());
/// seal(key, b"two".to_vec());
/// ```
#[expect(clippy::needless_pass_by_value, reason = "sealing uses the key up")]
pub fn seal(key: SealingKey, mut chunk: Vec<u8>) -> (Blob, BlobKey) {
    let tag = cipher::encrypt(&key.0, &mut chunk);
    chunk.extend_from_slice(&tag);
    (Blob::new(Bytes::from(chunk)), BlobKey(key.0))
}

/// The key does not open these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key does not open the blob; the link or entry is damaged or forged")]
pub struct OpenError;

/// Opens a blob into its padded chunk.
pub fn open(key: &BlobKey, blob: &[u8]) -> Result<Vec<u8>, OpenError> {
    let mut chunk = Vec::new();
    open_into(key, blob, &mut chunk)?;
    Ok(chunk)
}

/// Like [`open`], into a buffer whose memory is used again. After an error the
/// buffer is empty.
pub fn open_into(key: &BlobKey, blob: &[u8], chunk: &mut Vec<u8>) -> Result<(), OpenError> {
    chunk.clear();
    let (sealed, tag) = blob.split_last_chunk::<TAG_LEN>().ok_or(OpenError)?;
    chunk.extend_from_slice(sealed);
    if cipher::decrypt(&key.0, tag, chunk) {
        Ok(())
    } else {
        chunk.clear();
        Err(OpenError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sealed(chunk: &[u8]) -> (Blob, BlobKey) {
        seal(SealingKey::derived([7; 32]), chunk.to_vec())
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_to_the_same_bytes(chunk: Vec<u8>) {
            let (blob, key) = sealed(&chunk);
            prop_assert_eq!(blob.bytes().len(), chunk.len() + TAG_LEN);
            prop_assert_eq!(open(&key, blob.bytes()), Ok(chunk));
        }

        #[test]
        fn one_changed_bit_anywhere_is_refused(chunk: Vec<u8>, at: prop::sample::Index, bit in 0..8_u8) {
            let (blob, key) = sealed(&chunk);
            let mut bytes = blob.into_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert_eq!(open(&key, &bytes), Err(OpenError));
        }
    }

    #[test]
    fn another_key_does_not_open() {
        let (blob, _) = sealed(b"chunk");
        let other = BlobKey::from_bytes([8; 32]);
        assert_eq!(open(&other, blob.bytes()), Err(OpenError));
        assert_eq!(open(&other, b"short"), Err(OpenError));
    }

    #[test]
    fn a_key_does_not_show_in_debug_output() {
        let text = std::format!("{:?}", BlobKey::from_bytes([0xab; 32]));
        assert_eq!(text, "BlobKey(..)");
    }
}
