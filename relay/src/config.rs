//! What an operator decides.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use samara_node::{Generosity, PeerUrl, SweepConfig};

use crate::ice::{IceUrl, TurnSecret};
use crate::limits::Limits;

/// The port where nothing else is said.
pub const DEFAULT_PORT: u16 = 8787;

/// How a relay is to run. Change what [`Config::new`] says.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The folder of the blobs it keeps, made if it is missing.
    pub store: PathBuf,
    /// Bytes of blobs to keep at most; the least recently used go. Without
    /// it, as many as the disk takes.
    pub max_store: Option<NonZeroU64>,
    /// Other relays and peers to stay connected to: wants travel there.
    pub peers: Vec<PeerUrl>,
    /// How many hops away somebody may be whose wants the relay shares; 0
    /// keeps nothing for anybody.
    pub sympathy: u8,
    /// Find native peers for browsers in the Mainline DHT. `None` is off.
    pub dht: Option<Dht>,
    /// Have bridges to other relays that the DHT names for the same topics, so
    /// that members of each meet.
    pub bridges: bool,
    /// Servers that help peers' data channels through routers.
    pub ice: Ice,
    /// The form of the log that [`crate::run`] writes to standard error.
    pub log: LogFormat,
    /// Put the other end's address into the log. Off, the log tells
    /// connections apart by a number only.
    pub log_addresses: bool,
    /// How much of everything.
    pub limits: Limits,
}

/// The Mainline DHT.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dht {
    /// First nodes to ask, as `host:port`. `None` means the public ones.
    ///
    /// In the public DHT, addresses that lead nowhere from outside are left
    /// out of what browsers are told; among nodes of one's own they are not.
    pub bootstrap: Option<Vec<String>>,
    /// The TCP port under which the world reaches this relay. Given, the relay
    /// announces the topics of its rooms, so that native peers find it.
    pub announce_port: Option<u16>,
    /// Under that port, announce every blob of the store too, so that whoever
    /// misses one and knows nobody finds this relay.
    pub announce_blobs: Option<SweepConfig>,
}

/// STUN and TURN servers: what peers that come are told.
#[derive(Debug, Clone)]
pub struct Ice {
    /// The relay's own STUN server.
    pub own: OwnStun,
    /// Other STUN servers.
    pub stun: Vec<IceUrl>,
    /// TURN servers. Nobody is told of them without a secret.
    pub turn: Vec<IceUrl>,
    /// What the TURN servers make credentials from, too.
    pub turn_secret: Option<TurnSecret>,
    /// For how long credentials hold; the peers that stay get new ones in
    /// time. At least a minute.
    pub turn_lifetime: Duration,
}

impl Default for Ice {
    /// Its own STUN server where others can reach it.
    fn default() -> Self {
        Self {
            own: OwnStun::default(),
            stun: Vec::new(),
            turn: Vec::new(),
            turn_secret: None,
            turn_lifetime: Duration::from_hours(1),
        }
    }
}

/// Where a relay answers STUN itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OwnStun {
    /// At the address of [`Config::listen`], by UDP, unless that is for this
    /// machine only: nobody there is behind a router.
    #[default]
    AsListen,
    /// Here.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// This machine only, no DHT, a store without a limit.
    pub fn new(store: PathBuf) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)),
            store,
            max_store: None,
            peers: Vec::new(),
            sympathy: Generosity::default().sympathy,
            dht: None,
            bridges: true,
            ice: Ice::default(),
            log: LogFormat::default(),
            log_addresses: false,
            limits: Limits::default(),
        }
    }
}
