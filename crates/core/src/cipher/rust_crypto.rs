//! The blob cipher where no assembly is to be had: in browsers.

use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};

use crate::blob::TAG_LEN;

/// Encrypts in place; returns the tag.
pub(crate) fn encrypt(key: &[u8; 32], chunk: &mut [u8]) -> [u8; TAG_LEN] {
    ChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(&Nonce::default(), &[], chunk.into())
        .expect("a chunk is shorter than the cipher's 256 GiB")
        .into()
}

/// Decrypts in place. False if the tag does not fit; `chunk` is then of no use.
pub(crate) fn decrypt(key: &[u8; 32], tag: &[u8; TAG_LEN], chunk: &mut [u8]) -> bool {
    ChaCha20Poly1305::new(key.into())
        .decrypt_inout_detached(&Nonce::default(), &[], chunk.into(), &Tag::from(*tag))
        .is_ok()
}
