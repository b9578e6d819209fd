use samara_core::PeerId;
use samara_core::message::Nonce;
use samara_core::possession::Evidence;
use serde::Deserialize;

use crate::{Hex, read};

#[derive(Deserialize)]
struct Case {
    name: String,
    nonce: Hex,
    prover: Hex,
    length: usize,
    evidence: Hex,
}

#[test]
fn evidence_is_what_the_vectors_say() {
    let cases: Vec<Case> = read("possession.json");
    for case in cases {
        let square = |i: usize| u8::try_from(i * i % 251).expect("below 251");
        let blob: Vec<u8> = (0..case.length).map(square).collect();
        let nonce = Nonce::from_bytes(case.nonce.array());
        let prover = PeerId::from_bytes(case.prover.array());
        let evidence = Evidence::of(nonce, prover, &blob);
        assert_eq!(evidence.as_bytes()[..], case.evidence.0, "{}", case.name);
    }
}
