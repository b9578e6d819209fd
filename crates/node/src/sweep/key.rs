//! Places in the DHT: ids of nodes and of what is announced are the same kind
//! of thing, 160 bits (BEP 5).

use std::fmt;

use samara_core::BlobId;

pub(super) const LEN: usize = 20;
/// Bits of a key.
pub(super) const BITS: u32 = 160;

/// A place in the DHT. The order is that of the bits, so all keys that begin
/// with the same bits stand together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key(pub [u8; LEN]);

/// How far two keys are apart: their exclusive or.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Distance([u8; LEN]);

/// All keys that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subtree {
    /// The first of its keys.
    pub first: Key,
    /// The last of its keys.
    pub last: Key,
    /// How many bits its keys share.
    pub depth: u32,
}

impl Key {
    /// What a blob is announced under.
    pub fn of_blob(id: &BlobId) -> Self {
        let mut key = [0; LEN];
        key.copy_from_slice(&id.as_bytes()[..LEN]);
        Self(key)
    }

    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub fn distance(&self, other: &Self) -> Distance {
        Distance(std::array::from_fn(|i| self.0[i] ^ other.0[i]))
    }

    /// The keys that share this one's first `depth` bits.
    pub fn subtree(&self, depth: u32) -> Subtree {
        let depth = depth.min(BITS);
        let mask = |i: usize| {
            let bits = depth.saturating_sub(u32::try_from(i * 8).unwrap_or(u32::MAX));
            !(0xff_u8.checked_shr(bits).unwrap_or(0))
        };
        Subtree {
            first: Self(std::array::from_fn(|i| self.0[i] & mask(i))),
            last: Self(std::array::from_fn(|i| self.0[i] | !mask(i))),
            depth,
        }
    }

    /// The key after this one; `None` after the last.
    pub fn next(&self) -> Option<Self> {
        let mut next = self.0;
        for byte in next.iter_mut().rev() {
            let (sum, over) = byte.overflowing_add(1);
            *byte = sum;
            if !over {
                return Some(Self(next));
            }
        }
        None
    }
}

impl Distance {
    /// How many first bits the two keys share.
    pub fn shared_bits(&self) -> u32 {
        let mut shared = 0;
        for byte in self.0 {
            shared += byte.leading_zeros();
            if byte != 0 {
                break;
            }
        }
        shared
    }
}

impl Subtree {
    pub fn contains(&self, key: &Key) -> bool {
        (self.first..=self.last).contains(key)
    }
}

impl fmt::Debug for Key {
    /// A blob's key is a good part of its id, which no log may name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(_)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(first: u8, second: u8) -> Key {
        let mut bytes = [0x55; LEN];
        (bytes[0], bytes[1]) = (first, second);
        Key(bytes)
    }

    #[test]
    fn a_subtree_is_what_shares_its_first_bits() {
        let subtree = key(0b1010_1010, 0b1100_0000).subtree(10);
        assert!(subtree.contains(&key(0b1010_1010, 0b1111_1111)));
        assert!(!subtree.contains(&key(0b1010_1010, 0b1011_1111)));
        assert!(!subtree.contains(&key(0b1010_1011, 0b1100_0000)));
        assert_eq!(subtree.first.0[2..], [0; 18]);
        assert_eq!(subtree.last.0[2..], [0xff; 18]);
        let all = key(1, 2).subtree(0);
        assert_eq!((all.first.0, all.last.0), ([0; LEN], [0xff; LEN]));
        let one = key(1, 2).subtree(BITS);
        assert_eq!((one.first, one.last), (key(1, 2), key(1, 2)));
    }

    #[test]
    fn bits_are_shared_up_to_the_first_that_differs() {
        assert_eq!(key(0xff, 0).distance(&key(0xff, 0x10)).shared_bits(), 11);
        assert_eq!(key(0, 0).distance(&key(0x80, 0)).shared_bits(), 0);
        assert_eq!(key(7, 7).distance(&key(7, 7)).shared_bits(), BITS);
    }

    #[test]
    fn the_key_after_the_last_is_none() {
        assert_eq!(Key([0xff; LEN]).next(), None);
        let mut after = [0; LEN];
        after[18] = 1;
        let mut before = [0; LEN];
        before[19] = 0xff;
        assert_eq!(Key(before).next(), Some(Key(after)));
    }
}
