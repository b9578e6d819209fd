//! Which blobs are to be announced now.
//!
//! Every blob is due when the DHT would soon forget it. Of those that are due
//! the most recently used go first, so what a budget cannot cover is what has
//! not been used for longest.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::key::Key;

/// What is held, and when each was announced.
#[derive(Debug)]
pub(super) struct Book {
    interval: Duration,
    /// Time by which an announcement may be early.
    early: Duration,
    /// Most recently used first.
    held: Vec<Key>,
    announced: HashMap<Key, Instant>,
}

impl Book {
    pub fn new(interval: Duration, early: Duration) -> Self {
        Self {
            interval,
            early,
            held: Vec::new(),
            announced: HashMap::new(),
        }
    }

    /// What is held now, most recently used first.
    pub fn hold(&mut self, held: Vec<Key>) {
        let mut before = std::mem::take(&mut self.announced);
        self.announced
            .extend(held.iter().filter_map(|key| before.remove_entry(key)));
        self.held = held;
    }

    /// At most `most` keys that are due.
    pub fn due(&self, now: Instant, most: usize) -> Vec<Key> {
        let after = self.interval.saturating_sub(self.early);
        let due = self
            .held
            .iter()
            .filter(|key| !self.is_within(key, now, after));
        due.take(most).copied().collect()
    }

    pub fn announced(&mut self, key: Key, now: Instant) {
        self.announced.insert(key, now);
    }

    /// How many are held, and how many of these were announced within the last
    /// interval.
    pub fn counts(&self, now: Instant) -> (usize, usize) {
        let fresh = self
            .held
            .iter()
            .filter(|key| self.is_within(key, now, self.interval));
        (self.held.len(), fresh.count())
    }

    fn is_within(&self, key: &Key, now: Instant, time: Duration) -> bool {
        let announced = self.announced.get(key);
        announced.is_some_and(|at| now.duration_since(*at) < time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn key(number: u8) -> Key {
        Key([number; 20])
    }

    #[test]
    fn what_does_not_fit_is_what_was_used_longest_ago() {
        let mut now = Instant::now();
        let mut book = Book::new(15 * MINUTE, MINUTE);
        book.hold((0..200).map(key).collect());
        // Ten a minute: 140 until the first are due again.
        for _ in 0..60 {
            for key in book.due(now, 10) {
                book.announced(key, now);
            }
            now += MINUTE;
        }
        let left_out = (0..200).filter(|number| !book.announced.contains_key(&key(*number)));
        assert_eq!(left_out.collect::<Vec<_>>(), (140..200).collect::<Vec<_>>());
        assert_eq!(book.counts(now), (200, 140));
    }

    #[test]
    fn what_is_gone_is_forgotten_and_what_is_new_is_due() {
        let now = Instant::now();
        let mut book = Book::new(15 * MINUTE, MINUTE);
        book.hold(vec![key(1), key(2)]);
        book.announced(key(1), now);
        book.announced(key(2), now);
        book.hold(vec![key(3), key(2)]);
        assert_eq!(book.due(now, 10), [key(3)]);
        assert_eq!(book.announced.len(), 1);
    }
}
