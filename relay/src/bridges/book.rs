//! Addresses out of the DHT, and what was found there.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddrV4;

use samara_core::{PeerId, Topic};
use tokio::time::Instant;

use crate::rooms::Bridge;

/// Topics remembered of one address: after a break, the relay there has a bridge
/// for them again at once, and for others when they are next looked up.
const TOPICS: usize = 1024;

/// What is remembered of addresses.
pub(super) struct Book {
    most: usize,
    entries: HashMap<SocketAddrV4, Entry>,
}

struct Entry {
    /// What it was found for, as far as somebody may need it.
    topics: HashSet<Topic>,
    state: State,
}

enum State {
    /// It is being dialed, or will be.
    Dialing,
    /// This relay is there; there was a bridge to it.
    Relay(PeerId),
    /// No relay is, or none that answers; not to be dialed before.
    NoRelay(Instant),
}

/// What is to be done about an address.
pub(super) enum Known {
    /// There is a bridge.
    Bridged(Bridge),
    /// Nothing, or nothing yet.
    Waits,
    /// It is to be dialed, and counts as being dialed.
    Dial,
}

impl Book {
    pub fn new(most: usize) -> Self {
        let entries = HashMap::new();
        Self { most, entries }
    }

    /// The DHT names an address for a topic; `bridge` is the bridge to a relay.
    pub fn found(
        &mut self,
        address: SocketAddrV4,
        topic: Topic,
        bridge: impl Fn(&PeerId) -> Option<Bridge>,
    ) -> Known {
        let now = Instant::now();
        if !self.entries.contains_key(&address) && !self.has_room(now, &bridge) {
            return Known::Waits;
        }
        let entry = self.entries.entry(address).or_insert_with(|| Entry {
            topics: HashSet::new(),
            state: State::NoRelay(now),
        });
        if let State::NoRelay(until) = entry.state
            && until > now
        {
            return Known::Waits;
        }
        if entry.topics.len() < TOPICS {
            entry.topics.insert(topic);
        }
        match &entry.state {
            State::Dialing => return Known::Waits,
            State::Relay(relay) => {
                if let Some(bridge) = bridge(relay) {
                    return Known::Bridged(bridge);
                }
            }
            State::NoRelay(_) => {}
        }
        entry.state = State::Dialing;
        Known::Dial
    }

    /// What an address was found for.
    pub fn topics(&self, address: SocketAddrV4) -> Vec<Topic> {
        let entry = self.entries.get(&address);
        entry.map_or(Vec::new(), |entry| entry.topics.iter().copied().collect())
    }

    /// Forgets those topics that nobody needs; true if any is left.
    pub fn keep(&mut self, address: SocketAddrV4, is_needed: impl Fn(&Topic) -> bool) -> bool {
        let Some(entry) = self.entries.get_mut(&address) else {
            return false;
        };
        entry.topics.retain(is_needed);
        !entry.topics.is_empty()
    }

    /// This relay is there, and there is a bridge to it.
    pub fn is_relay(&mut self, address: SocketAddrV4, relay: PeerId) {
        self.set(address, State::Relay(relay));
    }

    /// It is to be dialed again.
    pub fn is_dialed(&mut self, address: SocketAddrV4) {
        self.set(address, State::Dialing);
    }

    /// It is not to be dialed before.
    pub fn is_no_relay(&mut self, address: SocketAddrV4, until: Instant) {
        self.set(address, State::NoRelay(until));
        self.keep(address, |_| false);
    }

    fn set(&mut self, address: SocketAddrV4, state: State) {
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.state = state;
        }
    }

    /// Whether one more may be remembered; what is of no use any more goes.
    fn has_room(&mut self, now: Instant, bridge: impl Fn(&PeerId) -> Option<Bridge>) -> bool {
        if self.entries.len() >= self.most {
            self.entries.retain(|_, entry| match &entry.state {
                State::NoRelay(until) => *until > now,
                State::Relay(relay) => bridge(relay).is_some(),
                State::Dialing => true,
            });
        }
        self.entries.len() < self.most
    }
}
