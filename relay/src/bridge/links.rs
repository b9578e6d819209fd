//! The links there are: one to each relay.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use samara_core::PeerId;
use samara_core::identity::Role;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ending::Ending;
use crate::rooms::Link;

/// Two relays may dial each other at once. A link that has lasted so long was
/// not dialed at once with another.
const SETTLED: Duration = Duration::from_secs(10);

/// Links by the relay they lead to.
pub(super) struct Links {
    most: usize,
    /// For those that others dial: some are kept for own choice.
    places: Arc<Semaphore>,
    by_relay: Mutex<HashMap<PeerId, Held>>,
}

struct Held {
    link: Link,
    /// Dialed by the relay with the smaller id.
    stays: bool,
    since: Instant,
    /// Ends it.
    replaced: CancellationToken,
}

impl Links {
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

    /// The link to a relay.
    pub fn get(&self, relay: &PeerId) -> Option<Link> {
        self.lock().get(relay).map(|held| held.link.clone())
    }

    /// Takes in a link that came about; what is given says when another takes
    /// its place. A link that lasts is kept; of two that both dialed at once,
    /// the one that the smaller id dialed, so both drop the same.
    pub fn add(
        &self,
        own: PeerId,
        relay: PeerId,
        role: Role,
        link: &Link,
    ) -> Result<CancellationToken, Ending> {
        let stays = match role {
            Role::Dialer => own < relay,
            Role::Dialed => relay < own,
        };
        let mut links = self.lock();
        match links.get(&relay) {
            Some(held) if held.since.elapsed() >= SETTLED || held.stays && !stays => {
                return Err(Ending::Linked);
            }
            Some(held) => held.replaced.cancel(),
            None if links.len() >= self.most => return Err(Ending::Full),
            None => {}
        }
        let replaced = CancellationToken::new();
        let held = Held {
            link: link.clone(),
            stays,
            since: Instant::now(),
            replaced: replaced.clone(),
        };
        links.insert(relay, held);
        Ok(replaced)
    }

    /// A link ended.
    pub fn remove(&self, relay: &PeerId, link: &Link) {
        let mut links = self.lock();
        if links.get(relay).is_some_and(|held| held.link == *link) {
            links.remove(relay);
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

    fn link() -> Link {
        let limits = Limits::default();
        Link::new(LARGE, Mailbox::new(&limits).0, &limits)
    }

    /// Whatever the order in which each learns of the two.
    #[test]
    fn of_two_links_both_relays_keep_the_same() {
        for first in [Role::Dialer, Role::Dialed] {
            let (at_small, at_large) = (Links::new(4), Links::new(4));
            let [by_small, by_large] = [link(), link()];
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
            assert!(at_small.get(&LARGE).is_some_and(|link| link == by_small));
            assert!(at_large.get(&SMALL).is_some_and(|link| link == by_small));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_that_lasts_is_kept_whoever_dials() {
        let links = Links::new(4);
        let [old, new] = [link(), link()];
        let replaced = links.add(SMALL, LARGE, Role::Dialed, &old).unwrap();
        tokio::time::advance(SETTLED).await;
        let again = links.add(SMALL, LARGE, Role::Dialer, &new);
        assert_eq!(again.err(), Some(Ending::Linked));
        assert!(!replaced.is_cancelled());
        links.remove(&LARGE, &old);
        assert!(links.add(SMALL, LARGE, Role::Dialer, &new).is_ok());
        // The end of the old one is none of the new one's.
        links.remove(&LARGE, &old);
        assert!(links.get(&LARGE).is_some_and(|link| link == new));
    }
}
