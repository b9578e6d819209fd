//! The Mainline DHT (BEP 5): who holds what a topic stands for.
//!
//! Queries wait for strangers' nodes, so only some run at once; the rest wait
//! their turn. A value in the DHT is an address and a port, which for us is
//! that of a WebSocket. What cannot be anybody's on the internet is left out
//! here, for whoever asks.

mod turns;

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, ToSocketAddrs as _};

use futures_util::StreamExt as _;
use mainline::Id;
use mainline::async_dht::{AsyncDht, GetStream};
use samara_core::{BlobId, Topic};

use crate::address::Allowed;
use crate::config::DhtConfig;
use crate::sweep;
pub use turns::Asker;
use turns::{Kind, Turn, Turns, Waiting};

/// A node of the DHT. Clones are the same node.
#[derive(Clone, Debug)]
pub struct Dht {
    mainline: AsyncDht,
    allowed: Allowed,
    turns: Turns,
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

/// A lookup on behalf of others, who take turns.
pub struct Queued {
    dht: Dht,
    key: [u8; 20],
    waiting: Waiting,
}

/// A lookup whose turn has come, until it is dropped.
pub struct Due {
    dht: Dht,
    key: [u8; 20],
    turn: Turn,
}

/// A query for a topic's holders.
pub struct Lookup {
    answers: GetStream<Vec<SocketAddrV4>>,
    allowed: Allowed,
    _turn: Turn,
}

impl Dht {
    /// Opens the socket and starts to get to know the network.
    pub async fn start(config: DhtConfig) -> Result<Self, DhtError> {
        let allowed = Allowed::of(&config);
        let started = tokio::task::spawn_blocking(move || build(&config)).await;
        let mainline = started.expect("opening a socket does not panic")?;
        let turns = Turns::default();
        Ok(Self {
            mainline,
            allowed,
            turns,
        })
    }

    /// Asks for the topic's holders; answers come as they are found.
    pub async fn lookup(&self, topic: Topic) -> Lookup {
        self.get_peers(*topic.as_bytes()).await
    }

    /// The same on behalf of others, who take turns; see [`Queued::behind`].
    pub fn queue(&self, topic: Topic) -> Queued {
        self.queue_key(*topic.as_bytes())
    }

    /// Asks for those who announced the blob.
    pub async fn lookup_blob(&self, blob: &BlobId) -> Lookup {
        self.get_peers(sweep::key_of(blob)).await
    }

    async fn get_peers(&self, key: [u8; 20]) -> Lookup {
        let mut queued = self.queue_key(key);
        queued.behind(Asker::User);
        queued.due().await.begin()
    }

    fn queue_key(&self, key: [u8; 20]) -> Queued {
        Queued {
            dht: self.clone(),
            key,
            waiting: self.turns.wait(Kind::Lookup),
        }
    }

    /// Lookups that wait for their turn.
    pub fn lookups_waiting(&self) -> usize {
        self.turns.waiting(Kind::Lookup)
    }

    /// Announcements that wait for their turn.
    pub fn announcements_waiting(&self) -> usize {
        self.turns.waiting(Kind::Announcement)
    }

    /// This machine's address as other nodes see it, once they have said so.
    pub async fn public_ip(&self) -> Option<Ipv4Addr> {
        let info = self.mainline.info().await;
        info.public_address().map(|address| *address.ip())
    }

    /// Tells the DHT that the topic is to be had from this machine's port.
    pub async fn announce(&self, topic: Topic, port: u16) -> Result<(), AnnounceError> {
        self.announce_for(&[Asker::User], topic, port).await
    }

    /// The same on behalf of others, of whom there is at least one, who take turns.
    pub async fn announce_for(
        &self,
        askers: &[Asker],
        topic: Topic,
        port: u16,
    ) -> Result<(), AnnounceError> {
        let mut waiting = self.turns.wait(Kind::Announcement);
        for asker in askers {
            waiting.behind(*asker);
        }
        let _turn = waiting.turn().await;
        let announced = self
            .mainline
            .announce_peer(Id::from(topic.as_bytes()), Some(port));
        let announced = announced.await;
        announced.map_err(|error| AnnounceError(error.to_string()))?;
        Ok(())
    }
}

impl Queued {
    /// Waits in this one's line, too, if it does not already: whichever comes first.
    pub fn behind(&mut self, asker: Asker) {
        self.waiting.behind(asker);
    }

    /// Waits for the turn, which comes once. Nothing is lost if the future is
    /// dropped before.
    pub async fn due(&mut self) -> Due {
        let turn = self.waiting.turn().await;
        Due {
            dht: self.dht.clone(),
            key: self.key,
            turn,
        }
    }
}

impl Due {
    /// Asks. The query goes on until all have answered, also if nobody waits.
    pub fn begin(self) -> Lookup {
        Lookup {
            answers: self.dht.mainline.get_peers(Id::from(self.key)),
            allowed: self.dht.allowed,
            _turn: self.turn,
        }
    }
}

impl Lookup {
    /// More holders; `None` when all nodes have answered.
    pub async fn next(&mut self) -> Option<Vec<SocketAddrV4>> {
        let mut found = self.answers.next().await?;
        found.retain(|address| self.allowed.lets_pass(*address));
        Some(found)
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

#[cfg(test)]
mod tests {
    use mainline::Testnet;

    use super::*;

    const TOPIC: Topic = Topic::from_bytes([0xa7; 20]);

    async fn found(dht: &Dht) -> Vec<SocketAddrV4> {
        let mut lookup = dht.lookup(TOPIC).await;
        let mut found = Vec::new();
        while let Some(addresses) = lookup.next().await {
            found.extend(addresses);
        }
        found
    }

    /// Else anybody could have this machine knock at others in its own network.
    #[tokio::test(flavor = "multi_thread")]
    async fn only_a_dht_of_ones_own_may_name_this_machine() {
        let testnet = tokio::task::spawn_blocking(|| Testnet::builder(5).build().unwrap());
        let testnet = testnet.await.unwrap();
        let config = DhtConfig {
            bootstrap: Some(testnet.bootstrap.clone()),
            bind: Some(Ipv4Addr::LOCALHOST),
            port: Some(0),
        };
        let own = Dht::start(config).await.unwrap();
        own.announce(TOPIC, 4001).await.unwrap();
        let here = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 4001);
        assert!(found(&own).await.contains(&here));

        let public = Dht {
            allowed: Allowed::Public,
            ..own
        };
        assert!(found(&public).await.is_empty());
    }

    #[test]
    fn the_public_dht_is_the_one_entered_without_nodes_of_ones_own() {
        let mut config = DhtConfig::default();
        assert_eq!(Allowed::of(&config), Allowed::Public);
        config.bootstrap = Some(vec!["127.0.0.1:1".into()]);
        assert_eq!(Allowed::of(&config), Allowed::Any);
    }
}
