//! Everything that follows from a link's key: HKDF-SHA256 (RFC 5869), no salt,
//! one label for each use (`docs/protocol.md`, "Derived values").
//!
//! Only holders of a link can compute these, which is how they meet without
//! anybody in between learning what they meet about.

use alloc::vec::Vec;

use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::blob::TAG_LEN;
use crate::hex::hex_id;
use crate::seal::BlobKey;

/// Length of the random nonce that starts a sealed signal.
const NONCE_LEN: usize = 24;

/// Where holders of one link meet: a room's name on a relay and an info hash
/// in the Mainline DHT (BEP 5, 20 bytes).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic([u8; 20]);
hex_id!(Topic, 20);

impl Topic {
    /// The topic of the link that carries this key.
    pub fn of(link_key: &BlobKey) -> Self {
        Self(expand(link_key.expose(), &[b"samara topic 1"]))
    }
}

/// Seals what members of a room say to each other, against the relay.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SignalKey([u8; 32]);

/// A signal that was not sealed with this link's key for this context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signal was not sealed by a holder of this link")]
pub struct ForeignSignal;

impl SignalKey {
    /// The signaling key of the link that carries this key.
    pub fn of(link_key: &BlobKey) -> Self {
        Self(expand(link_key.expose(), &[b"samara signal 1"]))
    }

    /// Seals `plain` with XChaCha20-Poly1305 under a random nonce:
    /// `nonce 24 · ciphertext · tag 16`. `context` is authenticated, not sent.
    pub fn seal(&self, rng: &mut impl CryptoRng, context: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + TAG_LEN);
        let mut nonce = [0; NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let tag = XChaCha20Poly1305::new(&self.0.into())
            .encrypt_inout_detached(
                &XNonce::from(nonce),
                context,
                (&mut sealed[NONCE_LEN..]).into(),
            )
            .expect("a signal is shorter than the cipher's 256 GiB");
        sealed.extend_from_slice(&tag);
        sealed
    }

    /// Opens what [`SignalKey::seal`] sealed in the same context.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, ForeignSignal> {
        let (nonce, rest) = sealed
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(ForeignSignal)?;
        let (sealed, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or(ForeignSignal)?;
        let mut plain = sealed.to_vec();
        XChaCha20Poly1305::new(&self.0.into())
            .decrypt_inout_detached(
                &XNonce::from(*nonce),
                context,
                plain.as_mut_slice().into(),
                &Tag::from(*tag),
            )
            .map_err(|_| ForeignSignal)?;
        Ok(plain)
    }
}

impl core::fmt::Debug for SignalKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SignalKey(..)")
    }
}

/// HKDF-SHA256 of `secret` to the label made of `info`'s parts.
pub(crate) fn expand<const N: usize>(secret: &[u8; 32], info: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    Hkdf::<Sha256>::new(None, secret)
        .expand_multi_info(info, &mut out)
        .expect("an output of at most 32 bytes is within HKDF's 8,160");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rng() -> rand_core::UnwrapErr<getrandom::SysRng> {
        rand_core::UnwrapErr(getrandom::SysRng)
    }

    #[test]
    fn a_signal_opens_only_with_its_key_in_its_context() {
        let key = SignalKey::of(&BlobKey::from_bytes([1; 32]));
        let sealed = key.seal(&mut rng(), b"a to b", b"offer");
        assert_eq!(key.open(b"a to b", &sealed).unwrap(), b"offer");
        assert_eq!(key.open(b"b to a", &sealed), Err(ForeignSignal));

        let other = SignalKey::of(&BlobKey::from_bytes([2; 32]));
        assert_eq!(other.open(b"a to b", &sealed), Err(ForeignSignal));
        assert_eq!(key.open(b"a to b", b"short"), Err(ForeignSignal));
    }

    #[test]
    fn topic_and_signaling_key_are_unrelated() {
        let link_key = BlobKey::from_bytes([1; 32]);
        let topic = Topic::of(&link_key);
        let signal = SignalKey::of(&link_key);
        assert_ne!(topic.as_bytes()[..], signal.0[..20]);
    }
}
