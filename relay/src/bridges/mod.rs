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

use std::net::SocketAddrV4;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use samara_core::identity::Role;
use samara_core::{PeerSecret, Topic};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::rates::Budget;
use crate::rooms::Rooms;
use crate::server::Shared;
use book::Book;
use open::Open;

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
    dials: Semaphore,
    redials: Semaphore,
    /// How many members all bridges may tell of.
    told: Budget,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Bridges {
    pub fn new(
        secret: PeerSecret,
        rooms: Arc<Rooms>,
        limits: Limits,
        metrics: Metrics,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        Self(Arc::new(Inner {
            open: Open::new(limits.bridges),
            book: Mutex::new(Book::new(&limits)),
            dials: Semaphore::new(limits.relay_dials),
            redials: Semaphore::new(limits.relay_dials.div_ceil(2)),
            told: Budget::new(limits.told_per_second_by_all, limits.told_at_once),
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

    /// Nothing can panic while the lock is held and half a change is made.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `GET /bridge`.
pub(crate) async fn accept(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(from): ConnectInfo<std::net::SocketAddr>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let bridges = shared.bridges.clone();
    let Some((bridges, place)) = bridges.and_then(|bridges| {
        let place = bridges.0.open.place(from.ip())?;
        Some((bridges, place))
    }) else {
        let text = "this relay has as many bridges to others as it may\n";
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
                carry::run(&bridges, sink, stream, Role::Dialed, |_| {}).await;
                drop(place);
            })
        })
}
