//! Eyes in the DHT for browsers, which have none of their own.
//!
//! While a room has members, its topic is looked up now and then, once for all
//! of them, and they are told whom native peers' announcements name. Where
//! another relay is named, there will be a bridge to it. A relay that the world can reach
//! also announces itself under the topic, so that native peers and other relays
//! find its members.

mod filter;
mod watch;

use std::collections::HashMap;
use std::net::SocketAddrV4;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use samara_core::{Message, Topic};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bridges::Bridges;
use crate::config;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::rooms::{Mailbox, Rooms};
use filter::Filter;

/// Watches the topics of rooms in the DHT.
#[derive(Clone)]
pub(crate) struct Lookout(Arc<Inner>);

struct Inner {
    dht: samara_node::Dht,
    filter: Filter,
    announce_port: Option<u16>,
    rooms: Arc<Rooms>,
    bridges: Option<Bridges>,
    limits: Limits,
    metrics: Metrics,
    topics: Mutex<HashMap<Topic, Watched>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A topic with a task that looks after it.
#[derive(Default)]
struct Watched {
    /// What the last lookup found, and the one under way.
    found: Vec<SocketAddrV4>,
    /// Somebody came or the last one went.
    changed: Arc<Notify>,
}

impl Lookout {
    pub fn new(
        dht: samara_node::Dht,
        config: &config::Dht,
        rooms: Arc<Rooms>,
        bridges: Option<Bridges>,
        limits: Limits,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Self {
        Self(Arc::new(Inner {
            dht,
            filter: Filter::new(config),
            announce_port: config.announce_port,
            rooms,
            bridges,
            limits,
            metrics,
            topics: Mutex::default(),
            tasks: TaskTracker::new(),
            stop,
        }))
    }

    /// Somebody entered a room: tells them what is known, and sees to it that
    /// more will be. `may_now` says whether a first lookup may begin at once.
    pub fn joined(&self, topic: Topic, mailbox: &Mailbox, may_now: impl FnOnce() -> bool) {
        let mut topics = self.lock();
        if let Some(watched) = topics.get(&topic) {
            if !watched.found.is_empty() {
                mailbox.notify(sources(topic, &watched.found));
            }
            watched.changed.notify_one();
            return;
        }
        let watched = Watched::default();
        let changed = Arc::clone(&watched.changed);
        topics.insert(topic, watched);
        let delay = if may_now() {
            std::time::Duration::ZERO
        } else {
            self.0.limits.lookup_again_first
        };
        let watch = watch::run(self.clone(), topic, changed, delay);
        let stop = self.0.stop.clone();
        self.0.tasks.spawn(stop.run_until_cancelled_owned(watch));
    }

    /// A room is empty now.
    pub fn emptied(&self, topic: &Topic) {
        if let Some(watched) = self.lock().get(topic) {
            watched.changed.notify_one();
        }
    }

    /// Waits for the tasks, which end when the relay stops.
    pub async fn ended(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Tells the members what is new, and later those who come before the
    /// lookup ends.
    fn found_more(&self, topic: Topic, new: &[SocketAddrV4]) {
        if new.is_empty() {
            return;
        }
        // Under the lock, so that who enters now is told exactly once.
        let mut topics = self.lock();
        if let Some(watched) = topics.get_mut(&topic) {
            watched.found.extend(new);
            self.0.rooms.tell(&topic, &sources(topic, new));
        }
    }

    /// Forgets a topic nobody is in a room for; true if so.
    fn forget(&self, topic: &Topic) -> bool {
        // Who enters the room after this look finds no watch and starts one.
        let mut topics = self.lock();
        let empty = !self.0.rooms.has(topic);
        if empty {
            topics.remove(topic);
        }
        empty
    }

    /// Nothing can panic while the lock is held and half a change is made.
    fn lock(&self) -> MutexGuard<'_, HashMap<Topic, Watched>> {
        self.0.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sources(topic: Topic, addresses: &[SocketAddrV4]) -> Bytes {
    let addresses = addresses.iter().map(SocketAddrV4::to_string).collect();
    Message::Sources { topic, addresses }.encode()
}
