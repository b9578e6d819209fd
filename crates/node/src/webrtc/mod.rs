//! The WebRTC transport: data channels to members of rooms, agreed on through
//! a relay and made without it (`docs/protocol.md`, "Signaling").
//!
//! Each connection is a task that owns a peer connection of the crate
//! `webrtc`: it describes this end, takes what the other end says, and once
//! the one channel is open carries messages on it, as a browser does.

mod binding;
mod candidate;
mod carry;
mod ends;
mod ice;
mod make;
mod peer;
mod port;
mod ports;
mod runtime;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use samara_core::message::IceServer as Named;
use samara_swarm::Signal;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bind::BindError;
use crate::connection::Attached;
use crate::doubt::{Doubt, Doubted};
pub use ice::{IceServer, IceServerError, WebRtcConfig};
use peer::Peer;
use port::Port;
use ports::Ports;
pub use ports::{PortRange, PortRangeError};

/// What the other end said that its task has not yet taken. A browser on a
/// machine with many interfaces finds some twenty candidates; what is more is
/// dropped, since anybody who knows a link can send any number.
const SIGNALS: usize = 64;

/// Who begins.
pub(crate) enum Role {
    /// This side makes the offer.
    Offer,
    /// The other side made this offer.
    Answer(String),
}

/// What both ends know of a channel.
struct Agreed {
    /// Longest message in bytes.
    max_message: usize,
    /// That of [`samara_swarm::Input::Connected`].
    binding: Bytes,
}

/// Makes data channels.
pub(crate) struct WebRtc {
    ways: Arc<Ways>,
    tasks: TaskTracker,
}

/// What every connection is made with.
struct Ways {
    config: WebRtcConfig,
    /// For connections that others begin.
    port: Port,
    /// For all others.
    ports: Arc<Ports>,
    /// Servers that relays named.
    named: RwLock<Vec<IceServer>>,
    /// Told where a channel that stood went silent.
    doubt: Doubt,
}

impl WebRtc {
    pub fn start(config: WebRtcConfig, tasks: TaskTracker) -> Result<Self, BindError> {
        let ports = Ports::new(config.ports);
        let port = Port::bind(config.port, &ports, &tasks)?;
        let named = RwLock::default();
        let ways = Arc::new(Ways {
            config,
            port,
            ports,
            named,
            doubt: Doubt::new(),
        });
        Ok(Self { ways, tasks })
    }

    /// Hears when a channel that stood goes silent.
    pub fn doubted(&self) -> Doubted {
        self.ways.doubt.listen()
    }

    /// Uses these servers for what is begun from now on, after those of the
    /// configuration.
    pub fn use_servers(&self, servers: Vec<Named>) {
        let servers = servers.into_iter().filter_map(IceServer::named);
        let mut named = self
            .ways
            .named
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *named = servers.collect();
        tracing::debug!(
            servers = named.len(),
            "relays named servers for data channels"
        );
    }

    /// Begins a connection; the sender takes what the other end says.
    /// `stop` ends the attempt only.
    pub fn connect(
        &self,
        role: Role,
        attached: Attached,
        stop: CancellationToken,
    ) -> mpsc::Sender<Signal> {
        let (said, signals) = mpsc::channel(SIGNALS);
        let ways = Arc::clone(&self.ways);
        let tasks = self.tasks.clone();
        self.tasks.spawn(async move {
            let Attached { incoming, outgoing } = attached;
            match Peer::new(&ways, &role, signals, tasks).await {
                Ok(mut peer) => {
                    let reason = peer.run(role, &incoming, outgoing, stop).await;
                    incoming.close(reason).await;
                    peer.close().await;
                }
                Err(error) => {
                    let reason = format!("this node cannot open a data channel: {error}");
                    incoming.close(reason).await;
                }
            }
        });
        said
    }
}
