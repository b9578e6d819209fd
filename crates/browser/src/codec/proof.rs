//! Proofs of identity for JavaScript, which checks them and makes none.

use samara_core::identity::{Greeting as Said, Role};
use samara_core::message::Handshake;
use serde::Deserialize;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::message::Greeting;
use crate::error::coded;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** A proof, and what it is said to prove. */
export interface PeerProof {
  role: 'dialer' | 'dialed';
  dialer: PeerHandshake;
  dialed: PeerHandshake;
  /** In hexadecimal, see the protocol's section "Proof". */
  binding: string;
  /** 128 hexadecimal digits. */
  proof: string;
}
"#;

#[wasm_bindgen]
extern "C" {
    /// `PeerProof` in the generated types.
    #[wasm_bindgen(typescript_type = "PeerProof")]
    pub type PeerProof;
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    Dialer,
    Dialed,
}

#[derive(Deserialize)]
struct Form {
    role: Side,
    dialer: Greeting,
    dialed: Greeting,
    binding: String,
    proof: String,
}

/// Whether the peer of that role has proven who it is.
#[wasm_bindgen(js_name = proofHolds)]
pub fn proof_holds(proof: PeerProof) -> Result<bool, JsValue> {
    let wrong = |error: &dyn std::fmt::Display| coded("bad-message", &error.to_string());
    let form: Form = serde_wasm_bindgen::from_value(proof.into()).map_err(|e| wrong(&e))?;
    let caller = Handshake::try_from(form.dialer).map_err(|e| wrong(&e))?;
    let dialed = Handshake::try_from(form.dialed).map_err(|e| wrong(&e))?;
    let proof = form.proof.parse().map_err(|e| wrong(&e))?;
    let binding = bytes(&form.binding).ok_or_else(|| wrong(&"the binding is not hexadecimal"))?;
    let said = Said {
        dialer: &caller,
        dialed: &dialed,
        binding: &binding,
    };
    let role = match form.role {
        Side::Dialer => Role::Dialer,
        Side::Dialed => Role::Dialed,
    };
    Ok(said.verify(role, &proof).is_ok())
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = hex.as_bytes().chunks(2).map(|pair| match *pair {
        [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
        _ => None,
    });
    pairs.collect()
}
