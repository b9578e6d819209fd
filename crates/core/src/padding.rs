//! Padmé: lengths that say little about what they are the length of.
//!
//! The last chunk of a file is padded with zeros before sealing, so a blob's
//! length gives away `O(log log n)` bits of the file's size at a cost of at
//! most 12 %. Defined in Nikitin et al., "Reducing Metadata Leakage from
//! Encrypted Files and Communication with PURBs" (2019), §4.

use alloc::vec::Vec;

/// The length that `len` is padded to. Never above the next power of two.
pub const fn padme(len: usize) -> usize {
    if len < 2 {
        return len;
    }
    let exponent = len.ilog2();
    let mantissa_bits = exponent.ilog2() + 1;
    let low_bits = exponent.saturating_sub(mantissa_bits);
    let mask = (1 << low_bits) - 1;
    (len + mask) & !mask
}

/// Zeros up to the padded length.
pub fn pad(chunk: &mut Vec<u8>) {
    chunk.resize(padme(chunk.len()), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_of_the_paper_are_padded_as_it_says() {
        for (len, padded) in [
            (0, 0),
            (1, 1),
            (2, 2),
            (9, 10),
            (100, 104),
            (1_000_000, 1_015_808),
        ] {
            assert_eq!(padme(len), padded, "{len}");
        }
    }

    proptest! {
        #[test]
        fn padding_is_little_and_stays_within_the_power_of_two(len in 1..=1_048_576_usize) {
            let padded = padme(len);
            prop_assert!(padded >= len);
            prop_assert!(padded <= len.next_power_of_two());
            prop_assert!((padded - len) * 100 <= len * 12);
            prop_assert_eq!(padme(padded), padded);
        }
    }
}
