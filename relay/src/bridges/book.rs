//! Addresses out of the DHT, and what was found there.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddrV4;
use std::time::Duration;

use samara_core::{PeerId, Topic};
use tokio::time::Instant;

use crate::limits::Limits;
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
    again_first: Duration,
    again_most: Duration,
    entries: HashMap<SocketAddrV4, Entry>,
}

struct Entry {
    /// What it was found for, as far as somebody may need it.
    topics: HashSet<Topic>,
    /// So often in a row nothing came of dialing it.
    in_vain: u32,
    state: State,
}

enum State {
    /// A task dials it, or will.
    Dialing,
    /// A task looks after the bridge to this relay.
    Held(PeerId),
    /// This relay is there, and the bridge to it is another task's.
    Relay(PeerId),
    /// A task dials it then, if it is still needed.
    Again(Instant),
    /// It has no task, and is not to be dialed before.
    Alone(Instant),
}

/// What came of dialing an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// This relay is there, and there is another bridge to it.
    Elsewhere(PeerId),
    /// Whoever is there is no relay, or did what no relay may.
    NoRelay,
    /// A bridge that had lasted ended.
    Ended,
    /// Nothing, for a reason that may pass.
    InVain,
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
    pub fn new(limits: &Limits) -> Self {
        Self {
            most: limits.relay_addresses,
            again_first: limits.relay_again_first,
            again_most: limits.relay_again_most,
            entries: HashMap::new(),
        }
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
            in_vain: 0,
            state: State::Alone(now),
        });
        if let State::Alone(until) = entry.state
            && until > now
        {
            return Known::Waits;
        }
        if entry.topics.len() < TOPICS {
            entry.topics.insert(topic);
        }
        let (relay, held) = match entry.state {
            State::Dialing | State::Again(_) => return Known::Waits,
            State::Held(relay) => (Some(relay), true),
            State::Relay(relay) => (Some(relay), false),
            State::Alone(_) => (None, false),
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
            State::Dialing | State::Again(_) | State::Alone(_) => false,
        });
        entries.flat_map(|entry| &entry.topics).copied().collect()
    }

    /// There is a bridge to the relay there, which the address's task looks after.
    pub fn is_held(&mut self, address: SocketAddrV4, relay: PeerId) {
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.state = State::Held(relay);
        }
    }

    /// When the address's task is to dial again; `None` is the task's end.
    pub fn came(&mut self, address: SocketAddrV4, outcome: Outcome) -> Option<Instant> {
        let (first, most) = (self.again_first, self.again_most);
        let entry = self.entries.get_mut(&address)?;
        let wait = match outcome {
            Outcome::Elsewhere(relay) => {
                entry.in_vain = 0;
                entry.state = State::Relay(relay);
                return None;
            }
            Outcome::NoRelay => most,
            Outcome::Ended => {
                entry.in_vain = 0;
                first
            }
            Outcome::InVain => {
                let wait = first.saturating_mul(1 << entry.in_vain.min(16)).min(most);
                entry.in_vain += 1;
                wait
            }
        };
        let at = Instant::now() + spread(wait);
        if wait < most {
            entry.state = State::Again(at);
            return Some(at);
        }
        // For as long as that it is left to the DHT to name it again.
        entry.state = State::Alone(at);
        entry.topics.clear();
        None
    }

    /// The moment that [`Book::came`] named is there: true if the address is to be
    /// dialed, false if the task ends.
    pub fn again(
        &mut self,
        address: SocketAddrV4,
        at: Instant,
        is_needed: impl Fn(&Topic) -> bool,
    ) -> bool {
        let Some(entry) = self.entries.get_mut(&address) else {
            return false;
        };
        // It may have made way for another, and come back with a task of its own.
        if !matches!(entry.state, State::Again(set) if set == at) {
            return false;
        }
        entry.topics.retain(is_needed);
        let needed = !entry.topics.is_empty();
        entry.state = if needed {
            State::Dialing
        } else {
            State::Alone(at)
        };
        needed
    }

    /// Whether one more may be remembered. Where there are too many, or too many
    /// of one host, the one that was looked at longest ago goes,
    /// and one that is dialed again before long if there is no other.
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
                State::Relay(_) => (false, None),
                State::Alone(until) => (false, Some(until)),
                State::Again(at) => (true, Some(at)),
            };
            (!crowded || of_host(other)).then_some((last, *other))
        });
        let first = idle.min_by_key(|(last, _)| *last);
        first.is_some_and(|(_, first)| self.entries.remove(&first).is_some())
    }
}

