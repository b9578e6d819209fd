//! What a line does to packets: which of them it loses, and when the others
//! arrive.

use std::time::{Duration, Instant};

/// Time for which packets may wait where the line is slower than they come, as
/// at a usual router.
const BUFFER: Duration = Duration::from_millis(100);

/// A line, the same in both directions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Line {
    /// From one end to the other: half a round trip.
    pub delay: Duration,
    /// Of a million packets in one direction so many are lost.
    pub lost_per_million: u32,
    /// Bytes a second in one direction; `None` for as fast as it goes.
    pub rate: Option<u64>,
    /// What is lost follows from it.
    pub seed: u64,
}

/// One direction.
pub(crate) struct Direction {
    line: Line,
    state: u64,
    /// When the last packet has left this end.
    free_at: Instant,
}

impl Direction {
    pub(crate) fn new(line: Line, salt: u64, now: Instant) -> Self {
        Self {
            line,
            state: line.seed ^ salt,
            free_at: now,
        }
    }

    /// When a packet arrives that comes now; `None` if it is lost.
    pub(crate) fn take(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        if self.draw() % 1_000_000 < u64::from(self.line.lost_per_million) {
            return None;
        }
        let Some(rate) = self.line.rate else {
            return Some(now + self.line.delay);
        };
        let begins = self.free_at.max(now);
        if begins - now > BUFFER {
            return None;
        }
        let nanos = (bytes as u64).saturating_mul(1_000_000_000) / rate.max(1);
        self.free_at = begins + Duration::from_nanos(nanos);
        Some(self.free_at + self.line.delay)
    }

    /// `SplitMix64`.
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.state;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        drawn ^ (drawn >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(25);

    #[test]
    fn as_many_packets_are_lost_as_it_says() {
        let line = Line {
            lost_per_million: 5_000,
            ..Line::default()
        };
        let now = Instant::now();
        let mut direction = Direction::new(line, 1, now);
        let lost = (0..100_000).filter(|_| direction.take(now, 1200).is_none());
        let lost = lost.count();
        assert!((400..600).contains(&lost), "{lost}");
    }

    #[test]
    fn packets_arrive_no_faster_than_the_rate_and_too_many_are_lost() {
        let line = Line {
            delay: DELAY,
            rate: Some(1_000_000),
            ..Line::default()
        };
        let now = Instant::now();
        let mut direction = Direction::new(line, 1, now);
        let arrive = (0..200).map(|_| direction.take(now, 1000));
        let arrive: Vec<_> = arrive.collect();
        assert_eq!(arrive[0], Some(now + DELAY + Duration::from_millis(1)));
        assert_eq!(arrive[9], Some(now + DELAY + Duration::from_millis(10)));
        assert_eq!(arrive.iter().flatten().count(), 101);
    }
}
