//! When a topic is looked up and announced again.
//!
//! A room in which nothing happens is looked up ever more rarely. Somebody who
//! comes wants whoever is there to be found soon, but a room that people enter
//! all the time must not be looked up all the time: what comes and goes brings
//! the next lookup forward, and changes nothing about those after it.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::Limits;
use crate::spread::spread;

/// What follows the last lookup.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    wait: Duration,
    /// When the next is due.
    pub again_at: Instant,
    /// The same if somebody comes or goes before.
    sooner_at: Instant,
}

impl Plan {
    /// The first lookup begins now.
    pub fn new(limits: &Limits, now: Instant) -> Self {
        Self::after(limits.lookup_again_first, limits, now)
    }

    fn after(wait: Duration, limits: &Limits, now: Instant) -> Self {
        Self {
            wait,
            again_at: now + spread(wait),
            sooner_at: now + spread(wait.min(limits.lookup_again_joined)),
        }
    }

    /// Another lookup begins now.
    pub fn looked_up(&mut self, limits: &Limits, now: Instant) {
        let wait = (self.wait * 2).min(limits.lookup_again_most);
        *self = Self::after(wait, limits, now);
    }

    /// Somebody came or the last one went.
    pub fn changed(&mut self) {
        self.again_at = self.again_at.min(self.sooner_at);
    }
}

/// How long an announcement holds: a relay that starts has many rooms at once,
/// whose announcements are not to come at once for ever.
pub(super) fn announce_again(limits: &Limits) -> Duration {
    spread(limits.announce_every)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    /// When lookups begin in the first two hours, while somebody comes so often.
    fn lookups(joins_every: Option<Duration>) -> Vec<Duration> {
        let (limits, start) = (Limits::default(), Instant::now());
        let mut plan = Plan::new(&limits, start);
        let mut lookups = vec![Duration::ZERO];
        let mut now = start;
        let mut join_at = joins_every.map(|every| start + every);
        while now < start + 2 * HOUR {
            match join_at.zip(joins_every) {
                Some((at, every)) if at < plan.again_at => {
                    now = at;
                    plan.changed();
                    join_at = Some(at + every);
                }
                _ => {
                    now = plan.again_at;
                    plan.looked_up(&limits, now);
                    lookups.push(now - start);
                }
            }
        }
        lookups
    }

    fn waits(lookups: &[Duration]) -> Vec<Duration> {
        lookups
            .windows(2)
            .map(|two| two[1].saturating_sub(two[0]))
            .collect()
    }

    #[test]
    fn a_quiet_room_is_looked_up_ever_more_rarely() {
        let waits = waits(&lookups(None));
        for (wait, least) in waits.iter().zip([1, 2, 4, 8, 15, 15]) {
            let least = Duration::from_mins(least);
            assert!(*wait >= least && *wait <= least.mul_f64(1.25), "{waits:?}");
        }
    }

    /// It once was every minute, for as long as somebody came each minute.
    #[test]
    fn a_room_that_people_enter_all_the_time_is_looked_up_every_five_minutes() {
        let lookups = lookups(Some(Duration::from_secs(30)));
        let later = lookups.iter().filter(|at| **at >= HOUR).count();
        assert!((9..=13).contains(&later), "{lookups:?}");
        // The first ones come sooner.
        assert!(lookups[3] <= Duration::from_mins(9), "{lookups:?}");
    }

    #[test]
    fn rooms_that_came_at_once_are_not_done_at_once_again() {
        let (limits, now) = (Limits::default(), Instant::now());
        let apart = |times: &[Duration]| {
            let (first, last) = (times.iter().min(), times.iter().max());
            first
                .zip(last)
                .map(|(first, last)| last.saturating_sub(*first))
        };
        let announces: Vec<_> = (0..100).map(|_| announce_again(&limits)).collect();
        assert!(apart(&announces) > Some(Duration::from_mins(2)));
        let plans = (0..100).map(|_| Plan::new(&limits, now));
        let lookups: Vec<_> = plans.map(|plan| plan.again_at - now).collect();
        assert!(apart(&lookups) > Some(Duration::from_secs(8)));
    }

    #[test]
    fn who_comes_to_an_old_room_waits_five_minutes_at_most() {
        let (limits, start) = (Limits::default(), Instant::now());
        let mut plan = Plan::new(&limits, start);
        let mut now = start;
        for _ in 0..8 {
            now = plan.again_at;
            plan.looked_up(&limits, now);
        }
        assert!(plan.again_at >= now + limits.lookup_again_most);
        plan.changed();
        assert!(plan.again_at <= now + limits.lookup_again_joined.mul_f64(1.25));
        // The one after that is as late as before.
        now = plan.again_at;
        plan.looked_up(&limits, now);
        assert!(plan.again_at >= now + limits.lookup_again_most);
    }
}
