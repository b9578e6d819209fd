//! Favours: blobs wanted because others want them.
//!
//! A want that comes from near enough is shared out of sympathy: this peer
//! passes it on, one hop further, and fetches the blob from whoever turns out
//! to hold it, so that it can answer the want. Every peer does this at most
//! once a blob and distance, to a bounded number of others, and forgets it
//! after a while; so wants cannot multiply, however peers are connected.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::num::NonZeroU64;

use rand_core::Rng as _;
use samara_core::message::{Features, Hops};
use samara_core::{BlobId, PeerId, Topic};

use crate::Swarm;
use crate::bucket::Bucket;
use crate::connection::{Connection, Peer};
use crate::face::{ConnectionId, Rate};
use crate::seek::least_of;
use crate::time::{Millis, Time};
use crate::want::WANT_LEN;
use crate::wanted::{FOR_OTHERS, State, Urgency, Wanted};

/// A want is passed on only if it stands so long: most are met at once, and a
/// push is its own answer.
const PASS_AFTER: Millis = Millis::seconds(1);

/// Peers that one want is passed on to.
pub(crate) const FANOUT: usize = 16;

/// How many of one peer's wants this one begins to share, in bytes of such
/// wants: each costs all it is passed on to a message, and one more when it is
/// taken back. More than a transfer gets on with.
const SHARED: Rate = Rate {
    bytes_per_second: NonZeroU64::new(64 * WANT_LEN as u64).unwrap(),
    burst: 1024 * WANT_LEN as u64,
};

/// Between two looks for favours that nobody asked for again.
const SWEEP: Millis = Millis::seconds(60);

/// What this peer wants for others.
#[derive(Default)]
pub(crate) struct Gossip {
    favours: BTreeMap<BlobId, Favour>,
    /// Those to be passed on.
    fresh: BTreeSet<BlobId>,
    pass_at: Option<Time>,
    sweep_at: Option<Time>,
    /// Numbers favours in the order they are done.
    last: u32,
    /// What is left of [`SHARED`] to each peer that asked for favours.
    shares: BTreeMap<PeerId, Share>,
}

/// One peer's part in what is shared.
struct Share {
    left: Bucket,
    /// Wants that wait for more to be left, with their distance.
    waiting: VecDeque<(ConnectionId, BlobId, u8)>,
}

impl Default for Share {
    fn default() -> Self {
        let left = Bucket::new(Some(SHARED));
        let waiting = VecDeque::new();
        Self { left, waiting }
    }
}

/// One blob wanted for others.
struct Favour {
    /// Hops to the nearest peer that wants it for itself.
    distance: u8,
    askers: BTreeSet<ConnectionId>,
    /// Those it was passed on to, and at what distance.
    told: BTreeMap<ConnectionId, u8>,
    told_at: Time,
    until: Time,
    /// Since when it is wanted.
    since: Time,
}

/// Farther than any want comes from: to be told anew.
const FORGOTTEN: u8 = u8::MAX;

impl Gossip {
    /// Blobs wanted for others, with who asks for each.
    pub(crate) fn len(&self) -> usize {
        let favours = self.favours.values();
        let favours: usize = favours.map(|of| 1 + of.askers.len() + of.told.len()).sum();
        let waiting: usize = self.shares.values().map(|of| 1 + of.waiting.len()).sum();
        favours + waiting
    }
}

impl Swarm {
    /// Somebody wants a blob that is not here.
    pub(crate) fn favour(&mut self, from: ConnectionId, blob: BlobId, hops: Hops) {
        let Some(distance) = hops
            .distance()
            .filter(|d| *d <= self.config.generosity.reach())
        else {
            return;
        };
        if self.join_favour(from, blob, distance) {
            return;
        }
        let most = self.config.limits.wants_per_peer;
        let Some(peer) = self.peer_mut(from).map(|peer| peer.id) else {
            return;
        };
        let share = self.gossip.shares.entry(peer).or_default();
        if share.waiting.len() < most {
            share.waiting.push_back((from, blob, distance));
            self.begin_waiting(peer);
        }
    }

