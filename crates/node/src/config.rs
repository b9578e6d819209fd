//! What a node is told at its start.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use samara_core::PeerSecret;
use samara_core::message::Features;
use samara_store::Store;
use samara_swarm::{Generosity, Limits, Rates};

use crate::ledger::Ledger;
use crate::status::StatusFile;
use crate::url::PeerUrl;
use crate::wants::Wants;
use crate::webrtc::WebRtcConfig;

/// How a node runs. Start from [`NodeConfig::new`] and set what differs.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Where blobs are kept.
    pub store: Store,
    /// Who this peer is to others, see [`crate::identity()`].
    pub identity: PeerSecret,
    /// Where bytes exchanged with each identity are added up.
    pub ledger: Option<Ledger>,
    /// Where wants of others outlast a restart.
    pub wants: Option<Wants>,
    /// Where others read how this node is doing.
    pub status: Option<StatusFile>,
    /// Accept WebSockets at `/ws` here. Port 0 takes any free one, see
    /// [`crate::Node::listen_addr`].
    pub listen: Option<SocketAddr>,
    /// Relays and peers to stay connected to.
    pub keep: Vec<PeerUrl>,
    /// Find others, and be found, by the Mainline DHT.
    pub dht: Option<DhtConfig>,
    /// Announce every blob of the store in the DHT; needs a port to announce.
    pub sweep: Option<SweepConfig>,
    /// Open data channels to members of rooms; they learn this machine's
    /// addresses. `None` meets them through the relay.
    pub webrtc: Option<WebRtcConfig>,
    /// What this node offers beyond the machine's own abilities.
    pub features: Features,
    /// The port under which others reach this node's `/ws`. Without it, that of
    /// `listen` is announced if it was chosen and not left to the system, or this
    /// machine has an address on the internet, or the DHT is one's own.
    pub announce_port: Option<u16>,
    /// What this node does for others.
    pub generosity: Generosity,
    /// How fast it may be.
    pub rates: Rates,
    /// How much of everything.
    pub limits: Limits,
}

impl NodeConfig {
    /// A node that neither listens nor dials.
    pub fn new(store: Store, identity: PeerSecret) -> Self {
        Self {
            store,
            identity,
            ledger: None,
            wants: None,
            status: None,
            listen: None,
            keep: Vec::new(),
            dht: None,
            sweep: None,
            webrtc: None,
            features: Features::default(),
            announce_port: None,
            generosity: Generosity::default(),
            rates: Rates::default(),
            limits: Limits::default(),
        }
    }
}

/// How a node takes part in the DHT.
#[derive(Clone, Debug, Default)]
pub struct DhtConfig {
    /// Nodes to enter by, as `host:port`; `None` is the public network's. In that
    /// one only addresses on the internet are taken from others; in one's own,
    /// any.
    pub bootstrap: Option<Vec<String>>,
    /// Address to send from; `None` is any.
    pub bind: Option<Ipv4Addr>,
    /// UDP port; `None` takes 6881 or any free one.
    pub port: Option<u16>,
}

/// How blobs are announced in the DHT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepConfig {
    /// From one announcement of a blob to the next.
    pub interval: Duration,
    /// UDP packets a second at most, those received included.
    pub packets: u32,
}

impl Default for SweepConfig {
    /// Enough for a hundred thousand blobs.
    fn default() -> Self {
        Self {
            interval: Duration::from_mins(15),
            packets: 2500,
        }
    }
}
