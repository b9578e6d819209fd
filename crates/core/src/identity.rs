//! Who a peer is: an Ed25519 key (RFC 8032), and the proof that a peer holds
//! the key it names (`docs/protocol.md`, "Proof").
//!
//! A proof signs all that both sides said in the handshake, and what is known
//! of the connection it is made on: a peer in between that passes it on can
//! change nothing, and on a connection of its own it proves nothing.

use alloc::vec::Vec;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use rand_core::CryptoRng;

use crate::hex::hex_id;
use crate::message::Handshake;

/// Keeps proofs apart from whatever else the key may come to sign.
const LABEL: &[u8] = b"samara handshake 1";

/// Names a peer to other peers: an Ed25519 public key (RFC 8032 §5.1.5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 32]);
hex_id!(PeerId, 32);

/// The secret that makes a peer the one it says it is. Never printed.
#[derive(Clone)]
pub struct PeerSecret(SigningKey);

impl PeerSecret {
    /// Bytes in a secret.
    pub const LEN: usize = 32;

    /// A peer nobody has met.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = zeroize::Zeroizing::new([0; Self::LEN]);
        rng.fill_bytes(seed.as_mut());
        Self::from_bytes(&seed)
    }

    /// Takes the seed out of where it is kept.
    pub fn from_bytes(seed: &[u8; Self::LEN]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The seed, for keeping it and nothing else.
    pub fn expose(&self) -> &[u8; Self::LEN] {
        self.0.as_bytes()
    }

    /// The peer whose secret this is.
    pub fn peer(&self) -> PeerId {
        PeerId(self.0.verifying_key().to_bytes())
    }

    /// Proves to the other side that this peer is the one in its own half of
    /// the greeting.
    pub fn prove(&self, role: Role, greeting: &Greeting<'_>) -> Proof {
        Proof(self.0.sign(&greeting.signed(role)).to_bytes())
    }
}

impl core::fmt::Debug for PeerSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PeerSecret(..)")
    }
}

/// An Ed25519 signature of a [`Greeting`] (RFC 8032 §5.1.6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Proof([u8; 64]);
hex_id!(Proof, 64);

/// A proof that is not the peer's, or not of this greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer did not prove that it is {0}")]
pub struct WrongProof(pub PeerId);

/// A side of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Sent the HANDSHAKE.
    Dialer,
    /// Sent the `HANDSHAKE_ACK`.
    Dialed,
}

/// What a proof is about.
#[derive(Clone, Copy, Debug)]
pub struct Greeting<'a> {
    /// The HANDSHAKE.
    pub dialer: &'a Handshake,
    /// The `HANDSHAKE_ACK`.
    pub dialed: &'a Handshake,
    /// What both sides know of the connection and nobody in between can have
    /// made the same on two connections.
    pub binding: &'a [u8],
}

