//! How fast a connection may do what it does.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::Mutex;

use crate::limits::Limits;

/// Seconds' worth of messages that may come at once: a browser opens many
/// transfers in a moment.
const BURST: u32 = 5;

/// Bytes that one connection has forwarded before it is another's turn, where
/// all share a budget.
const TURN: u32 = 16 << 10;

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
            forwarded: Budget::new(a_second_of(limits.forwarded_per_second)),
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

    /// Waits until so many bytes may be forwarded, and counts them; `by_all` is
    /// what all connections may together.
    pub async fn forward(&self, bytes: usize, by_all: Option<&Budget>) {
        self.forwarded.forward(bytes, by_all).await;
    }
}

/// The rates of a bridge to another relay. It carries what many members say, so
/// a relay that is too fast is read more slowly. One that tells of members, or
/// sends messages, as fast as it is read for long is none that keeps its
/// [`Pace`]: it floods.
pub(crate) struct BridgeRates {
    messages: Budget,
    told: Budget,
    forwarded: Budget,
    many_messages: DefaultDirectRateLimiter,
    many_told: DefaultDirectRateLimiter,
}

/// A relay is too fast for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flood;

impl BridgeRates {
    pub fn new(limits: &Limits) -> Self {
        let (messages, told) = (messages_of_a_bridge(limits), told_by_a_bridge(limits));
        Self {
            forwarded: Budget::new(a_second_of(limits.forwarded_per_second)),
            many_messages: RateLimiter::direct(sustained(messages, limits.bridge_flood)),
            many_told: RateLimiter::direct(sustained(told, limits.bridge_flood)),
            messages: Budget::new(messages),
            told: Budget::new(told),
        }
    }

    /// Waits until one more message may come.
    pub async fn message(&self) -> Result<(), Flood> {
        self.messages.spend(1).await;
        checked(&self.many_messages, 1)
    }

    /// Waits until so many members may be told of, and counts them; `by_all` is
    /// what all bridges may together. They get it in turn, one member at a time:
    /// otherwise whoever asks for one would be before whoever asks for many,
    /// always.
    pub async fn tell(&self, members: usize, by_all: &Budget) -> Result<(), Flood> {
        self.told.spend(members).await;
        by_all.spend_in_turn(members, NonZeroU32::MIN).await;
        checked(&self.many_told, members)
    }

    /// Waits until so many bytes may be forwarded, and counts them; `by_all` is
    /// what all connections may together. Who has so much for the members here
    /// does nothing wrong.
    pub async fn forward(&self, bytes: usize, by_all: Option<&Budget>) {
        self.forwarded.forward(bytes, by_all).await;
    }
}

/// How fast this relay sends on a bridge: half as fast as others may. What its
/// members do never makes it look like one that floods, even if the way held
/// up what it sent for as long as a bridge lasts in silence, and lets go of it
/// at once.
pub(crate) struct Pace {
    messages: Budget,
    told: Budget,
}

impl Pace {
    pub fn new(limits: &Limits) -> Self {
        Self {
            messages: Budget::new(half(messages_of_a_bridge(limits))),
            told: Budget::new(half(told_by_a_bridge(limits))),
        }
    }

    /// Waits until a message may go that tells of so many members.
    pub async fn keep(&self, members: usize) {
        self.told.spend(members).await;
        self.messages.spend(1).await;
    }

    /// Whether it may go at once; then it is counted.
    pub fn allows(&self, members: usize) -> bool {
        self.messages.has(1) && self.told.has(members)
    }
}

fn messages_of_a_bridge(limits: &Limits) -> Quota {
    let per_second = limits.bridge_messages_per_second;
    let two_seconds = per_second.saturating_add(per_second.get());
    Quota::per_second(per_second).allow_burst(two_seconds)
}

fn told_by_a_bridge(limits: &Limits) -> Quota {
    Quota::per_second(limits.told_per_second).allow_burst(limits.told_at_once)
}

fn a_second_of(per_second: NonZeroU32) -> Quota {
    Quota::per_second(per_second)
}

fn half(quota: Quota) -> Quota {
    let burst = NonZeroU32::new(quota.burst_size().get() / 2);
    let half = Quota::with_period(2 * quota.replenish_interval());
    let half = half.expect("twice the time between two is some time");
    half.allow_burst(burst.unwrap_or(NonZeroU32::MIN))
}

/// What comes at half the rate never exceeds it; what comes at the whole rate
/// does after so long.
fn sustained(quota: Quota, long: Duration) -> Quota {
    let half = half(quota);
    let more = long.as_nanos() / half.replenish_interval().as_nanos();
    let more = u32::try_from(more).unwrap_or(u32::MAX);
    half.allow_burst(quota.burst_size().saturating_add(more))
}

fn checked(limiter: &DefaultDirectRateLimiter, amount: usize) -> Result<(), Flood> {
    let amount = u32::try_from(amount).unwrap_or(u32::MAX);
    let Some(amount) = NonZeroU32::new(amount) else {
        return Ok(());
    };
    match limiter.check_n(amount) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Flood),
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
    /// Whose turn it is, in the order of their coming.
    turn: Mutex<()>,
}

