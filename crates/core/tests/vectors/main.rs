//! The test vectors of `tests/vectors/`, made by an implementation of
//! `docs/protocol.md` that shares nothing with this crate.

mod blob;
mod entry;
mod link;
mod message;
mod possession;
mod proof;
mod signal;

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Reads one file of vectors.
fn read<T: DeserializeOwned>(file: &str) -> T {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors");
    let text = std::fs::read_to_string(folder.join(file)).expect("the file of vectors is there");
    serde_json::from_str(&text).expect("a file of vectors has the layout read here")
}

/// Bytes written as lower-case hexadecimal.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
#[serde(try_from = "String")]
struct Hex(Vec<u8>);

impl Hex {
    fn array<const N: usize>(&self) -> [u8; N] {
        let bytes = self.0.as_slice();
        bytes
            .try_into()
            .expect("the vector is as long as its field")
    }
}

impl TryFrom<String> for Hex {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let byte = |pair: &[u8]| match pair {
            [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
        bytes.map(Self).ok_or("hexadecimal digits come in pairs")
    }
}

/// A generator that yields what it was given: vectors name keys and nonces.
struct Given(Vec<u8>);

impl rand_core::TryRng for Given {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        unreachable!("keys and nonces are filled as bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        unreachable!("keys and nonces are filled as bytes")
    }

    fn try_fill_bytes(&mut self, filled: &mut [u8]) -> Result<(), Self::Error> {
        let rest = self.0.split_off(filled.len());
        filled.copy_from_slice(&std::mem::replace(&mut self.0, rest));
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Given {}
