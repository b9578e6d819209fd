//! What will happen, in order of time; what comes at the same time happens in
//! the order it was decided.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::time::Moment;

/// A queue of events to come.
pub struct Queue<T> {
    heap: BinaryHeap<Entry<T>>,
    sequence: u64,
}

struct Entry<T> {
    at: Moment,
    sequence: u64,
    event: T,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            sequence: 0,
        }
    }
}

impl<T> Queue<T> {
    /// Adds an event.
    pub fn push(&mut self, at: Moment, event: T) {
        self.sequence += 1;
        let sequence = self.sequence;
        self.heap.push(Entry {
            at,
            sequence,
            event,
        });
    }

    /// When the next event comes.
    pub fn next_at(&self) -> Option<Moment> {
        self.heap.peek().map(|entry| entry.at)
    }

    /// Takes the next event.
    pub fn pop(&mut self) -> Option<(Moment, T)> {
        self.heap.pop().map(|entry| (entry.at, entry.event))
    }
}

impl<T> Entry<T> {
    const fn key(&self) -> (Moment, u64) {
        (self.at, self.sequence)
    }
}

impl<T> Ord for Entry<T> {
    /// The heap gives the greatest first: the earliest is the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}
