use samara_core::identity::{Greeting, Proof, Role};
use samara_core::message::Handshake;
use samara_core::{PeerId, PeerSecret};
use serde::Deserialize;

use crate::message::Fields;
use crate::{Hex, read};

#[derive(Deserialize)]
struct File {
    identities: Vec<Identity>,
    proofs: Vec<Case>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Identity {
    secret: Hex,
    peer: Hex,
}

#[derive(Deserialize)]
struct Case {
    secret: Hex,
    #[serde(flatten)]
    rest: Refused,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    role: String,
    dialer: Fields,
    dialed: Fields,
    binding: Hex,
    proof: Hex,
}

impl Refused {
    fn role(&self) -> Role {
        match self.role.as_str() {
            "dialer" => Role::Dialer,
            "dialed" => Role::Dialed,
            other => panic!("the vectors have a role {other}"),
        }
    }

    fn handshakes(&self) -> [Handshake; 2] {
        [&self.dialer, &self.dialed].map(Fields::handshake)
    }
}

fn secret(of: &Hex) -> PeerSecret {
    PeerSecret::from_bytes(&of.array())
}

#[test]
fn an_identity_follows_from_its_secret_as_the_vectors_say() {
    let file: File = read("proof.json");
    for case in file.identities {
        let peer = PeerId::from_bytes(case.peer.array());
        assert_eq!(secret(&case.secret).peer(), peer);
    }
}

#[test]
fn proofs_are_made_and_hold_as_the_vectors_say() {
    let file: File = read("proof.json");
    for Case { secret: by, rest } in file.proofs {
        let [caller, dialed] = rest.handshakes();
        let greeting = Greeting {
            dialer: &caller,
            dialed: &dialed,
            binding: &rest.binding.0,
        };
        let proof = Proof::from_bytes(rest.proof.array());
        let made = secret(&by).prove(rest.role(), &greeting);
        assert_eq!(made, proof, "{}", rest.name);
        assert_eq!(
            greeting.verify(rest.role(), &proof),
            Ok(()),
            "{}",
            rest.name
        );
    }
}

#[test]
fn what_proves_nothing_is_refused() {
    let file: File = read("proof.json");
    for case in file.refused {
        let [caller, dialed] = case.handshakes();
        let greeting = Greeting {
            dialer: &caller,
            dialed: &dialed,
            binding: &case.binding.0,
        };
        let proof = Proof::from_bytes(case.proof.array());
        let held = greeting.verify(case.role(), &proof);
        assert!(held.is_err(), "{}", case.name);
    }
}
