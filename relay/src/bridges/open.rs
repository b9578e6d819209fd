//! The bridges there are: one to each relay.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use samara_core::PeerId;
use samara_core::identity::Role;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ending::Ending;
use crate::rooms::Bridge;

/// Two relays may dial each other at once. A bridge that has lasted so long was
/// not dialed at once with another.
const SETTLED: Duration = Duration::from_secs(10);

/// Bridges by the relay they lead to.
pub(super) struct Open {
    most: usize,
    /// For those that others dial: some are kept for own choice.
    places: Arc<Semaphore>,
    by_relay: Mutex<HashMap<PeerId, Held>>,
}

struct Held {
    bridge: Bridge,
    /// Dialed by the relay with the smaller id.
    stays: bool,
    since: Instant,
    /// Ends it.
    replaced: CancellationToken,
}

impl Open {
    pub fn new(most: usize) -> Self {
        Self {
            most,
            places: Arc::new(Semaphore::new(most / 2)),
            by_relay: Mutex::default(),
        }
    }

    /// A place for one that another relay dials.
    pub fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// The bridge to a relay.
    pub fn get(&self, relay: &PeerId) -> Option<Bridge> {
        self.lock().get(relay).map(|held| held.bridge.clone())
    }

    /// Takes in a bridge that came about; what is given says when another takes
    /// its place. A bridge that lasts is kept; of two that both dialed at once,
    /// the one that the smaller id dialed, so both drop the same.
    pub fn add(
        &self,
        own: PeerId,
        relay: PeerId,
        role: Role,
        bridge: &Bridge,
    ) -> Result<CancellationToken, Ending> {
        let stays = match role {
            Role::Dialer => own < relay,
            Role::Dialed => relay < own,
        };
        let mut bridges = self.lock();
        match bridges.get(&relay) {
            Some(held) if held.since.elapsed() >= SETTLED || held.stays && !stays => {
                return Err(Ending::Bridged);
            }
            Some(held) => held.replaced.cancel(),
            None if bridges.len() >= self.most => return Err(Ending::Full),
            None => {}
        }
        let replaced = CancellationToken::new();
        let held = Held {
            bridge: bridge.clone(),
            stays,
            since: Instant::now(),
            replaced: replaced.clone(),
        };
        bridges.insert(relay, held);
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

    fn lock(&self) -> MutexGuard<'_, HashMap<PeerId, Held>> {
        self.by_relay.lock().unwrap_or_else(PoisonError::into_inner)
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
        Bridge::new(LARGE, Mailbox::new(&limits).0, &limits)
    }

    /// Whatever the order in which each learns of the two.
    #[test]
    fn of_two_links_both_relays_keep_the_same() {
        for first in [Role::Dialer, Role::Dialed] {
            let (at_small, at_large) = (Open::new(4), Open::new(4));
            let [by_small, by_large] = [bridge(), bridge()];
            let of = |dialer: Role| match dialer {
                Role::Dialer => &by_small,
                Role::Dialed => &by_large,
            };
            let second = match first {
                Role::Dialer => Role::Dialed,
                Role::Dialed => Role::Dialer,
            };
            // For the small one, its own role says who dialed.
            for role in [first, second] {
                let _ = at_small.add(SMALL, LARGE, role, of(role));
            }
            for dialer in [second, first] {
                let own = match dialer {
                    Role::Dialer => Role::Dialed,
                    Role::Dialed => Role::Dialer,
                };
                let _ = at_large.add(LARGE, SMALL, own, of(dialer));
            }
            assert!(
                at_small
                    .get(&LARGE)
                    .is_some_and(|bridge| bridge == by_small)
            );
            assert!(
                at_large
                    .get(&SMALL)
                    .is_some_and(|bridge| bridge == by_small)
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_that_lasts_is_kept_whoever_dials() {
        let bridges = Open::new(4);
        let [old, new] = [bridge(), bridge()];
        let replaced = bridges.add(SMALL, LARGE, Role::Dialed, &old).unwrap();
        tokio::time::advance(SETTLED).await;
        let again = bridges.add(SMALL, LARGE, Role::Dialer, &new);
        assert_eq!(again.err(), Some(Ending::Bridged));
        assert!(!replaced.is_cancelled());
        bridges.remove(&LARGE, &old);
        assert!(bridges.add(SMALL, LARGE, Role::Dialer, &new).is_ok());
        // The end of the old one is none of the new one's.
        bridges.remove(&LARGE, &old);
        assert!(bridges.get(&LARGE).is_some_and(|bridge| bridge == new));
    }
}
