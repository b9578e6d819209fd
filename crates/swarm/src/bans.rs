//! Peers that are not spoken to for a time.

use alloc::collections::BTreeMap;

use samara_core::PeerId;

use crate::limits::Limits;
use crate::time::{Millis, Time};

/// Bans, bounded in number and time.
pub(crate) struct Bans {
    by_peer: BTreeMap<PeerId, Ban>,
    most: usize,
    first: Millis,
    longest: Millis,
}

struct Ban {
    until: Time,
    times: u32,
}

impl Bans {
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self {
            by_peer: BTreeMap::new(),
            most: limits.bans,
            first: limits.ban_first,
            longest: limits.ban_most,
        }
    }

    /// Bans a peer, each time for twice as long.
    pub(crate) fn ban(&mut self, peer: PeerId, now: Time) {
        let times = self.by_peer.get(&peer).map_or(0, |ban| ban.times + 1);
        let until = now + self.first.doubled(times, self.longest);
        self.by_peer.insert(peer, Ban { until, times });
        while self.by_peer.len() > self.most {
            let soonest = self.by_peer.iter().min_by_key(|(_, ban)| ban.until);
            let Some(soonest) = soonest.map(|(peer, _)| *peer) else {
                return;
            };
            self.by_peer.remove(&soonest);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_peer.len()
    }

    pub(crate) fn is_banned(&self, peer: PeerId, now: Time) -> bool {
        self.by_peer.get(&peer).is_some_and(|ban| now < ban.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_ban_is_longer_and_the_number_is_bounded() {
        let limits = Limits {
            bans: 2,
            ..Limits::default()
        };
        let mut bans = Bans::new(&limits);
        let [a, b, c] = [1, 2, 3].map(|byte| PeerId::from_bytes([byte; 32]));
        bans.ban(a, Time(0));
        assert!(bans.is_banned(a, Time(59_999)) && !bans.is_banned(a, Time(60_000)));
        bans.ban(a, Time(60_000));
        assert!(bans.is_banned(a, Time(179_999)));
        bans.ban(b, Time(60_000));
        bans.ban(c, Time(60_001));
        assert!(
            !bans.is_banned(b, Time(60_002)),
            "the shortest ban goes first"
        );
    }
}
