//! Proof that a peer holds a blob now (`docs/protocol.md`, "Possession").

use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

use crate::hex::hex_id;
use crate::message::{Nonce, PeerId};

const LABEL: &[u8] = b"samara possession 1";

/// What only a holder of the blob can compute.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Evidence([u8; 32]);
hex_id!(Evidence, 32);

impl Evidence {
    /// The bytes that are hashed, for whoever has a faster SHA-256.
    pub fn input(nonce: Nonce, prover: PeerId, blob: &[u8]) -> Vec<u8> {
        [LABEL, nonce.as_bytes(), prover.as_bytes(), blob].concat()
    }

    /// SHA-256 over a label, the nonce, the prover's name and the blob's
    /// bytes. The name keeps a peer from passing off another's evidence as
    /// its own.
    pub fn of(nonce: Nonce, prover: PeerId, blob: &[u8]) -> Self {
        let digest = Sha256::new()
            .chain_update(LABEL)
            .chain_update(nonce.as_bytes())
            .chain_update(prover.as_bytes())
            .chain_update(blob);
        Self(digest.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_depends_on_all_it_is_made_of() {
        let evidence = |nonce, prover, blob: &[u8]| {
            let prover = PeerId::from_bytes([prover; 32]);
            Evidence::of(Nonce::from_bytes([nonce; 32]), prover, blob)
        };
        let one = evidence(1, 2, b"blob");
        assert_eq!(one, evidence(1, 2, b"blob"));
        let nonce = Nonce::from_bytes([1; 32]);
        let input = Evidence::input(nonce, PeerId::from_bytes([2; 32]), b"blob");
        assert_eq!(one.0[..], Sha256::digest(input)[..]);
        for other in [
            evidence(2, 2, b"blob"),
            evidence(1, 1, b"blob"),
            evidence(1, 2, b"blop"),
        ] {
            assert_ne!(one, other);
        }
    }
}
