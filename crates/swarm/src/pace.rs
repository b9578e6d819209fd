//! How fast a source is: rate and round trip, measured from what it sends; and
//! how fast what is sent to a peer leaves.
//!
//! Both follow from the requests alone; no probe costs anything. They say how
//! much to have asked of a source at once, how long it will take, and when its
//! silence means that it is gone.

use crate::time::{Millis, Time};

/// Busy time that one measurement of the rate covers. Shorter ones see single
/// bursts: over a WebSocket a blob comes all at once.
const SAMPLE: Millis = Millis(200);

/// Work left with a source beyond one round trip, so that it never waits for
/// the next request: what delays of disk and scheduling take in practice.
const AHEAD: Millis = Millis(250);

/// Assumed of a source that was not measured yet.
const FIRST_ROUND_TRIP: Millis = Millis(200);

/// No source is given up earlier, however fast it was: disks and tabs pause.
const LEAST_PATIENCE: Millis = Millis::seconds(10);

/// Measurements of one source.
#[derive(Default)]
pub(crate) struct Pace {
    /// Bytes a second, smoothed.
    rate: Option<u64>,
    round_trip: Option<Millis>,
    /// Busy since then; `None` while it owes nothing.
    busy: Option<Time>,
    /// Busy time and bytes of the measurement under way.
    spent: Millis,
    bytes: u64,
}

impl Pace {
    /// The source owes something from now on.
    pub(crate) fn begin(&mut self, now: Time) {
        self.busy.get_or_insert(now);
    }

    /// The source owes nothing any more.
    pub(crate) fn end(&mut self, now: Time) {
        self.advance(now);
        self.busy = None;
    }

    /// So many bytes came.
    pub(crate) fn received(&mut self, now: Time, bytes: usize) {
        self.bytes += bytes as u64;
        self.advance(now);
        if self.spent < SAMPLE {
            return;
        }
        let measured = self.bytes.saturating_mul(1000) / self.spent.0;
        // A source speeds up at once as requests fill its path; one slow
        // moment is not believed.
        let rate = self.rate.map_or(measured, |rate| {
            if measured > rate {
                rate.midpoint(measured)
            } else {
                (rate * 3 + measured) / 4
            }
        });
        self.rate = Some(rate);
        (self.spent, self.bytes) = (Millis(0), 0);
    }

    fn advance(&mut self, now: Time) {
        if let Some(busy) = &mut self.busy {
            self.spent = Millis(self.spent.0 + now.since(*busy).0);
            *busy = now;
        }
    }

    /// The first bytes of an answer came so long after its request, with
    /// nothing else owed in between.
    pub(crate) fn round(&mut self, took: Millis) {
        let smoothed = |old: Millis| Millis((old.0 * 7 + took.0) / 8);
        // A shorter round is the path; a longer one may be the peer's disk.
        self.round_trip = Some(self.round_trip.map_or(took, |old| took.min(smoothed(old))));
    }

    /// Bytes a second; `None` before the first measurement.
    pub(crate) const fn rate(&self) -> Option<u64> {
        self.rate
    }

    /// From a request to its answer's first bytes; `None` before the first.
    pub(crate) const fn round_trip(&self) -> Option<Millis> {
        self.round_trip
    }

    /// Bytes to have asked for at once: what the path holds, and a little.
    /// `None` before the first measurement.
    pub(crate) fn window(&self) -> Option<u64> {
        let span = self.round_trip.unwrap_or(FIRST_ROUND_TRIP).0 + AHEAD.0;
        self.rate.map(|rate| rate.saturating_mul(span) / 1000)
    }

    /// How long so many owed bytes will take; `None` before the first
    /// measurement.
    pub(crate) fn time_for(&self, bytes: u64) -> Option<Millis> {
        let rate = self.rate?.max(1);
        let round_trip = self.round_trip.unwrap_or(FIRST_ROUND_TRIP);
        Some(Millis(round_trip.0 + bytes.saturating_mul(1000) / rate))
    }

    /// How long the source may send nothing of the next `bytes` before it
    /// counts as gone: several times what they should take, at most `most`.
    pub(crate) fn patience(&self, bytes: u64, most: Millis) -> Millis {
        let expected = self.time_for(bytes).map_or(most.0, |time| time.0 * 4);
        Millis(expected).max(LEAST_PATIENCE).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_counts_only_the_time_in_which_something_was_owed() {
        let mut pace = Pace::default();
        for start in [0, 10_000, 20_000] {
            pace.begin(Time(start));
            pace.received(Time(start + 100), 100_000);
            pace.end(Time(start + 100));
        }
        assert_eq!(pace.rate(), Some(1_000_000));
    }

    #[test]
    fn window_grows_until_it_fills_the_path() {
        // A path of 10 MB/s and 100 ms, asked as much as the window says.
        let mut pace = Pace::default();
        pace.round(Millis(100));
        let mut now = 0;
        pace.begin(Time(0));
        for _ in 0..30 {
            let window = pace.window().unwrap_or(100_000);
            let took = 100.max(window / 10_000);
            now += took;
            pace.received(Time(now), usize::try_from(window).unwrap());
        }
        let filled = pace.rate().unwrap();
        assert!((9_000_000..=10_100_000).contains(&filled), "{filled}");
        assert!(pace.window().unwrap() > 10_000_000 / 10);
    }

    #[test]
    fn patience_follows_the_path_within_bounds() {
        let mut pace = Pace::default();
        let most = Millis::seconds(60);
        assert_eq!(pace.patience(1 << 20, most), most, "nothing is known yet");
        pace.begin(Time(0));
        pace.received(Time(1_000), 64 << 10);
        pace.round(Millis(50));
        assert_eq!(pace.patience(1 << 20, most), most, "64 s are too long");
        assert_eq!(pace.patience(256 << 10, most), Millis(16_200));
        assert_eq!(pace.patience(1, most), LEAST_PATIENCE);
    }
}
