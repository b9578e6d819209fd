//! The relay as a whole: its parts, its start and its end.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use metrics::Gauge;
use samara_core::message::Features;
use samara_core::{MemberId, PeerSecret, Topic};
use samara_node::{
    Asker, BindError, DhtConfig, Ledger, Millis, Node, NodeConfig, StatusFile, Wants, bind,
};
use samara_store::{Options, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::bridges::{self, Bridges};
use crate::config::{Config, OwnStun};
use crate::health::Health;
use crate::hosts::{Guest, Hosts};
use crate::ice::{Offer, Stun};
use crate::limits::Limits;
use crate::lookout::Lookout;
use crate::metrics::Metrics;
use crate::rates::Budget;
use crate::rooms::Rooms;
use crate::{http, page, socket};

/// A relay could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is nothing to listen on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] samara_store::OpenError),
    /// The peer's identity, which is in the store's folder, could not be had.
    #[error(transparent)]
    Identity(#[from] samara_node::IdentityError),
    /// The node could not start.
    #[error(transparent)]
    Node(#[from] samara_node::StartError),
    /// There is nothing to answer STUN on.
    #[error("STUN cannot be answered at {at}")]
    Stun {
        /// Where it was to be.
        at: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// A running relay. Dropped, it stops at once; [`Server::shutdown`] takes
/// leave of its peers first.
pub struct Server {
    addr: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
    _stop: DropGuard,
}

/// What the relay's parts share.
pub(crate) struct Shared {
    pub node: Node,
    pub rooms: Arc<Rooms>,
    /// Nothing if it is to have none to other relays.
    pub bridges: Option<Bridges>,
    pub lookout: Option<Lookout>,
    pub ice: Offer,
    pub metrics: Metrics,
    /// How many bytes all connections may have forwarded.
    pub forwarded: Option<Arc<Budget>>,
    pub limits: Limits,
    pub log_addresses: bool,
    pub sockets: TaskTracker,
    pub stop: CancellationToken,
    started: Instant,
    places: Arc<Semaphore>,
    hosts: Arc<Hosts>,
    numbers: AtomicU64,
}

/// One connection's place among those that may be at once.
pub(crate) struct Place {
    /// Tells connections apart in the log.
    pub number: u64,
    guest: Guest,
    connections: Gauge,
    _permit: OwnedSemaphorePermit,
}

/// Why a connection has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// There are as many connections as may be.
    Full,
    /// There are as many from this host as one may have.
    Host,
}

impl Server {
    /// Starts a relay on the current tokio runtime.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let (listener, addr) = bind(config.listen).await?;
        let (node, secret) = start_node(&config).await?;
        let stun = bind_stun(config.ice.own, addr).await?;
        let ice = Offer::new(&config.ice, stun.as_ref().map(|stun| stun.port));
        let metrics = Metrics::new();
        let stop = CancellationToken::new();
        let rooms = Arc::new(Rooms::new(&config.limits, metrics.rooms.clone()));
        let sockets = TaskTracker::new();
        let forwarded = Budget::forwarded_by_all(&config.limits).map(Arc::new);
        let bridges = config.bridges.then(|| {
            let (limits, metrics) = (config.limits.clone(), metrics.clone());
            let (sockets, stop) = (sockets.clone(), stop.clone());
            let (rooms, forwarded) = (Arc::clone(&rooms), forwarded.clone());
            Bridges::new(secret, rooms, limits, metrics, forwarded, sockets, stop)
        });
        let lookout = node.dht().zip(config.dht.as_ref()).map(|(dht, asked)| {
            let (limits, metrics) = (config.limits.clone(), metrics.clone());
            Lookout::new(
                dht,
                asked,
                Arc::clone(&rooms),
                bridges.clone(),
                limits,
                metrics,
                stop.clone(),
            )
        });
        let shared = Arc::new(Shared {
            node,
            rooms,
            bridges,
            lookout,
            ice,
            metrics,
            forwarded,
            places: Arc::new(Semaphore::new(config.limits.connections)),
            hosts: Hosts::new(config.limits.connections_per_host),
            limits: config.limits,
            log_addresses: config.log_addresses,
            sockets,
            stop: stop.clone(),
            started: Instant::now(),
            numbers: AtomicU64::new(1),
        });
        if let Some(stun) = stun {
            shared.sockets.spawn(stun.serve(stop.clone()));
        }
        let router = router(Arc::clone(&shared));
        let limits = shared.limits.clone();
        let serve = http::serve(listener, router, limits, stop.clone());
        Ok(Self {
            addr,
            shared,
            serving: tokio::spawn(serve),
            _stop: stop.drop_guard(),
        })
    }

    /// Where it listens, with the port that was free.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Accepts nobody any more, tells every peer, and waits for them and for
    /// the disk, at most [`Limits::stop`].
    pub async fn shutdown(self) {
        let Self {
            shared, serving, ..
        } = self;
        shared.stop.cancel();
        let abort = serving.abort_handle();
        let stopped = tokio::time::timeout(shared.limits.stop, async {
            shared.sockets.close();
            shared.sockets.wait().await;
            serving.await.expect("serving does not panic");
            if let Some(lookout) = &shared.lookout {
                lookout.ended().await;
            }
            shared.node.clone().shutdown().await;
        });
        if stopped.await.is_err() {
            tracing::warn!("some connections did not close in time");
            abort.abort();
        }
    }
}

impl Shared {
    /// A place for one more connection of a host.
    pub fn place(&self, host: IpAddr) -> Result<Place, NoPlace> {
        let guest = self.hosts.enter(host).ok_or(NoPlace::Host)?;
        let permit = Arc::clone(&self.places).try_acquire_owned();
        let permit = permit.map_err(|_| NoPlace::Full)?;
        self.metrics.connections_total.increment(1);
        let connections = self.metrics.connections.clone();
        connections.increment(1);
        Ok(Place {
            number: self.numbers.fetch_add(1, Ordering::Relaxed),
            guest,
            connections,
            _permit: permit,
        })
    }

    /// Takes a member out of a room.
    pub fn leave(&self, topic: Topic, member: MemberId) {
        let empty = self.rooms.leave(topic, member);
        if let (true, Some(lookout)) = (empty, &self.lookout) {
            lookout.emptied(&topic);
        }
    }

    fn connections(&self) -> usize {
        self.limits.connections - self.places.available_permits()
    }
}

impl Place {
    /// Whose connection it is.
    pub const fn host(&self) -> IpAddr {
        self.guest.host
    }

    /// On whose behalf the DHT is asked for this connection.
    pub fn asker(&self) -> Asker {
        self.guest.asker(self.number)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.decrement(1);
    }
}

fn router(shared: Arc<Shared>) -> Router {
    let mut router = page::router()
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/ws", get(socket::accept));
    if shared.bridges.is_some() {
        router = router.route(bridges::ENDPOINT, get(bridges::accept));
    }
    page::with_headers(router).with_state(shared)
}

async fn health(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let health = Health::new(
        shared.started.elapsed(),
        shared.connections(),
        shared.rooms.len(),
        shared.node.store().stats(),
    );
    ([(CACHE_CONTROL, "no-store")], Json(health))
}

async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let node = &shared.node;
    let dht = shared.lookout.as_ref().map(Lookout::figures);
    let text = shared
        .metrics
        .render(node.store().stats(), node.sweep(), dht);
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")], text)
}

/// The relay's own STUN server, if it is to have one. Where nobody asked for
/// it, a port that another process has is no reason not to start.
async fn bind_stun(own: OwnStun, listen: SocketAddr) -> Result<Option<Stun>, StartError> {
    match own {
        OwnStun::At(at) => {
            let bound = Stun::bind(at).await;
            bound
                .map(Some)
                .map_err(|source| StartError::Stun { at, source })
        }
        OwnStun::AsListen if !listen.ip().is_loopback() => {
            let bound = Stun::bind(listen).await;
            Ok(bound
                .inspect_err(|error| {
                    tracing::warn!(%error, at = %listen, "STUN is not answered: name --stun-listen");
                })
                .ok())
        }
        OwnStun::AsListen => {
            tracing::warn!(
                "STUN is not answered, since only this machine reaches the relay: \
                 behind a proxy, name --stun-listen"
            );
            Ok(None)
        }
        OwnStun::Off => Ok(None),
    }
}

async fn start_node(config: &Config) -> Result<(Node, PeerSecret), StartError> {
    let (dir, max_bytes) = (config.store.clone(), config.max_store);
    let opened = tokio::task::spawn_blocking(move || open_store(&dir, max_bytes)).await;
    let (store, identity) = opened.expect("opening a store does not panic")?;
    let mut node = NodeConfig::new(store, identity.clone());
    node.ledger = Some(Ledger::beside(&config.store));
    node.wants = Some(Wants::beside(&config.store));
    node.status = Some(StatusFile::beside(&config.store));
    node.features = Features::ROOMS;
    node.generosity.sympathy = config.sympathy;
    node.keep.clone_from(&config.peers);
    // The relay's own limit comes first.
    node.limits.connections = config.limits.connections.saturating_add(1);
    let seek_after = u64::try_from(config.limits.seek_after.as_millis());
    node.limits.lookup_blobs_after = Millis(seek_after.unwrap_or(u64::MAX));
    node.dht = config.dht.as_ref().map(|dht| DhtConfig {
        bootstrap: dht.bootstrap.clone(),
        ..DhtConfig::default()
    });
    let swept = config
        .dht
        .as_ref()
        .filter(|dht| dht.announce_port.is_some());
    node.sweep = swept.and_then(|dht| dht.announce_blobs);
    node.announce_port = swept.and_then(|dht| dht.announce_port);
    Ok((Node::start(node).await?, identity))
}

fn open_store(
    dir: &Path,
    max_bytes: Option<std::num::NonZeroU64>,
) -> Result<(Store, PeerSecret), StartError> {
    let store = Store::open(dir, Options { max_bytes })?;
    let identity = samara_node::identity(dir)?;
    Ok((store, identity))
}