    /// One more peer wants what is wanted for others already; whether it is.
    fn join_favour(&mut self, from: ConnectionId, blob: BlobId, distance: u8) -> bool {
        let limits = &self.config.limits;
        let (again, until) = (limits.tell_again, self.now + limits.favour);
        let Some(favour) = self.gossip.favours.get_mut(&blob) else {
            return false;
        };
        favour.askers.insert(from);
        // Not what comes back to here in a circle.
        if distance > favour.distance {
            return true;
        }
        favour.until = until;
        let nearer = distance < favour.distance;
        // Told again by whoever wants it: those behind are to know.
        let renewed = self.now.since(favour.told_at).0 >= again.0 / 2;
        if renewed {
            favour.told.values_mut().for_each(|told| *told = FORGOTTEN);
        }
        if nearer || renewed {
            (favour.distance, favour.told_at) = (distance, self.now);
            self.pass_soon(blob);
        }
        true
    }

    /// Begins to share as many of a peer's wants as are its share now.
    fn begin_waiting(&mut self, of: PeerId) {
        let now = self.now;
        while let Some(share) = self.gossip.shares.get_mut(&of) {
            let at = share.left.ready_at(now);
            if at > now && !share.waiting.is_empty() {
                return self.arm(at + PASS_AFTER);
            }
            let Some((asker, blob, distance)) = share.waiting.pop_front() else {
                return;
            };
            let asker_of = self.connections.get(&asker).and_then(Connection::ready);
            // It may have taken the want back meanwhile.
            let wants = asker_of.is_some_and(|peer| peer.serving.wants.contains(&blob));
            if wants && !self.join_favour(asker, blob, distance) {
                if let Some(share) = self.gossip.shares.get_mut(&of) {
                    share.left.take(now, WANT_LEN as u64);
                }
                self.begin_favour(blob, distance, [asker].into());
            }
        }
    }

    fn begin_favour(&mut self, blob: BlobId, distance: u8, askers: BTreeSet<ConnectionId>) {
        if self.gossip.favours.len() >= self.config.limits.favours || self.held.contains_key(&blob)
        {
            return;
        }
        let until = self.now + self.config.limits.favour;
        let told = BTreeMap::new();
        let favour = Favour {
            distance,
            askers,
            told,
            told_at: self.now,
            until,
            since: self.now,
        };
        self.gossip.favours.insert(blob, favour);
        self.gossip.last = self.gossip.last.wrapping_add(1);
        let slot = (FOR_OTHERS, self.gossip.last);
        let rng = &mut self.rng;
        self.wanted
            .add(blob, slot, Some(Urgency::Help), || rng.next_u32());
        self.pass_soon(blob);
        self.seek_later();
        let sweep = *self.gossip.sweep_at.get_or_insert(self.now + SWEEP);
        self.arm(sweep);
    }

    fn pass_soon(&mut self, blob: BlobId) {
        self.gossip.fresh.insert(blob);
        let at = *self.gossip.pass_at.get_or_insert(self.now + PASS_AFTER);
        self.arm(at);
    }

    /// Favours that were promised before a restart.
    pub(crate) fn on_remember(&mut self, wants: Vec<(BlobId, u8)>) {
        for (blob, distance) in wants {
            if distance <= self.config.generosity.reach() {
                self.begin_favour(blob, distance.max(1), BTreeSet::new());
            }
        }
    }

