//! Lower-case hexadecimal, the one text form of ids and keys.

use alloc::string::String;

/// Why a text is not a hexadecimal value of the expected length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} lower-case hexadecimal digits")]
pub struct HexError {
    /// Digits a correct text has.
    pub expected: usize,
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}

pub(crate) fn decode<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let wrong = HexError { expected: 2 * N };
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(wrong);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else {
            return Err(wrong);
        };
        *byte = high << 4 | low;
    }
    Ok(bytes)
}

/// Hexadecimal digits of `bytes`, however many: for fields of unknown meaning.
pub(crate) fn decode_any(text: &str) -> Option<alloc::vec::Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

/// Gives a byte-array newtype its text form: `Display`, `Debug` and `FromStr`
/// in hexadecimal, and its bytes.
macro_rules! hex_id {
    ($name:ident, $len:literal) => {
        impl $name {
            /// Bytes in this value.
            pub const LEN: usize = $len;

            /// Takes the value as it stands on the wire.
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The value as it stands on the wire.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(&$crate::hex::encode(&self.0))
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl core::str::FromStr for $name {
            type Err = $crate::HexError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::hex::decode(text).map(Self)
            }
        }
    };
}
pub(crate) use hex_id;
