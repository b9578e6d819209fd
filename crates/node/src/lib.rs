//! Runs a peer on tokio: the machine of `samara-swarm` with sockets, a disk
//! and the DHT around it.
//!
//! One task owns the machine ([`Node`] is a handle to it). Transports are
//! tasks that exchange whole messages with it; hashing, opening and the disk
//! run on the blocking pool; nothing on the way copies a blob. What a peer
//! decides is the machine's, what a blob means is `samara-core`'s.

mod address;
mod announced;
mod bind;
mod config;
mod connection;
mod destination;
mod dht;
mod disk;
mod doubt;
mod driver;
mod flush;
mod identity;
mod ingest;
mod ledger;
mod moved;
mod node;
mod replace;
mod save;
mod status;
mod stream;
mod sweep;
mod transfer;
mod url;
mod wants;
mod webrtc;
mod websocket;
mod written;

pub use bind::{BindError, bind};
pub use config::{DhtConfig, NodeConfig, SweepConfig};
pub use connection::{Attached, Incoming, Outgoing, Stopped};
pub use destination::{Destination, DestinationError};
pub use dht::{AnnounceError, Asker, Dht, DhtError, Due, Lookup, Queued};
pub use identity::{IdentityError, identity};
pub use ingest::{IngestError, Ingested, ingest};
pub use ledger::{Account, Ledger, LedgerError};
pub use node::{Node, NodeEvent, StartError};
pub use samara_swarm::{
    Cause, Detour, Generosity, Limits, Millis, Order, Pair, Path, Problem, Progress, Rate, Rates,
    Source, State, Target, Traffic, TransferFailure,
};
pub use save::SaveError;
pub use status::{ConnectedPeer, KnownPeer, Live, Said, Status, StatusError, StatusFile};
pub use stream::{StreamError, Streamer};
pub use sweep::{Sweep, SweepStats, SweepView};
pub use transfer::{Transfer, TransferError, TransferEvent};
pub use url::{PeerUrl, PeerUrlError};
pub use wants::{Want, Wants};
pub use webrtc::{IceServer, IceServerError, PortRange, PortRangeError, WebRtcConfig};