    /// What is wanted for others, with the distance of whoever wants it.
    pub fn favours(&self) -> impl Iterator<Item = (BlobId, u8)> + '_ {
        let favours = self.gossip.favours.iter();
        favours.map(|(blob, favour)| (*blob, favour.distance))
    }

    /// One peer does not want a blob any more.
    pub(crate) fn end_favour_for(&mut self, asker: ConnectionId, blob: BlobId) {
        if let Some(favour) = self.gossip.favours.get_mut(&blob)
            && favour.askers.remove(&asker)
            && favour.askers.is_empty()
        {
            self.end_favour(blob);
        }
    }

    /// A favour is done, or asked for no more.
    pub(crate) fn end_favour(&mut self, blob: BlobId) {
        let Some(favour) = self.gossip.favours.remove(&blob) else {
            return;
        };
        self.gossip.fresh.remove(&blob);
        for id in favour.told.into_keys() {
            let told = self
                .peer_mut(id)
                .map(|peer| peer.telling.passed.remove(&blob));
            if told == Some(true) {
                // A want of this peer's own stands again.
                let hops = self.own_hops(id, &blob).unwrap_or(Hops::WITHDRAWN);
                self.send_wants(id, [(blob, hops)].into());
            }
        }
        if self.wanted.get(&blob).is_some_and(Wanted::is_for_others) {
            self.cancel_all(blob);
            self.disown(&blob);
        }
    }

    /// The store takes nothing more: nothing is fetched for others.
    pub(crate) fn end_all_favours(&mut self) {
        let blobs: Vec<_> = self.gossip.favours.keys().copied().collect();
        for blob in blobs {
            self.end_favour(blob);
        }
    }

    /// Forgets a blob that only others wanted, unless it is there already and
    /// being stored.
    fn disown(&mut self, blob: &BlobId) {
        let wanted = self.wanted.get(blob);
        if wanted.is_some_and(|w| w.is_for_others() && w.state == State::Idle) {
            self.forget_wanted(blob);
        }
    }

    /// A blob is wanted no more: nobody's offer of it counts.
    fn forget_wanted(&mut self, blob: &BlobId) {
        self.wanted.remove(blob);
        for connection in self.connections.values_mut() {
            if let Some(peer) = connection.ready_mut() {
                peer.asking.has.remove(blob);
            }
        }
    }

    /// A peer is gone, with what it wanted and what it was told.
    pub(crate) fn end_favours_of(&mut self, id: ConnectionId, peer: &Peer) {
        // Its share is not anew when it comes back.
        if let Some(share) = self.gossip.shares.get_mut(&peer.id) {
            share.waiting.retain(|(of, ..)| *of != id);
        }
        for blob in &peer.serving.wants {
            self.end_favour_for(id, *blob);
        }
        for blob in &peer.telling.passed {
            if let Some(favour) = self.gossip.favours.get_mut(blob) {
                favour.told.remove(&id);
            }
        }
    }

    /// Forgets those of a gone peer's blobs that were wanted for others and
    /// are asked for no more.
    pub(crate) fn disown_lost<'a>(&mut self, lost: impl Iterator<Item = &'a BlobId>) {
        for blob in lost {
            if !self.gossip.favours.contains_key(blob) {
                self.disown(blob);
            }
        }
    }

    pub(crate) fn has_favours(&self) -> bool {
        !self.gossip.favours.is_empty()
    }

    /// Something that is wanted for long, that nobody connected holds and that
    /// one of the peers asks for which are `due`; the first from `from` on.
    pub(crate) fn long_favour(
        &self,
        from: BlobId,
        due: impl Fn(PeerId) -> bool,
    ) -> Option<(PeerId, BlobId)> {
        let after = self.config.limits.lookup_blobs_after;
        let favours = &self.gossip.favours;
        let all = favours.range(from..).chain(favours.range(..from));
        let long = all.filter(|(_, favour)| favour.since + after <= self.now);
        let nowhere = |blob| self.wanted.get(blob).is_some_and(Wanted::is_nowhere);
        let mut unheld = long.filter(|(blob, _)| nowhere(blob));
        unheld.find_map(|(blob, favour)| {
            let askers = favour.askers.iter();
            let mut peers = askers.filter_map(|id| Some(self.connections.get(id)?.ready()?.id));
            Some((peers.find(|peer| due(*peer))?, *blob))
        })
    }

    /// A blob wanted for others that is announced under a key.
    pub(crate) fn favour_of(&self, key: Topic) -> Option<BlobId> {
        let (blob, _) = self.gossip.favours.range(least_of(key)..).next()?;
        blob.as_bytes().starts_with(key.as_bytes()).then_some(*blob)
    }

    /// What those want besides who want a blob.
    pub(crate) fn wanted_beside(&self, blob: &BlobId) -> BTreeSet<BlobId> {
        let askers = self.gossip.favours.get(blob).map(|favour| &favour.askers);
        let peers = askers.into_iter().flatten();
        let peers = peers.filter_map(|id| self.connections.get(id)?.ready());
        let wants = peers.flat_map(|peer| &peer.serving.wants).copied();
        wants.collect()
    }

    /// Notes that a peer is told of a want of others; how far it is from here.
    pub(crate) fn tell_favour(&mut self, id: ConnectionId, blob: &BlobId) -> Option<Hops> {
        let favour = self.gossip.favours.get_mut(blob)?;
        let distance = favour.distance;
        let known = favour.told.get(&id).is_some_and(|told| *told <= distance);
        if known || favour.askers.contains(&id) {
            return None;
        }
        favour.told.insert(id, distance);
        self.peer_mut(id)?.telling.passed.insert(*blob);
        Some(Hops::passed_on(distance))
    }

    /// Passes wants on, and forgets those that nobody told again.
    pub(crate) fn run_gossip(&mut self) {
        let sharing: Vec<_> = self.gossip.shares.keys().copied().collect();
        for of in sharing {
            self.begin_waiting(of);
        }
        if self.gossip.pass_at.is_some_and(|at| at <= self.now) {
            self.gossip.pass_at = None;
            self.pass_on();
        }
        if self.gossip.sweep_at.is_some_and(|at| at <= self.now) {
            self.gossip.sweep_at = None;
            let favours = self.gossip.favours.iter();
            let over = favours.filter(|(_, favour)| favour.until <= self.now);
            for blob in over.map(|(blob, _)| *blob).collect::<Vec<_>>() {
                self.end_favour(blob);
            }
            let now = self.now;
            let shares = &mut self.gossip.shares;
            shares.retain(|_, share| !share.waiting.is_empty() || !share.left.is_full(now));
            if !self.gossip.favours.is_empty() || !shares.is_empty() {
                self.gossip.sweep_at = Some(self.now + SWEEP);
            }
        }
        let next = [self.gossip.pass_at, self.gossip.sweep_at];
        for at in next.into_iter().flatten() {
            self.arm(at);
        }
    }

    fn pass_on(&mut self) {
        let fresh = core::mem::take(&mut self.gossip.fresh);
        let listeners = self.listeners();
        let most = self.config.limits.wants_per_peer / 2;
        let mut wants: BTreeMap<ConnectionId, Vec<(BlobId, Hops)>> = BTreeMap::new();
        for blob in fresh {
            let Some(favour) = self.gossip.favours.get_mut(&blob) else {
                continue;
            };
            for id in &listeners {
                let peer = self.connections.get_mut(id).and_then(|c| c.ready_mut());
                let Some(peer) = peer else {
                    continue;
                };
                let passed = &peer.telling.passed;
                if passed.len() >= most && !passed.contains(&blob) {
                    continue;
                }
                let full = || favour.told.len() >= FANOUT;
                let known = favour.told.get(id).map(|told| *told <= favour.distance);
                if favour.askers.contains(id) || known.unwrap_or_else(full) {
                    continue;
                }
                favour.told.insert(*id, favour.distance);
                peer.telling.passed.insert(blob);
                let hops = Hops::passed_on(favour.distance);
                wants.entry(*id).or_default().push((blob, hops));
            }
        }
        for (id, wants) in wants {
            self.send_wants(id, wants);
        }
    }

    /// Peers to pass wants on to: those that help others first, then some by
    /// chance. Twice as many as a want needs, as some of them asked for it.
    fn listeners(&mut self) -> Vec<ConnectionId> {
        let connections = self.connections.iter();
        let ready = connections.filter_map(|(id, connection)| {
            let peer = Connection::ready(connection)?;
            let listens = peer.features.contains(Features::GOSSIP) && !connection.lane;
            listens.then_some((*id, peer.features.contains(Features::KEEPS)))
        });
        let ready: Vec<_> = ready.collect();
        let rng = &mut self.rng;
        let mut ready: Vec<_> = ready
            .into_iter()
            .map(|(id, keeps)| (!keeps, rng.next_u32(), id))
            .collect();
        ready.sort_unstable();
        ready.truncate(2 * FANOUT);
        ready.into_iter().map(|(_, _, id)| id).collect()
    }
}
