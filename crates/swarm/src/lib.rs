//! A peer as a state machine without IO: decides what a peer does next.
//!
//! Give [`Swarm::handle`] what happened, then call [`Swarm::poll`] until it
//! returns `None` and do what it says; call `handle` with [`Input::Tick`] at
//! [`Swarm::wake_at`]. The machine knows no clock, socket, thread or
//! randomness of its own, so the same machine runs in a browser's worker, in a
//! native node and in a simulated network. It is deterministic: the same
//! inputs with the same seed give the same outputs.
//!
//! Bytes, files and cryptography of blobs are `samara-core`'s; sockets, disks
//! and clocks are the drivers'.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod face;
mod limits;
mod time;

pub use face::{
    Address, Config, ConnectionId, Event, Input, Output, Path, Progress, Signal, Source, State,
    StoreFailure, Target, TransferFailure, TransferId,
};
pub use limits::Limits;
pub use time::{Millis, Time};

/// The machine.
pub struct Swarm {}

impl Swarm {
    /// A peer that knows nobody. `seed` is the machine's only randomness:
    /// take it from the system's generator.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let _ = (config, seed);
        Self {}
    }

    /// An id for a connection that somebody else dialed.
    pub fn connection(&mut self) -> ConnectionId {
        ConnectionId(0)
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Time, input: Input) {
        let _ = (now, input);
    }

    /// What to do next. Drain it after every [`Swarm::handle`].
    pub fn poll(&mut self) -> Option<Output> {
        None
    }

    /// When to call [`Swarm::handle`] with [`Input::Tick`] if nothing happens
    /// before.
    pub fn wake_at(&self) -> Option<Time> {
        None
    }

    /// How a transfer stands; `None` if it was never opened or was dropped.
    pub fn progress(&self, transfer: TransferId) -> Option<Progress> {
        let _ = transfer;
        None
    }

    /// Every peer whose handshake is done.
    pub fn peers(&self) -> alloc::vec::Vec<Source> {
        alloc::vec::Vec::new()
    }
}
