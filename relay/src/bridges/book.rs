//! Addresses out of the DHT, and what was found there.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddrV4;

use samara_core::{PeerId, Topic};
use tokio::time::Instant;

use crate::rooms::Bridge;

/// Topics remembered of one address: after a break, the relay there has a bridge
/// for them again at once, and for others when they are next looked up.
const TOPICS: usize = 1024;

/// Addresses of one host that are remembered. Many would make the relay knock at
/// all its ports.
const PER_HOST: usize = 8;

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
    /// A task dials it, or will.
    Dialing,
    /// A task looks after the bridge to this relay.
    Held(PeerId),
    /// This relay is there, and the bridge to it is another task's.
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
        if !self.entries.contains_key(&address) && !self.make_room(address) {
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
        let (relay, held) = match entry.state {
            State::Dialing => return Known::Waits,
            State::Held(relay) => (Some(relay), true),
            State::Relay(relay) => (Some(relay), false),
            State::NoRelay(_) => (None, false),
        };
        match relay.and_then(|relay| bridge(&relay)) {
            Some(bridge) => Known::Bridged(bridge),
            None if held => Known::Waits,
            None => {
                entry.state = State::Dialing;
                Known::Dial
            }
        }
    }

    /// What the addresses of a relay were found for.
    pub fn topics_of(&self, relay: PeerId) -> HashSet<Topic> {
        let entries = self.entries.values().filter(|entry| match entry.state {
            State::Held(there) | State::Relay(there) => there == relay,
            State::Dialing | State::NoRelay(_) => false,
        });
        entries.flat_map(|entry| &entry.topics).copied().collect()
    }

    /// There is a bridge to the relay there, which the address's task looks after.
    pub fn is_held(&mut self, address: SocketAddrV4, relay: PeerId) {
        self.set(address, State::Held(relay));
    }

    /// The address's task ends: there is another bridge to the relay there.
    pub fn is_relay(&mut self, address: SocketAddrV4, relay: PeerId) {
        self.set(address, State::Relay(relay));
    }

    /// The address's task ends: it is not to be dialed before.
    pub fn is_no_relay(&mut self, address: SocketAddrV4, until: Instant) {
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.state = State::NoRelay(until);
            entry.topics.clear();
        }
    }

    /// The bridge is gone: true if some topic still needs it, and it is to be
    /// dialed again; else the address's task ends.
    pub fn again(&mut self, address: SocketAddrV4, is_needed: impl Fn(&Topic) -> bool) -> bool {
        let Some(entry) = self.entries.get_mut(&address) else {
            return false;
        };
        entry.topics.retain(is_needed);
        let needed = !entry.topics.is_empty();
        entry.state = if needed {
            State::Dialing
        } else {
            State::NoRelay(Instant::now())
        };
        needed
    }

    fn set(&mut self, address: SocketAddrV4, state: State) {
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.state = state;
        }
    }

    /// Whether one more may be remembered. Where there are too many, or too many
    /// of one host, the one that was looked at longest ago goes.
    fn make_room(&mut self, address: SocketAddrV4) -> bool {
        let of_host = |other: &SocketAddrV4| other.ip() == address.ip();
        let hosts = self.entries.keys().filter(|other| of_host(other)).count();
        let crowded = hosts >= PER_HOST;
        if !crowded && self.entries.len() < self.most {
            return true;
        }
        let idle = self.entries.iter().filter_map(|(other, entry)| {
            let last = match entry.state {
                State::Dialing | State::Held(_) => return None,
                State::Relay(_) => None,
                State::NoRelay(until) => Some(until),
            };
            (!crowded || of_host(other)).then_some((last, *other))
        });
        let first = idle.min_by_key(|(last, _)| *last);
        first.is_some_and(|(_, first)| self.entries.remove(&first).is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    const TOPIC: Topic = Topic::from_bytes([7; 20]);

    fn at(host: u8, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, host), port)
    }

    fn dials(book: &mut Book, address: SocketAddrV4) -> bool {
        matches!(book.found(address, TOPIC, |_| None), Known::Dial)
    }

    /// Or else whoever fills the DHT with addresses keeps relays apart.
    #[tokio::test(start_paused = true)]
    async fn addresses_without_a_relay_make_way_for_new_ones() {
        let mut book = Book::new(3);
        let later = Instant::now() + Duration::from_mins(15);
        for host in 1..=3 {
            assert!(dials(&mut book, at(host, 1)));
        }
        // Nothing makes way for an address while all are being dialed.
        assert!(!dials(&mut book, at(4, 1)));
        book.is_no_relay(at(2, 1), later);
        assert!(!dials(&mut book, at(2, 1)));
        assert!(dials(&mut book, at(4, 1)));
        tokio::time::advance(Duration::from_mins(16)).await;
        assert!(!dials(&mut book, at(1, 1)));
    }

    #[test]
    fn one_host_is_dialed_at_few_ports() {
        let mut book = Book::new(1000);
        let dialed = (1..100).filter(|port| dials(&mut book, at(1, *port)));
        assert_eq!(dialed.count(), PER_HOST);
        assert!(dials(&mut book, at(2, 1)));
    }
}
