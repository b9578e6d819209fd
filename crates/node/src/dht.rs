//! The Mainline DHT (BEP 5): who holds what a topic stands for.
//!
//! Queries wait for strangers' nodes, so only some run at once; the rest wait
//! their turn. A value in the DHT is an address and a port, which for us is
//! that of a WebSocket.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, ToSocketAddrs as _};
use std::sync::Arc;

use futures_util::StreamExt as _;
use mainline::Id;
use mainline::async_dht::{AsyncDht, GetStream};
use samara_core::{BlobId, Topic};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::DhtConfig;
use crate::sweep;

/// Queries at once. More overflow the socket's receive buffer at its default
/// size, and queries fail.
const QUERIES: usize = 8;

/// A node of the DHT. Clones are the same node.
#[derive(Clone, Debug)]
pub struct Dht {
    dht: AsyncDht,
    queries: Arc<Semaphore>,
}

/// The DHT could not be entered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DhtError {
    /// A bootstrap node's name or address leads nowhere.
    #[error("the DHT node {0} has no IPv4 address; write it as host:port")]
    Bootstrap(String),
    /// The UDP socket could not be opened.
    #[error("the DHT's UDP port cannot be opened; choose another or leave the DHT off")]
    Socket(#[source] io::Error),
    /// No id can be made up for a node.
    #[error("the system gives no random bytes")]
    Random,
}

/// A topic could not be announced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no DHT node took the announcement; check that UDP traffic is allowed: {0}")]
pub struct AnnounceError(String);

/// A query for a topic's holders.
pub struct Lookup {
    answers: GetStream<Vec<SocketAddrV4>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Dht {
    /// Opens the socket and starts to get to know the network.
    pub async fn start(config: DhtConfig) -> Result<Self, DhtError> {
        let started = tokio::task::spawn_blocking(move || build(&config)).await;
        let dht = started.expect("opening a socket does not panic")?;
        let queries = Arc::new(Semaphore::new(QUERIES));
        Ok(Self { dht, queries })
    }

    /// Asks for the topic's holders; answers come as they are found.
    pub async fn lookup(&self, topic: Topic) -> Lookup {
        self.get_peers(*topic.as_bytes()).await
    }

    /// Asks for those who announced the blob.
    pub async fn lookup_blob(&self, blob: &BlobId) -> Lookup {
        self.get_peers(sweep::key_of(blob)).await
    }

    async fn get_peers(&self, key: [u8; 20]) -> Lookup {
        let permit = Arc::clone(&self.queries).acquire_owned().await.ok();
        let answers = self.dht.get_peers(Id::from(key));
        Lookup {
            answers,
            _permit: permit,
        }
    }

    /// This machine's address as other nodes see it, once they have said so.
    pub async fn public_ip(&self) -> Option<Ipv4Addr> {
        let info = self.dht.info().await;
        info.public_address().map(|address| *address.ip())
    }

    /// Tells the DHT that the topic is to be had from this machine's port.
    pub async fn announce(&self, topic: Topic, port: u16) -> Result<(), AnnounceError> {
        let _permit = self.queries.acquire().await;
        let announced = self
            .dht
            .announce_peer(Id::from(topic.as_bytes()), Some(port));
        let announced = announced.await;
        announced.map_err(|error| AnnounceError(error.to_string()))?;
        Ok(())
    }
}

impl Lookup {
    /// More holders; `None` when all nodes have answered.
    pub async fn next(&mut self) -> Option<Vec<SocketAddrV4>> {
        self.answers.next().await
    }
}

fn build(config: &DhtConfig) -> Result<AsyncDht, DhtError> {
    let mut builder = mainline::Dht::builder();
    if let Some(names) = &config.bootstrap {
        builder.bootstrap(&resolve(names)?);
    }
    if let Some(address) = config.bind {
        builder.bind_address(address);
    }
    if let Some(port) = config.port {
        builder.port(port);
    }
    let dht = builder.build().map_err(DhtError::Socket)?;
    Ok(dht.as_async())
}

pub(crate) fn resolve(names: &[String]) -> Result<Vec<std::net::SocketAddr>, DhtError> {
    let mut addresses = Vec::new();
    for name in names {
        let found = name.to_socket_addrs().into_iter().flatten();
        let before = addresses.len();
        addresses.extend(found.filter(std::net::SocketAddr::is_ipv4));
        if addresses.len() == before {
            return Err(DhtError::Bootstrap(name.clone()));
        }
    }
    Ok(addresses)
}
