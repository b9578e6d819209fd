//! What the processes of the store's crash tests say to each other.
//!
//! A `putter` works on a store and reports every step on its standard output;
//! a test ends it at a random moment, opens the store itself and compares what
//! is there with what was reported.

pub mod event;
pub mod ledger;
pub mod process;
pub mod random;
