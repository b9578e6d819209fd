//! Runs a peer in a browser's worker.
//!
//! [`Peer`] owns the machine of `samara-swarm` and does what it says: keeps
//! blobs in `IndexedDB`, exchanges messages over `WebSocket`s and data
//! channels, reads files. What only a page can do, making WebRTC connections,
//! it asks of its [`Host`], the worker's script in `web/client`. [`codec`]
//! gives JavaScript the formats alone.
//!
//! Callbacks from JavaScript never reach into the machine: they leave an
//! input and the driver's loop takes it, so nothing is borrowed twice.

mod alarm;
mod buffer;
pub mod codec;
mod driver;
mod error;
mod handlers;
mod hash;
mod host;
mod number;
mod peer;
mod read;
mod seed;
mod store;
mod transfers;
mod transport;
mod wants;

pub use host::Host;
pub use peer::Peer;
pub use transport::Channel;
