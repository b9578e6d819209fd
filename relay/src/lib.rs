//! The public server: the page, rooms where holders of a link meet, a keeper
//! of pushed blobs, and eyes in the DHT for browsers.
//!
//! A relay helps peers and learns as little as it can: rooms are named by
//! topics that say nothing, signals are sealed, blobs are ciphertext. What it
//! forwards it does not keep; what it keeps, nobody can open without a link it
//! never sees. `docs/relay.md` says what remains visible to an operator.
//!
//! The blob protocol is spoken by the node of `samara-node`; this crate owns
//! the sockets and takes out of them the messages about rooms.

mod bridges;
mod config;
mod ending;
mod health;
mod heard;
mod host;
mod hosts;
mod http;
mod ice;
mod limits;
mod log;
mod lookout;
mod metrics;
mod page;
mod rates;
mod rooms;
mod run;
mod server;
mod socket;
mod spread;

pub use config::{Config, DEFAULT_PORT, Dht, Ice, LogFormat, OwnStun};
pub use ice::{EmptySecret, IceUrl, IceUrlError, TurnSecret};
pub use limits::Limits;
pub use run::{RunError, run};
pub use server::{Server, StartError};
