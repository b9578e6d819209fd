//! Bridges to other relays: members of one topic meet, on whichever relay each
//! of them is (`docs/protocol.md`, "Bridges").
//!
//! Relays find each other in the DHT under the topics of their rooms. Two have
//! one bridge, on which each tells the other of its own members of topics that
//! both have, and forwards what they seal for each other.

mod book;
mod carry;
mod dial;
mod frame;
mod greet;
mod open;
mod shunned;

use std::net::SocketAddrV4;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use samara_core::identity::Role;
use samara_core::{PeerSecret, Topic};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::host::host;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::rates::Budget;
use crate::rooms::Rooms;
use crate::server::Shared;
use book::Book;
use open::Open;
use shunned::Shunned;

/// The path of the endpoint.
pub(crate) const ENDPOINT: &str = "/bridge";

/// The longest message that is read: twice what may come, so that whoever sends
/// a longer one is told why it is cut off.
fn longest(limits: &Limits) -> usize {
    2 * limits.signal.max(limits.members_told * 9)
}

/// All bridges of one relay; clones are the same.
#[derive(Clone)]
pub(crate) struct Bridges(Arc<Inner>);

struct Inner {
    secret: PeerSecret,
    rooms: Arc<Rooms>,
    limits: Limits,
    metrics: Metrics,
    open: Open,
    book: Mutex<Book>,
    shunned: Mutex<Shunned>,
    dials: Semaphore,
    redials: Semaphore,
    /// How many members all bridges may tell of.
    told: Budget,
    /// How many bytes all connections may have forwarded, these among them.
    forwarded: Option<Arc<Budget>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Bridges {
    pub fn new(
        secret: PeerSecret,
        rooms: Arc<Rooms>,
        limits: Limits,
        metrics: Metrics,
        forwarded: Option<Arc<Budget>>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        Self(Arc::new(Inner {
            open: Open::new(limits.bridges),
            book: Mutex::new(Book::new(&limits)),
            dials: Semaphore::new(limits.relay_dials),
            redials: Semaphore::new(limits.relay_dials.div_ceil(2)),
            shunned: Mutex::new(Shunned::new(limits.bridge_shunned)),
            told: Budget::told_by_all(&limits),
            forwarded,
            secret,
            rooms,
            limits,
            metrics,
            tasks,
            stop,
        }))
    }

    /// The DHT names these addresses for a topic that somebody here is in the
    /// room of. Whether a relay is there shows when they are dialed.
    pub fn found(&self, topic: Topic, addresses: &[SocketAddrV4]) {
        for address in addresses {
            let bridged = |peer: &_| self.0.open.get(peer);
            let known = self.book().found(*address, topic, bridged);
            match known {
                book::Known::Bridged(bridge) => self.0.rooms.share(topic, &bridge),
                book::Known::Waits => {}
                book::Known::Dial => {
                    let dialing = dial::run(self.clone(), *address);
                    let stop = self.0.stop.clone();
                    let dialing = stop.run_until_cancelled_owned(dialing);
                    self.0.tasks.spawn(dialing);
                }
            }
        }
    }

    fn shunned(&self) -> MutexGuard<'_, Shunned> {
        let shunned = self.0.shunned.lock();
        shunned.unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing can panic while the lock is held and half a change is made.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `GET /bridge`.
pub(crate) async fn accept(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(from): ConnectInfo<std::net::SocketAddr>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let bridges = shared.bridges.clone();
    let host = host(from.ip(), &headers);
    let Some((bridges, place)) = bridges.and_then(|bridges| {
        if bridges.shunned().has_host(host) {
            return None;
        }
        let place = bridges.0.open.place(host)?;
        Some((bridges, place))
    }) else {
        let text = "this relay has no place for a bridge from there now\n";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    if shared.log_addresses {
        tracing::debug!(%from, "a relay dialed");
    }
    let longest = longest(&bridges.0.limits);
    upgrade
        .max_message_size(longest)
        .max_frame_size(longest)
        .on_upgrade(move |socket| {
            let tracked = bridges.0.tasks.clone();
            tracked.track_future(async move {
                let (sink, stream) = socket.split();
                let sink = frame::to_axum(sink);
                let stream = frame::from_axum(stream);
                carry::run(&bridges, sink, stream, Role::Dialed, host, |_| {}).await;
                drop(place);
            })
        })
}
