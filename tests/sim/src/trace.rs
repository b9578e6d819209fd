//! A fingerprint of everything that happened: two runs of one plan must have
//! the same.

use crate::time::Moment;

/// FNV-1a over what happened, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trace(u64);

impl Default for Trace {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Trace {
    /// The fingerprint so far.
    pub const fn hash(self) -> u64 {
        self.0
    }

    /// Something happened at `at` to `who`, with these bytes.
    pub(crate) fn note(&mut self, at: Moment, who: usize, bytes: &[u8]) {
        self.add(&at.0.to_be_bytes());
        self.add(&who.to_be_bytes());
        // The beginning tells messages apart; ids and numbers are in it.
        self.add(&bytes[..bytes.len().min(48)]);
        self.add(&bytes.len().to_be_bytes());
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