impl Greeting<'_> {
    /// Checks that the peer of that role is the one it names. Strict (no key
    /// of small order): only the holder of the secret can pass.
    pub fn verify(&self, role: Role, proof: &Proof) -> Result<(), WrongProof> {
        let peer = self.of(role).peer;
        let wrong = WrongProof(peer);
        let key = VerifyingKey::from_bytes(peer.as_bytes()).map_err(|_| wrong)?;
        let signature = Signature::from_bytes(proof.as_bytes());
        key.verify_strict(&self.signed(role), &signature)
            .map_err(|_| wrong)
    }

    /// The bytes the peer of that role signs.
    fn signed(&self, role: Role) -> Vec<u8> {
        let role = match role {
            Role::Dialer => 0,
            Role::Dialed => 1,
        };
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(LABEL);
        bytes.push(role);
        self.dialer.put(&mut bytes);
        self.dialed.put(&mut bytes);
        bytes.extend_from_slice(self.binding);
        bytes
    }

    const fn of(&self, role: Role) -> &Handshake {
        match role {
            Role::Dialer => self.dialer,
            Role::Dialed => self.dialed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Features, Nonce};
    use proptest::prelude::*;

    fn handshake(secret: &PeerSecret, nonce: u8) -> Handshake {
        Handshake {
            version: 1,
            features: Features::PARTS,
            peer: secret.peer(),
            max_message: 65_536,
            nonce: Nonce::from_bytes([nonce; 32]),
        }
    }

    /// Dialer, dialed, and what they say.
    fn two() -> ([PeerSecret; 2], [Handshake; 2]) {
        let secrets = [[1; 32], [2; 32]].map(|seed| PeerSecret::from_bytes(&seed));
        let said = [handshake(&secrets[0], 8), handshake(&secrets[1], 9)];
        (secrets, said)
    }

    #[test]
    fn each_side_proves_itself_and_not_the_other() {
        let (secrets, [caller, dialed]) = two();
        let greeting = Greeting {
            dialer: &caller,
            dialed: &dialed,
            binding: b"wire",
        };
        let proof = secrets[0].prove(Role::Dialer, &greeting);
        assert_eq!(greeting.verify(Role::Dialer, &proof), Ok(()));
        let wrong = Err(WrongProof(dialed.peer));
        assert_eq!(greeting.verify(Role::Dialed, &proof), wrong);
        let proof = secrets[1].prove(Role::Dialed, &greeting);
        assert_eq!(greeting.verify(Role::Dialed, &proof), Ok(()));
        let foreign = secrets[0].prove(Role::Dialed, &greeting);
        assert_eq!(greeting.verify(Role::Dialed, &foreign), wrong);
    }

    #[test]
    fn a_proof_holds_for_nothing_else_that_was_said() {
        let (secrets, [caller, dialed]) = two();
        let proof = secrets[0].prove(
            Role::Dialer,
            &Greeting {
                dialer: &caller,
                dialed: &dialed,
                binding: b"wire",
            },
        );
        let (nonce, features) = (Nonce::from_bytes([0; 32]), Features::KEEPS);
        let (version, max_message) = (2, 4096);
        let peer = PeerSecret::from_bytes(&[3; 32]).peer();
        for changed in [
            Handshake { version, ..dialed },
            Handshake { features, ..dialed },
            Handshake { peer, ..dialed },
            Handshake {
                max_message,
                ..dialed
            },
            Handshake { nonce, ..dialed },
        ] {
            let greeting = Greeting {
                dialer: &caller,
                dialed: &changed,
                binding: b"wire",
            };
            assert!(greeting.verify(Role::Dialer, &proof).is_err());
        }
        let elsewhere = Greeting {
            dialer: &caller,
            dialed: &dialed,
            binding: b"another wire",
        };
        assert!(elsewhere.verify(Role::Dialer, &proof).is_err());
    }

    #[test]
    fn a_key_of_small_order_proves_nothing() {
        // The neutral point as key and as R with S = 0 satisfies the plain
        // equation for every message.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let (_, [caller, dialed]) = two();
        let caller = Handshake {
            peer: PeerId::from_bytes(neutral),
            ..caller
        };
        let greeting = Greeting {
            dialer: &caller,
            dialed: &dialed,
            binding: b"",
        };
        let mut forged = [0; 64];
        forged[0] = 1;
        let forged = Proof::from_bytes(forged);
        assert!(greeting.verify(Role::Dialer, &forged).is_err());
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret = PeerSecret::from_bytes(&[7; 32]);
        assert_eq!(alloc::format!("{secret:?}"), "PeerSecret(..)");
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_proof_or_a_panic(peer: [u8; 32], low: [u8; 32], high: [u8; 32]) {
            let (_, [caller, dialed]) = two();
            let caller = Handshake { peer: PeerId::from_bytes(peer), ..caller };
            let greeting = Greeting { dialer: &caller, dialed: &dialed, binding: b"" };
            let mut proof = [0; 64];
            proof[..32].copy_from_slice(&low);
            proof[32..].copy_from_slice(&high);
            prop_assert!(greeting.verify(Role::Dialer, &Proof::from_bytes(proof)).is_err());
        }
    }
}
