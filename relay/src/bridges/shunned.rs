//! Relays that were cut off for what they sent, and have no bridge for a while.
//!
//! An id costs nothing, so the address that such a relay came from is shunned
//! too. That of a proxy on this machine is not: all the world comes from there.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use samara_core::PeerId;
use tokio::time::Instant;

/// So many are remembered; those whose time ends first go first.
const MOST: usize = 1024;

/// Who has no bridge, and until when.
pub(super) struct Shunned {
    long: Duration,
    until: HashMap<Who, Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    Relay(PeerId),
    Host(IpAddr),
}

impl Shunned {
    pub fn new(long: Duration) -> Self {
        let until = HashMap::new();
        Self { long, until }
    }

    /// It was cut off for what it sent.
    pub fn add(&mut self, relay: PeerId, host: IpAddr) {
        let now = Instant::now();
        self.until.retain(|_, until| *until > now);
        for who in whom(relay, host) {
            if self.until.len() >= MOST
                && let Some(first) = self.until.iter().min_by_key(|(_, until)| **until)
            {
                let first = *first.0;
                self.until.remove(&first);
            }
            self.until.insert(who, now + self.long);
        }
    }

    pub fn has_relay(&self, relay: PeerId) -> bool {
        self.has(Who::Relay(relay))
    }

    pub fn has_host(&self, host: IpAddr) -> bool {
        self.has(Who::Host(host))
    }

    fn has(&self, who: Who) -> bool {
        let until = self.until.get(&who);
        until.is_some_and(|until| *until > Instant::now())
    }
}

fn whom(relay: PeerId, host: IpAddr) -> impl Iterator<Item = Who> {
    let host = (!host.is_loopback()).then_some(Who::Host(host));
    host.into_iter().chain([Who::Relay(relay)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELAY: PeerId = PeerId::from_bytes([1; 32]);
    const OTHER: PeerId = PeerId::from_bytes([2; 32]);

    #[tokio::test(start_paused = true)]
    async fn a_relay_and_its_host_are_shunned_for_a_while() {
        let host = IpAddr::from([192, 0, 2, 7]);
        let mut shunned = Shunned::new(Duration::from_mins(1));
        shunned.add(RELAY, host);
        assert!(shunned.has_relay(RELAY) && shunned.has_host(host));
        assert!(!shunned.has_relay(OTHER));
        shunned.add(OTHER, IpAddr::from([127, 0, 0, 1]));
        assert!(shunned.has_relay(OTHER));
        assert!(!shunned.has_host(IpAddr::from([127, 0, 0, 1])));
        tokio::time::advance(Duration::from_mins(1)).await;
        assert!(!shunned.has_relay(RELAY) && !shunned.has_host(host));
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_are_remembered() {
        let mut shunned = Shunned::new(Duration::from_mins(1));
        for number in 0..2 * MOST {
            let mut relay = [0; 32];
            relay[..8].copy_from_slice(&number.to_be_bytes());
            shunned.add(PeerId::from_bytes(relay), IpAddr::from([127, 0, 0, 1]));
        }
        assert_eq!(shunned.until.len(), MOST);
    }
}
