//! How fast one connection may do what it does.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::limits::Limits;

/// Seconds' worth of messages that may come at once: a browser opens many
/// transfers in a moment.
const BURST: u32 = 5;

/// The rates of one connection.
pub(super) struct Rates {
    messages: DefaultDirectRateLimiter,
    joins: DefaultDirectRateLimiter,
    lookups: DefaultDirectRateLimiter,
    forwarded: DefaultDirectRateLimiter,
    forwarded_most: NonZeroU32,
    clock: DefaultClock,
}

impl Rates {
    pub fn new(limits: &Limits) -> Self {
        let per_second = limits.messages_per_second;
        let burst = per_second.saturating_mul(NonZeroU32::new(BURST).expect("not zero"));
        Self {
            messages: RateLimiter::direct(Quota::per_second(per_second).allow_burst(burst)),
            joins: RateLimiter::direct(Quota::per_minute(limits.joins_per_minute)),
            lookups: RateLimiter::direct(Quota::per_minute(limits.lookups_per_minute)),
            forwarded: RateLimiter::direct(Quota::per_second(limits.forwarded_per_second)),
            forwarded_most: limits.forwarded_per_second,
            clock: DefaultClock::default(),
        }
    }

    /// Whether one more message may come.
    pub fn message(&self) -> bool {
        self.messages.check().is_ok()
    }

    /// Whether one more room may be entered.
    pub fn join(&self) -> bool {
        self.joins.check().is_ok()
    }

    /// Whether one more topic may be looked up at once.
    pub fn lookup(&self) -> bool {
        self.lookups.check().is_ok()
    }

    /// How long to wait before so many bytes may be forwarded; `None` when
    /// they may now, and are counted.
    pub fn forward(&self, bytes: usize) -> Option<Duration> {
        let bytes = u32::try_from(bytes).ok().and_then(NonZeroU32::new)?;
        let bytes = bytes.min(self.forwarded_most);
        let checked = self.forwarded.check_n(bytes);
        let checked = checked.expect("no more is asked for than may come at once");
        let denied = checked.err()?;
        Some(denied.wait_time_from(self.clock.now()))
    }
}
