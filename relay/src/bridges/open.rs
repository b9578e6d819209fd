//! The bridges there are: one to each relay.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use samara_core::PeerId;
use samara_core::identity::Role;
use samara_core::message::Nonce;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ending::Ending;
use crate::hosts::{Guest, Hosts};
use crate::rooms::Bridge;

/// A place for a bridge that another relay dials.
pub(super) struct Place {
    _guest: Guest,
    _permit: OwnedSemaphorePermit,
}

/// Of two bridges that came about at once the one with the higher rank stays;
/// both relays see the same ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    dialed_by_smaller: bool,
    nonce: Nonce,
}

impl Rank {
    /// `nonce` is the dialer's.
    pub fn new(own: PeerId, relay: PeerId, role: Role, nonce: Nonce) -> Self {
        let dialed_by_smaller = match role {
            Role::Dialer => own < relay,
            Role::Dialed => relay < own,
        };
        Self {
            dialed_by_smaller,
            nonce,
        }
    }
}

/// Two relays may dial each other at once. A bridge that has lasted so long was
/// not dialed at once with another.
const SETTLED: Duration = Duration::from_secs(10);

/// So many others dial from one host.
const PER_HOST: usize = 8;

/// Bridges by the relay they lead to.
pub(super) struct Open {
    most: usize,
    /// For those that others dial: some are kept for own choice.
    places: Arc<Semaphore>,
    hosts: Arc<Hosts>,
    by_relay: Mutex<HashMap<PeerId, Held>>,
}

struct Held {
    bridge: Bridge,
    rank: Rank,
    since: Instant,
    /// Ends it.
    replaced: CancellationToken,
}

impl Open {
    pub fn new(most: usize) -> Self {
        Self {
            most,
            places: Arc::new(Semaphore::new(most / 2)),
            hosts: Hosts::new(PER_HOST),
            by_relay: Mutex::default(),
        }
    }

    /// A place for one that another relay dials.
    pub fn place(&self, from: IpAddr) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Place {
            _guest: self.hosts.enter(from)?,
            _permit: permit,
        })
    }

    /// The bridge to a relay.
    pub fn get(&self, relay: &PeerId) -> Option<Bridge> {
        self.lock().get(relay).map(|held| held.bridge.clone())
    }

    /// Takes in a bridge that came about; what is given says when another takes
    /// its place. A bridge that lasts is kept; of two that came about at once,
    /// the one with the higher rank. `opened` is called before any other is added.
    pub fn add(
        &self,
        relay: PeerId,
        rank: Rank,
        bridge: &Bridge,
        opened: impl FnOnce(),
    ) -> Result<CancellationToken, Ending> {
        let mut bridges = self.lock();
        match bridges.get(&relay) {
            Some(held) if held.since.elapsed() >= SETTLED || held.rank > rank => {
                return Err(Ending::Bridged);
            }
            Some(held) => held.replaced.cancel(),
            None if bridges.len() >= self.most => return Err(Ending::Full),
            None => {}
        }
        let replaced = CancellationToken::new();
        let held = Held {
            bridge: bridge.clone(),
            rank,
            since: Instant::now(),
            replaced: replaced.clone(),
        };
        bridges.insert(relay, held);
        opened();
        Ok(replaced)
    }

    /// A bridge ended.
    pub fn remove(&self, relay: &PeerId, bridge: &Bridge) {
        let mut bridges = self.lock();
        if bridges
            .get(relay)
            .is_some_and(|held| held.bridge == *bridge)
        {
            bridges.remove(relay);
        }
    }

    /// Every change is complete before a panic could come, so what a poisoned
    /// lock guards is sound.
    fn lock(&self) -> MutexGuard<'_, HashMap<PeerId, Held>> {
        let locked = self.by_relay.lock();
        locked.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::rooms::Mailbox;

    const SMALL: PeerId = PeerId::from_bytes([1; 32]);
    const LARGE: PeerId = PeerId::from_bytes([2; 32]);

    fn bridge() -> Bridge {
        let limits = Limits::default();
        let host = IpAddr::from([127, 0, 0, 1]);
        Bridge::new(LARGE, host, Mailbox::new(&limits).0, &limits)
    }

    fn rank(own: PeerId, relay: PeerId, role: Role, nonce: u8) -> Rank {
        Rank::new(own, relay, role, Nonce::from_bytes([nonce; 32]))
    }

    /// Whatever the order in which each learns of the two, and whoever dialed.
    #[test]
    fn of_two_bridges_at_once_both_relays_keep_the_same() {
        let dialed = [
            (Role::Dialer, Role::Dialer),
            (Role::Dialer, Role::Dialed),
            (Role::Dialed, Role::Dialed),
        ];
        for (first, second) in dialed {
            let other_end = |role| match role {
                Role::Dialer => Role::Dialed,
                Role::Dialed => Role::Dialer,
            };
            let two = [(bridge(), first, 1), (bridge(), second, 2)];
            let mut kept = Vec::new();
            for in_order in [[0, 1], [1, 0]] {
                let (at_small, at_large) = (Open::new(4), Open::new(4));
                for index in in_order {
                    let (bridge, role, nonce) = &two[index];
                    let own = rank(SMALL, LARGE, *role, *nonce);
                    let _ = at_small.add(LARGE, own, bridge, || {});
                    let theirs = rank(LARGE, SMALL, other_end(*role), *nonce);
                    let _ = at_large.add(SMALL, theirs, bridge, || {});
                }
                kept.extend([at_small.get(&LARGE), at_large.get(&SMALL)]);
            }
            assert!(kept[0].is_some());
            assert!(kept.iter().all(|bridge| *bridge == kept[0]));
        }
    }

    #[test]
    fn one_host_cannot_take_all_places() {
        let bridges = Open::new(64);
        let host = IpAddr::from([192, 0, 2, 7]);
        let mut places: Vec<_> = std::iter::from_fn(|| bridges.place(host)).collect();
        assert_eq!(places.len(), PER_HOST);
        assert!(bridges.place(IpAddr::from([192, 0, 2, 8])).is_some());
        places.pop();
        assert!(bridges.place(host).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_bridge_that_lasts_is_kept_whoever_dials() {
        let bridges = Open::new(4);
        let [old, new] = [bridge(), bridge()];
        let [low, high] = [1, 2].map(|nonce| rank(SMALL, LARGE, Role::Dialed, nonce));
        let replaced = bridges.add(LARGE, low, &old, || {}).unwrap();
        tokio::time::advance(SETTLED).await;
        let again = bridges.add(LARGE, high, &new, || panic!("it is not opened"));
        assert_eq!(again.err(), Some(Ending::Bridged));
        assert!(!replaced.is_cancelled());
        bridges.remove(&LARGE, &old);
        assert!(bridges.add(LARGE, low, &new, || {}).is_ok());
        // The end of the old one is none of the new one's.
        bridges.remove(&LARGE, &old);
        assert!(bridges.get(&LARGE).is_some_and(|bridge| bridge == new));
    }
}
