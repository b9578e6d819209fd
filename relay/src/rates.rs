//! How fast a connection may do what it does.

use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::limits::Limits;

/// Seconds' worth of messages that may come at once: a browser opens many
/// transfers in a moment.
const BURST: u32 = 5;

/// The rates of one peer's connection.
pub(crate) struct Rates {
    messages: DefaultDirectRateLimiter,
    joins: DefaultDirectRateLimiter,
    lookups: DefaultDirectRateLimiter,
    forwarded: Budget,
}

impl Rates {
    pub fn new(limits: &Limits) -> Self {
        Self {
            messages: messages(limits),
            joins: RateLimiter::direct(Quota::per_minute(limits.joins_per_minute)),
            lookups: RateLimiter::direct(Quota::per_minute(limits.lookups_per_minute)),
            forwarded: Budget::new(limits.forwarded_per_second, limits.forwarded_per_second),
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

    /// Waits until so many bytes may be forwarded, and counts them.
    pub async fn forward(&self, bytes: usize) {
        self.forwarded.spend(bytes).await;
    }
}

/// The rates of a bridge to another relay. It carries what many members say, so
/// a relay that is too fast is read more slowly and not cut off.
pub(crate) struct BridgeRates {
    messages: Budget,
    told: Budget,
    forwarded: Budget,
}

impl BridgeRates {
    pub fn new(limits: &Limits) -> Self {
        let messages = limits.bridge_messages_per_second;
        let two_seconds = messages.saturating_add(messages.get());
        Self {
            messages: Budget::new(messages, two_seconds),
            told: Budget::new(limits.told_per_second, limits.told_at_once),
            forwarded: Budget::new(limits.forwarded_per_second, limits.forwarded_per_second),
        }
    }

    /// Waits until one more message may come.
    pub async fn message(&self) {
        self.messages.spend(1).await;
    }

    /// Waits until so many members may be told of, and counts them; `by_all` is
    /// what all bridges may together.
    pub async fn tell(&self, members: usize, by_all: &Budget) {
        self.told.spend(members).await;
        by_all.spend(members).await;
    }

    /// Waits until so many bytes may be forwarded, and counts them.
    pub async fn forward(&self, bytes: usize) {
        self.forwarded.spend(bytes).await;
    }
}

fn messages(limits: &Limits) -> DefaultDirectRateLimiter {
    let per_second = limits.messages_per_second;
    let burst = per_second.saturating_mul(NonZeroU32::new(BURST).expect("not zero"));
    RateLimiter::direct(Quota::per_second(per_second).allow_burst(burst))
}

/// So much of something in a second; who wants more waits.
pub(crate) struct Budget {
    limiter: DefaultDirectRateLimiter,
    at_once: NonZeroU32,
    clock: DefaultClock,
}

impl Budget {
    pub fn new(per_second: NonZeroU32, at_once: NonZeroU32) -> Self {
        let quota = Quota::per_second(per_second).allow_burst(at_once);
        Self {
            limiter: RateLimiter::direct(quota),
            at_once,
            clock: DefaultClock::default(),
        }
    }

    /// What is more than may ever come at once counts as that.
    async fn spend(&self, amount: usize) {
        let amount = u32::try_from(amount).unwrap_or(u32::MAX);
        let Some(amount) = NonZeroU32::new(amount) else {
            return;
        };
        let amount = amount.min(self.at_once);
        loop {
            let checked = self.limiter.check_n(amount);
            let checked = checked.expect("no more is asked for than may come at once");
            let Err(denied) = checked else {
                return;
            };
            tokio::time::sleep(denied.wait_time_from(self.clock.now())).await;
        }
    }
}
