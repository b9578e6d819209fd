//! Virtual time, in microseconds: serialization on a fast link is shorter
//! than the machine's milliseconds.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// Microseconds since the scenario began.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub u64);

/// A span of virtual time in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub u64);

impl Moment {
    /// The scenario's beginning.
    pub const START: Self = Self(0);

    /// The machine's view: whole milliseconds.
    pub const fn millis(self) -> u64 {
        self.0 / 1000
    }

    /// The moment a machine means by so many milliseconds.
    pub const fn of_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1000))
    }

    /// Whole seconds.
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl Span {
    /// No time.
    pub const ZERO: Self = Self(0);

    /// A span in milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(millis * 1000)
    }

    /// A span in seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds * 1_000_000)
    }

    /// How long `bytes` take at `rate` bytes per second.
    pub const fn to_move(bytes: u64, rate: u64) -> Self {
        Self(bytes.saturating_mul(1_000_000) / rate)
    }

    /// This span so many times.
    #[must_use]
    pub const fn times(self, factor: u64) -> Self {
        Self(self.0 * factor)
    }

    /// In seconds, for people.
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    pub const fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Add<Span> for Moment {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for Moment {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Sub for Moment {
    type Output = Span;

    fn sub(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add for Span {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.seconds(), self.millis() % 1000)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Moment(self.0).fmt(f)
    }
}