impl Budget {
    fn new(quota: Quota) -> Self {
        Self {
            limiter: RateLimiter::direct(quota),
            at_once: quota.burst_size(),
            clock: DefaultClock::default(),
            turn: Mutex::new(()),
        }
    }

    /// How many members all bridges may tell of.
    pub fn told_by_all(limits: &Limits) -> Self {
        let quota = Quota::per_second(limits.told_per_second_by_all);
        Self::new(quota.allow_burst(limits.told_at_once))
    }

    /// How many bytes all connections may have forwarded.
    pub fn forwarded_by_all(limits: &Limits) -> Option<Self> {
        let per_second = limits.forwarded_per_second_by_all?;
        Some(Self::new(a_second_of(per_second)))
    }

    /// Of one connection's, and of what all have.
    async fn forward(&self, bytes: usize, by_all: Option<&Self>) {
        self.spend(bytes).await;
        if let Some(by_all) = by_all {
            let turn = NonZeroU32::new(TURN).expect("not zero");
            by_all.spend_in_turn(bytes, turn).await;
        }
    }

    /// Waits until there is so much, and takes it.
    async fn spend(&self, amount: usize) {
        for piece in pieces(amount, self.at_once) {
            self.spend_at_once(piece).await;
        }
    }

    /// The same where many take of one budget: each gets a `turn`'s worth, then
    /// whoever has waited longest.
    async fn spend_in_turn(&self, amount: usize, turn: NonZeroU32) {
        for piece in pieces(amount, turn.min(self.at_once)) {
            let _turn = self.turn.lock().await;
            self.spend_at_once(piece).await;
        }
    }

    async fn spend_at_once(&self, amount: NonZeroU32) {
        loop {
            let checked = self.limiter.check_n(amount);
            let checked = checked.expect("no more is asked for than may come at once");
            let Err(denied) = checked else {
                return;
            };
            tokio::time::sleep(denied.wait_time_from(self.clock.now())).await;
        }
    }

    /// Takes so much if it is there.
    fn has(&self, amount: usize) -> bool {
        let amount = u32::try_from(amount).unwrap_or(u32::MAX);
        NonZeroU32::new(amount)
            .is_none_or(|amount| matches!(self.limiter.check_n(amount), Ok(Ok(()))))
    }
}

/// Cuts an amount into pieces of a size and what is left.
fn pieces(amount: usize, size: NonZeroU32) -> impl Iterator<Item = NonZeroU32> {
    let mut left = amount;
    std::iter::from_fn(move || {
        let piece = u32::try_from(left).unwrap_or(u32::MAX).min(size.get());
        left -= piece as usize;
        NonZeroU32::new(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            told_per_second: 200.try_into().unwrap(),
            told_at_once: 400.try_into().unwrap(),
            bridge_flood: Duration::from_mins(1),
            ..Limits::default()
        }
    }

    /// Of so many members told in each second, when it is too many; the limiter's
    /// own clock cannot be paused.
    fn floods(per_second: u32, held_up: u32) -> Option<u32> {
        use governor::clock::FakeRelativeClock;
        let quota = sustained(told_by_a_bridge(&limits()), limits().bridge_flood);
        let clock = FakeRelativeClock::default();
        let limiter = RateLimiter::direct_with_clock(quota, clock.clone());
        let may = |amount| {
            matches!(
                limiter.check_n(NonZeroU32::new(amount).unwrap()),
                Ok(Ok(()))
            )
        };
        let (at_once, told) = (400 / 2, held_up * per_second);
        if !may(at_once + told) {
            return Some(0);
        }
        (1..1000).find(|_| {
            clock.advance(Duration::from_secs(1));
            !may(per_second)
        })
    }

    #[test]
    fn who_tells_as_much_as_is_read_floods_after_a_minute() {
        let after = floods(200, 0).unwrap();
        assert!((55..=65).contains(&after), "after {after} s");
    }

    /// Whatever its members do, and if the way holds all up for half a minute.
    #[test]
    fn a_relay_that_keeps_its_pace_never_floods() {
        assert_eq!(floods(100, 30), None);
        let pace = half(told_by_a_bridge(&limits()));
        assert_eq!(pace.replenish_interval(), Duration::from_millis(10));
        assert_eq!(pace.burst_size().get(), 200);
    }

    #[tokio::test]
    async fn who_wants_much_of_what_all_share_gets_its_turn() {
        let limits = Limits {
            told_per_second_by_all: 1000.try_into().unwrap(),
            told_at_once: 64.try_into().unwrap(),
            ..Limits::default()
        };
        let budget = Budget::told_by_all(&limits);
        let greedy = async || {
            loop {
                budget.spend_in_turn(1, NonZeroU32::MIN).await;
            }
        };
        let much = budget.spend_in_turn(256, NonZeroU32::MIN);
        let much = tokio::time::timeout(Duration::from_secs(5), much);
        tokio::select! {
            () = greedy() => {}
            () = greedy() => {}
            () = greedy() => {}
            done = much => done.unwrap(),
        }
    }
}
