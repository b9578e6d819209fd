//! Eyes in the DHT for browsers, which have none of their own.
//!
//! While a room has members, its topic is looked up now and then, once for all
//! of them, and they are told whom native peers' announcements name. Where
//! another relay is named, there will be a bridge to it. A relay that the world can reach
//! also announces itself under the topic, so that native peers and other relays
//! find its members.

mod own;
mod plan;
mod watch;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddrV4;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use samara_core::{Message, Topic};
use samara_node::Asker;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bridges::Bridges;
use crate::config;
use crate::limits::Limits;
use crate::metrics::{DhtFigures, Metrics};
use crate::rooms::{Mailbox, Rooms};
use own::Own;

/// Of those who came to a room the newest, on whose behalf it is looked up.
const ASKERS: usize = 16;

/// Watches the topics of rooms in the DHT.
#[derive(Clone)]
pub(crate) struct Lookout(Arc<Inner>);

struct Inner {
    dht: samara_node::Dht,
    own: Own,
    rooms: Arc<Rooms>,
    bridges: Option<Bridges>,
    limits: Limits,
    metrics: Metrics,
    topics: Mutex<HashMap<Topic, Watched>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A topic with a task that looks after it.
struct Watched {
    /// What the last lookup found, and the one under way.
    found: Vec<SocketAddrV4>,
    /// Who came to the room, the newest last.
    askers: VecDeque<Asker>,
    /// When its next announcement is due, if there are any.
    announce_at: Option<Instant>,
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
            own: Own(config.announce_port),
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
    pub fn joined(
        &self,
        topic: Topic,
        mailbox: &Mailbox,
        asker: Asker,
        may_now: impl FnOnce() -> bool,
    ) {
        let mut topics = self.lock();
        if let Some(watched) = topics.get_mut(&topic) {
            watched.came(asker);
            if !watched.found.is_empty() {
                mailbox.notify(sources(topic, &watched.found));
            }
            watched.changed.notify_one();
            return;
        }
        let delay = if may_now() {
            std::time::Duration::ZERO
        } else {
            self.0.limits.lookup_again_first
        };
        let changed = Arc::<Notify>::default();
        let watched = Watched {
            found: Vec::new(),
            askers: VecDeque::from([asker]),
            announce_at: self.0.own.0.map(|_| Instant::now() + delay),
            changed: Arc::clone(&changed),
        };
        topics.insert(topic, watched);
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

    /// What is to be done in the DHT and waits.
    pub fn figures(&self) -> DhtFigures {
        let now = Instant::now();
        let late = self.0.limits.announce_late;
        let topics = self.lock();
        let due = topics.values().filter_map(|watched| watched.announce_at);
        let overdue = due.filter(|at| *at + late < now).count();
        drop(topics);
        DhtFigures {
            lookups_waiting: self.0.dht.lookups_waiting(),
            announces_waiting: self.0.dht.announcements_waiting(),
            announces_overdue: overdue,
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

    /// On whose behalf the topic is looked up and announced.
    fn askers(&self, topic: &Topic) -> Vec<Asker> {
        let topics = self.lock();
        let watched = topics.get(topic);
        watched.map_or_else(Vec::new, |watched| watched.askers.iter().copied().collect())
    }

    /// The topic was announced, and will be again then.
    fn announced(&self, topic: &Topic, again_at: Instant) {
        if let Some(watched) = self.lock().get_mut(topic) {
            watched.announce_at = Some(again_at);
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

impl Watched {
    fn came(&mut self, asker: Asker) {
        self.askers.retain(|known| *known != asker);
        if self.askers.len() >= ASKERS {
            self.askers.pop_front();
        }
        self.askers.push_back(asker);
    }
}

fn sources(topic: Topic, addresses: &[SocketAddrV4]) -> Bytes {
    let addresses = addresses.iter().map(SocketAddrV4::to_string).collect();
    Message::Sources { topic, addresses }.encode()
}
