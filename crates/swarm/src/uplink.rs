//! How much to have on its way to all askers together.
//!
//! Blobs sent side by side share the line, and none can be passed on before it
//! is whole: a crowd is served sooner one blob after the other, so long as the
//! line stays full. What keeps it full cannot be seen from here, since an asker
//! may be what is slow. So it is tried: more, while more leaves then; less, while
//! no less does.

use crate::time::{Millis, Time};

/// One measurement takes so long, and longer while little leaves: messages
/// leave whole.
const SAMPLE: Millis = Millis::seconds(1);
const SAMPLE_MOST: Millis = Millis::seconds(8);

/// Before the next trial after one that failed; doubles each time.
const PAUSE_FIRST: Millis = Millis::seconds(4);
const PAUSE_MOST: Millis = Millis::seconds(60);

/// What is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Trial {
    More,
    Less,
}

/// The line of this peer.
#[derive(Debug)]
pub(crate) struct Uplink {
    /// Bytes to have on their way at most.
    window: usize,
    least: usize,
    /// Bytes a second that left with this window.
    rate: Option<u64>,
    trial: Option<Trial>,
    next: Trial,
    failures: u32,
    try_at: Time,
    /// The measurement under way: since when, how many bytes left, and whether
    /// somebody waited all the time.
    since: Time,
    bytes: u64,
    busy: bool,
}

impl Uplink {
    pub(crate) const fn new(least: usize) -> Self {
        Self {
            window: least,
            least,
            rate: None,
            trial: None,
            next: Trial::More,
            failures: 0,
            try_at: Time(0),
            since: Time(0),
            bytes: 0,
            busy: false,
        }
    }

    /// Whether something more may begin beside so many bytes on their way.
    pub(crate) const fn has_room(&self, outgoing: usize) -> bool {
        outgoing < self.window
    }

    /// Nobody waits to be served: what leaves says nothing about the line.
    pub(crate) const fn nobody_waits(&mut self) {
        self.busy = false;
    }

    /// So many bytes left.
    pub(crate) fn left(&mut self, now: Time, bytes: usize) {
        self.bytes += bytes as u64;
        let took = now.since(self.since);
        let few = self.bytes < self.least as u64 && took < SAMPLE_MOST;
        if took < SAMPLE || few {
            return;
        }
        if self.busy {
            self.measured(now, self.bytes.saturating_mul(1000) / took.0);
        }
        (self.since, self.bytes, self.busy) = (now, 0, true);
    }

    fn measured(&mut self, now: Time, rate: u64) {
        let Some(before) = self.rate else {
            self.rate = Some(rate);
            return;
        };
        match self.trial.take() {
            Some(Trial::More) if rate < before + before / 8 => self.failed(now, Trial::More),
            Some(Trial::Less) if rate < before - before / 8 => self.failed(now, Trial::Less),
            Some(_) => {
                self.rate = Some(rate);
                self.failures = 0;
            }
            None => self.rate = Some(before.midpoint(rate)),
        }
        if self.try_at <= now {
            self.begin_trial();
        }
    }

    fn begin_trial(&mut self) {
        if self.window <= self.least {
            self.next = Trial::More;
        }
        self.trial = Some(self.next);
        self.change(self.next);
    }

    fn failed(&mut self, now: Time, trial: Trial) {
        self.next = match trial {
            Trial::More => Trial::Less,
            Trial::Less => Trial::More,
        };
        self.change(self.next);
        self.try_at = now + PAUSE_FIRST.doubled(self.failures, PAUSE_MOST);
        self.failures = (self.failures + 1).min(16);
    }

    fn change(&mut self, trial: Trial) {
        self.window = match trial {
            Trial::More => self.window.saturating_mul(2),
            Trial::Less => (self.window / 2).max(self.least),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const LEAST: usize = 2;

    /// Runs for so many seconds on a line that carries what `line` says of the
    /// bytes on their way.
    fn run(uplink: &mut Uplink, seconds: core::ops::Range<u64>, line: impl Fn(usize) -> usize) {
        for second in seconds {
            let left = line(uplink.window.min(64));
            uplink.left(Time(second * 1000), left);
        }
    }

    /// Windows of the last half of the time.
    fn usual(uplink: &mut Uplink, line: impl Fn(usize) -> usize) -> usize {
        run(uplink, 1..100, &line);
        let mut windows: Vec<_> = (100..200)
            .map(|second| {
                run(uplink, second..second + 1, &line);
                uplink.window
            })
            .collect();
        windows.sort_unstable();
        windows[50]
    }

    #[test]
    fn a_full_line_is_kept_full_with_as_little_as_possible() {
        let mut uplink = Uplink::new(LEAST);
        assert_eq!(usual(&mut uplink, |_| 1000), LEAST);
    }

    #[test]
    fn slow_askers_are_served_side_by_side() {
        // Each byte on its way makes 100 a second, up to 1000.
        let mut uplink = Uplink::new(LEAST);
        let window = usual(&mut uplink, |outgoing| (outgoing * 100).min(1000));
        assert!((8..=16).contains(&window), "{window}");
    }

    #[test]
    fn less_is_tried_once_askers_are_faster() {
        let mut uplink = Uplink::new(LEAST);
        run(&mut uplink, 1..100, |outgoing| outgoing * 10);
        assert!(uplink.window >= 32);
        run(&mut uplink, 100..400, |_| 10_000);
        assert!(uplink.window <= 4, "{}", uplink.window);
    }

    #[test]
    fn a_line_nobody_waits_for_says_nothing() {
        let mut uplink = Uplink::new(LEAST);
        for second in 1..10 {
            uplink.nobody_waits();
            run(&mut uplink, second..second + 1, |_| 1 << second);
        }
        assert_eq!(uplink.window, LEAST);
    }
}
