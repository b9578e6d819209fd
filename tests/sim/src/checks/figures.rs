//! How close a scenario came to each bound, and how much happened in it.

/// The greatest of what was seen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Worst(pub u64);

impl Worst {
    pub(crate) fn raise(&mut self, to: u64) {
        self.0 = self.0.max(to);
    }
}

/// Counts and worst figures of one scenario, or of many.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Events that happened.
    pub events: u64,
    /// Blobs stored.
    pub stored: u64,
    /// Blobs refused because they were wrong.
    pub wrong: u64,
    /// Blobs refused for want of room.
    pub refused: u64,
    /// Bytes of blobs that came.
    pub received: u64,
    /// Bytes of blobs that came for nothing.
    pub wasted_all: u64,
    /// Wants told.
    pub wants_told: u64,
    /// Tasks that had to complete, and did.
    pub completed: u64,
    /// Wakes of one machine in one second.
    pub wakes: Worst,
    /// Requests out for one blob at once.
    pub twice: Worst,
    /// Bytes of memory that others made one machine hold.
    pub memory: Worst,
    /// The same as a part of what is allowed, in percent.
    pub memory_part: Worst,
    /// Bytes held by a machine at rest, in percent of what is allowed.
    pub rest_part: Worst,
    /// Wants told on one connection, in percent of all blobs there are.
    pub wants: Worst,
    /// Wants told on one connection, of blobs that somebody made up.
    pub made_up: Worst,
    /// Bytes that came to one host for nothing.
    pub wasted: Worst,
    /// Seconds from the last fault to the last completion.
    pub late: Worst,
}

impl Figures {
    /// Counts add up, of the worst the greater stays.
    pub fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.stored += other.stored;
        self.wrong += other.wrong;
        self.refused += other.refused;
        self.received += other.received;
        self.completed += other.completed;
        self.wakes.raise(other.wakes.0);
        self.twice.raise(other.twice.0);
        self.memory.raise(other.memory.0);
        self.memory_part.raise(other.memory_part.0);
        self.rest_part.raise(other.rest_part.0);
        self.wants_told += other.wants_told;
        self.wasted_all += other.wasted_all;
        self.wants.raise(other.wants.0);
        self.made_up.raise(other.made_up.0);
        self.wasted.raise(other.wasted.0);
        self.late.raise(other.late.0);
    }
}
