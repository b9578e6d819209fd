//! How fast queries leave.

use std::time::{Duration, Instant};

/// Time whose queries may leave at once: what a timer is late by.
const BURST: Duration = Duration::from_millis(20);

/// A rate that is never exceeded by more than [`BURST`].
#[derive(Debug)]
pub(super) struct Pace {
    between: Duration,
    /// When the next query would leave, were they spread evenly.
    next: Option<Instant>,
}

impl Pace {
    /// `packets` a second, a query and its answer being two.
    pub fn new(packets: u32) -> Self {
        Self {
            between: Duration::from_secs(2) / packets.max(1),
            next: None,
        }
    }

    /// When the next query may leave.
    pub fn ready_at(&self, now: Instant) -> Instant {
        self.next
            .and_then(|next| next.checked_sub(BURST))
            .map_or(now, |at| at.max(now))
    }

    /// One leaves.
    pub fn spend(&mut self, now: Instant) {
        let next = self.next.map_or(now, |next| next.max(now));
        self.next = Some(next + self.between);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_half_as_many_queries_as_packets_however_often_one_asks() {
        let start = Instant::now();
        let mut pace = Pace::new(2000);
        let mut sent = 0;
        for step in 0..100 {
            let now = start + Duration::from_millis(10) * step;
            while pace.ready_at(now) <= now {
                pace.spend(now);
                sent += 1;
            }
        }
        assert!((990..=1030).contains(&sent), "{sent}");
        let later = start + Duration::from_mins(1);
        let mut burst = 0;
        while pace.ready_at(later) <= later {
            pace.spend(later);
            burst += 1;
        }
        assert!(burst <= 22, "{burst} at once after a pause");
    }
}
