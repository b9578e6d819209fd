//! A limit in bytes a second that lets bursts pass.

use crate::face::Rate;
use crate::time::{Millis, Time};

/// A token bucket. What passes may overdraw it: a message is sent whole, and
/// the next one waits for longer.
pub(crate) struct Bucket {
    rate: Option<Rate>,
    /// Bytes that may pass at once; below 0 while overdrawn.
    level: i64,
    at: Time,
}

impl Bucket {
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        let level = rate.map_or(0, |rate| whole(rate.burst));
        let at = Time(0);
        Self { rate, level, at }
    }

    /// Another limit from now on.
    pub(crate) fn set(&mut self, rate: Option<Rate>, now: Time) {
        self.refill(now);
        let burst = rate.map_or(0, |rate| whole(rate.burst));
        self.level = self.rate.map_or(burst, |_| self.level.min(burst));
        self.rate = rate;
    }

    /// When the next bytes may pass; `now` if they may at once.
    pub(crate) fn ready_at(&mut self, now: Time) -> Time {
        self.refill(now);
        let Some(rate) = self.rate else {
            return now;
        };
        if self.level > 0 {
            return now;
        }
        let missing = u64::try_from(1 - self.level).unwrap_or(1);
        let wait = (missing * 1000).div_ceil(rate.bytes_per_second.get());
        now + Millis(wait)
    }

    /// So many bytes pass.
    pub(crate) fn take(&mut self, now: Time, bytes: u64) {
        self.refill(now);
        if self.rate.is_some() {
            self.level = self.level.saturating_sub(whole(bytes));
        }
    }

    /// So many bytes that were taken did not pass.
    pub(crate) fn give_back(&mut self, now: Time, bytes: u64) {
        self.refill(now);
        if let Some(rate) = self.rate {
            self.level = self
                .level
                .saturating_add(whole(bytes))
                .min(whole(rate.burst));
        }
    }

    /// Whether as much may pass as ever at once.
    pub(crate) fn is_full(&mut self, now: Time) -> bool {
        self.refill(now);
        self.rate.is_none_or(|rate| self.level >= whole(rate.burst))
    }

    fn refill(&mut self, now: Time) {
        let Some(rate) = self.rate else {
            self.at = now;
            return;
        };
        let (second, spent) = (u128::from(rate.bytes_per_second.get()), now.since(self.at));
        let came = second * u128::from(spent.0) / 1000;
        // Less than a byte came: leave the time for the next look.
        if came == 0 {
            return;
        }
        self.at = now;
        let came = i64::try_from(came).unwrap_or(i64::MAX);
        self.level = self.level.saturating_add(came).min(whole(rate.burst));
    }
}

fn whole(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::num::NonZeroU64;

    fn rate(bytes_per_second: u64, burst: u64) -> Rate {
        let bytes_per_second = NonZeroU64::new(bytes_per_second).unwrap();
        Rate {
            bytes_per_second,
            burst,
        }
    }

    #[test]
    fn bursts_pass_and_the_average_is_kept() {
        let mut bucket = Bucket::new(Some(rate(1_000, 5_000)));
        let (mut now, mut passed) = (Time(0), 0);
        while now < Time(60_000) {
            let at = bucket.ready_at(now);
            if at > now {
                now = at;
                continue;
            }
            bucket.take(now, 700);
            passed += 700;
        }
        assert!((64_000..=66_000).contains(&passed), "{passed}");
    }

    #[test]
    fn no_limit_lets_everything_pass() {
        let mut bucket = Bucket::new(None);
        bucket.take(Time(0), u64::MAX);
        assert_eq!(bucket.ready_at(Time(0)), Time(0));
    }

    #[test]
    fn what_did_not_pass_may_pass_later() {
        let mut bucket = Bucket::new(Some(rate(10, 100)));
        bucket.take(Time(0), 200);
        assert_eq!(bucket.ready_at(Time(0)), Time(10_100));
        bucket.give_back(Time(0), 100);
        assert_eq!(bucket.ready_at(Time(0)), Time(100));
        bucket.give_back(Time(0), u64::MAX);
        bucket.take(Time(0), 100);
        assert!(bucket.ready_at(Time(0)) > Time(0), "no more than the burst");
    }

    #[test]
    fn a_new_limit_counts_from_now_on() {
        let mut bucket = Bucket::new(None);
        bucket.set(Some(rate(10, 100)), Time(5_000));
        bucket.take(Time(5_000), 100);
        assert!(bucket.ready_at(Time(5_000)) > Time(5_000));
        bucket.set(None, Time(5_000));
        assert_eq!(bucket.ready_at(Time(5_000)), Time(5_000));
    }

    #[test]
    fn slow_limits_refill_however_often_they_are_asked() {
        let mut bucket = Bucket::new(Some(rate(10, 10)));
        bucket.take(Time(0), 10);
        for now in 0..=100 {
            bucket.ready_at(Time(now));
        }
        assert_eq!(bucket.ready_at(Time(100)), Time(100), "one byte in 100 ms");
    }
}
