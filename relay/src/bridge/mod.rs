//! Links to other relays: members of one topic meet, on whichever relay each
//! of them is (`docs/protocol.md`, "Bridges").
//!
//! Relays find each other in the DHT under the topics of their rooms. Two have
//! one link, on which each tells the other of its own members of topics that
//! both have, and forwards what they seal for each other.

mod book;
mod carry;
mod dial;
mod frame;
mod greet;
mod links;

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
use crate::rooms::Rooms;
use crate::server::Shared;
use book::Book;
use links::Links;

/// The path of the endpoint.
pub(crate) const ENDPOINT: &str = "/bridge";

/// The longest message that is read: twice what may come, so that whoever sends
/// a longer one is told why it is cut off.
fn longest(limits: &Limits) -> usize {
    2 * limits.signal.max(limits.members_told * 9)
}

/// All links of one relay; clones are the same.
#[derive(Clone)]
pub(crate) struct Bridge(Arc<Inner>);

struct Inner {
    secret: PeerSecret,
    rooms: Arc<Rooms>,
    limits: Limits,
    metrics: Metrics,
    links: Links,
    book: Mutex<Book>,
    dials: Semaphore,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Bridge {
    pub fn new(
        secret: PeerSecret,
        rooms: Arc<Rooms>,
        limits: Limits,
        metrics: Metrics,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        Self(Arc::new(Inner {
            links: Links::new(limits.links),
            book: Mutex::new(Book::new(limits.relay_addresses)),
            dials: Semaphore::new(limits.relay_dials),
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
            let linked = |peer: &_| self.0.links.get(peer);
            let known = self.book().found(*address, topic, linked);
            match known {
                book::Known::Linked(link) => self.0.rooms.share(topic, &link),
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
    let bridge = shared.bridge.clone();
    let Some((bridge, place)) = bridge.and_then(|bridge| {
        let place = bridge.0.links.place()?;
        Some((bridge, place))
    }) else {
        let text = "this relay has as many links to others as it may\n";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    if shared.log_addresses {
        tracing::debug!(%from, "a relay dialed");
    }
    let longest = longest(&bridge.0.limits);
    upgrade
        .max_message_size(longest)
        .max_frame_size(longest)
        .on_upgrade(move |socket| {
            let tracked = bridge.0.tasks.clone();
            tracked.track_future(async move {
                let (sink, stream) = socket.split();
                let sink = frame::to_axum(sink);
                let stream = frame::from_axum(stream);
                carry::run(&bridge, sink, stream, Role::Dialed, |_, _| {}).await;
                drop(place);
            })
        })
}
