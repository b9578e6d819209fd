//! JavaScript's numbers as lengths and times.

/// A length or time that JavaScript gave: whole, not negative, below 2^53.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and a length or time is neither negative nor fractional"
)]
pub(crate) fn whole(number: f64) -> u64 {
    number as u64
}

/// The same, where it is known to fit in memory.
pub(crate) fn length(number: f64) -> usize {
    usize::try_from(whole(number)).unwrap_or(usize::MAX)
}

/// A length or time for JavaScript; exact below 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "no file and no clock reaches 2^53"
)]
pub(crate) fn number(whole: u64) -> f64 {
    whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_survive_the_way_through_javascript() {
        for len in [0, 1, 1 << 20, (1 << 53) - 1] {
            assert_eq!(whole(number(len)), len);
        }
        assert_eq!(whole(f64::NAN), 0);
        assert_eq!(whole(-1.0), 0);
    }
}