/// A wait with up to a quarter more, or many that lost a relay at once would
/// come back at once.
fn spread(wait: Duration) -> Duration {
    let random = getrandom::u32().expect("the system gave random bytes at the start too");
    wait + wait.mul_f64(0.25 * f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const TOPIC: Topic = Topic::from_bytes([7; 20]);

    fn at(host: u8, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, host), port)
    }

    fn dials(book: &mut Book, address: SocketAddrV4) -> bool {
        matches!(book.found(address, TOPIC, |_| None), Known::Dial)
    }

    fn book(most: usize) -> Book {
        Book::new(&Limits {
            relay_addresses: most,
            ..Limits::default()
        })
    }

    /// Or else whoever fills the DHT with addresses keeps relays apart.
    #[tokio::test(start_paused = true)]
    async fn addresses_without_a_relay_make_way_for_new_ones() {
        let mut book = book(3);
        for host in 1..=3 {
            assert!(dials(&mut book, at(host, 1)));
        }
        // Nothing makes way for an address while all are being dialed.
        assert!(!dials(&mut book, at(4, 1)));
        let first_again = book.came(at(1, 1), Outcome::InVain).unwrap();
        assert_eq!(book.came(at(2, 1), Outcome::NoRelay), None);
        assert!(!dials(&mut book, at(2, 1)));
        // What may still become a relay goes last.
        assert!(dials(&mut book, at(4, 1)));
        assert!(!dials(&mut book, at(1, 1)));
        assert!(dials(&mut book, at(5, 1)));
        tokio::time::advance(Duration::from_mins(20)).await;
        assert!(!dials(&mut book, at(1, 1)));
        // The task of one that made way dials it no more, also if it is back.
        assert!(!book.again(at(1, 1), first_again, |_| true));
        assert_eq!(book.came(at(3, 1), Outcome::NoRelay), None);
        assert!(dials(&mut book, at(1, 1)));
        assert!(!book.again(at(1, 1), first_again, |_| true));
    }

    /// Or else each lookup would bring back the short waits.
    #[tokio::test(start_paused = true)]
    async fn what_stays_in_vain_is_dialed_less_and_less_and_then_only_if_named() {
        let mut book = book(1);
        assert!(dials(&mut book, at(1, 1)));
        let mut waits = Vec::new();
        while let Some(again) = book.came(at(1, 1), Outcome::InVain) {
            waits.push((again - Instant::now()).as_secs_f32());
            // Nor does the DHT make it sooner.
            assert!(!dials(&mut book, at(1, 1)));
            tokio::time::sleep_until(again).await;
            assert!(book.again(at(1, 1), again, |_| true));
        }
        assert_eq!(waits.len(), 9);
        assert!((2.0..=2.5).contains(&waits[0]), "{waits:?}");
        assert!(
            waits.windows(2).all(|two| two[0] * 1.5 < two[1]),
            "{waits:?}"
        );
        for _ in 0..3 {
            tokio::time::advance(Duration::from_mins(14)).await;
            assert!(!dials(&mut book, at(1, 1)));
            tokio::time::advance(Duration::from_mins(5)).await;
            assert!(dials(&mut book, at(1, 1)));
            assert_eq!(book.came(at(1, 1), Outcome::InVain), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_relay_that_nobody_needs_is_dialed_when_somebody_does() {
        let mut book = book(1);
        assert!(dials(&mut book, at(1, 1)));
        let again = book.came(at(1, 1), Outcome::Ended).unwrap();
        tokio::time::sleep_until(again).await;
        assert!(!book.again(at(1, 1), again, |_| false));
        assert!(dials(&mut book, at(1, 1)));
    }

    #[test]
    fn one_host_is_dialed_at_few_ports() {
        let mut book = book(1000);
        let dialed = (1..100).filter(|port| dials(&mut book, at(1, *port)));
        assert_eq!(dialed.count(), PER_HOST);
        assert!(dials(&mut book, at(2, 1)));
    }
}
