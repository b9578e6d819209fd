//! Waits that are not all the same.

use std::time::Duration;

/// A wait with up to a quarter more, or many that began at once would go on at
/// once for ever.
pub(crate) fn spread(wait: Duration) -> Duration {
    let random = getrandom::u32().expect("the system gave random bytes at the start too");
    wait + wait.mul_f64(0.25 * f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_began_at_once_is_apart_after_one_wait() {
        let wait = Duration::from_mins(15);
        let waits: Vec<_> = (0..100).map(|_| spread(wait)).collect();
        let (first, last) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
        assert!(*first >= wait && *last <= wait.mul_f64(1.25));
        assert!(*last > *first + Duration::from_mins(2));
    }
}
