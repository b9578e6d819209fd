//! Pushes: copies of a complete file with keepers.
//!
//! A pusher offers each blob to as many keepers as still miss to its number of
//! copies. A copy counts only when the keeper has proven it
//! ([`crate::possess`]).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use samara_core::message::{ErrorCode, Features, Hops};
use samara_core::{BlobId, Message, PeerId, RequestId};

use crate::Swarm;
use crate::ask::BELIEVED;
use crate::connection::Peer;
use crate::face::{ConnectionId, Event, TransferId};
use crate::possess::Proving;
use crate::time::{Millis, Time};

/// To a keeper that does nothing about its offers for so long they are no
/// copies on their way: somebody else is offered the same.
const SILENT: Millis = Millis::seconds(60);

/// The same for a keeper that asks for what it is offered, and proves nothing.
const UNPROVEN: Millis = Millis::seconds(10 * 60);

/// A file's copies elsewhere.
pub(crate) struct Pushing {
    /// Copies wanted.
    target: u8,
    /// Everything another peer needs to take this one's place.
    blobs: Vec<BlobId>,
    copies: BTreeMap<BlobId, Copies>,
    /// Blobs with at least one proven copy, two, and so on up to the target.
    reached: Vec<u32>,
}

/// One blob's copies.
#[derive(Default)]
struct Copies {
    proven: Vec<PeerId>,
    /// Keepers it is offered to and that have not proven it, each on one of
    /// its connections.
    offered: Vec<PeerId>,
}

/// What a pusher and one keeper have to do with each other.
#[derive(Default)]
pub(crate) struct Keeping {
    pushes: BTreeMap<TransferId, PushTo>,
    pub(crate) proving: Proving,
    /// When it was last offered something.
    offered_at: Time,
    /// When it last asked for something offered or proved it, or began to have
    /// something to do.
    heard_at: Time,
    /// When it last proved something, or began to have something to prove.
    proved_at: Time,
    /// The peer has no room for pushes.
    full: bool,
}

/// A push towards one keeper.
#[derive(Default)]
struct PushTo {
    cursor: usize,
    offered: BTreeSet<BlobId>,
    /// Offered and no copies on their way: nothing is done about them, or a
    /// claim was not proven. The keeper may still come to hold them.
    overdue: BTreeSet<BlobId>,
    /// Offered blobs that it asked for.
    requested: BTreeSet<BlobId>,
    /// How often it claimed a blob and then did not find it.
    broken: BTreeMap<BlobId, u8>,
}

impl PushTo {
    /// Offers that stand.
    fn standing(&self) -> impl Iterator<Item = &BlobId> {
        self.offered.iter().chain(&self.overdue)
    }

    fn was_offered(&self, blob: &BlobId) -> bool {
        self.offered.contains(blob) || self.overdue.contains(blob)
    }

    /// Whether the keeper may still come to hold it.
    fn may_hold(&self, blob: &BlobId) -> bool {
        self.broken.get(blob).is_none_or(|times| *times < BELIEVED)
    }
}

impl Keeping {
    /// Pushes in which the keeper was offered a blob.
    pub(crate) fn offers_of(&self, blob: BlobId) -> impl Iterator<Item = TransferId> {
        let pushes = self.pushes.iter();
        let offered =
            pushes.filter(move |(_, push)| push.was_offered(&blob) && push.may_hold(&blob));
        offered.map(|(transfer, _)| *transfer)
    }

    /// An offer is over; whether it counted as a copy on its way.
    fn end_offer(&mut self, transfer: TransferId, blob: &BlobId) -> bool {
        let push = self.pushes.get_mut(&transfer);
        push.is_some_and(|push| {
            push.overdue.remove(blob);
            push.requested.remove(blob);
            push.offered.remove(blob)
        })
    }
}

impl Pushing {
    pub(crate) fn new(target: u8, blobs: Vec<BlobId>) -> Self {
        let copies = blobs.iter().map(|blob| (*blob, Copies::default()));
        Self {
            target,
            copies: copies.collect(),
            blobs,
            reached: [0].repeat(usize::from(target)),
        }
    }

    /// A keeper proved a blob that was offered to it.
    fn prove(&mut self, blob: BlobId, peer: PeerId) {
        let copies = self.copies.entry(blob).or_default();
        if copies.proven.contains(&peer) {
            return;
        }
        copies.proven.push(peer);
        if let Some(reached) = self.reached.get_mut(copies.proven.len() - 1) {
            *reached += 1;
        }
    }

    /// Offers of a blob that may still be made.
    fn missing(&self, blob: &BlobId) -> u8 {
        let copies = self.copies.get(blob);
        let made = copies.map_or(0, |c| c.proven.len() + c.offered.len());
        self.target
            .saturating_sub(u8::try_from(made).unwrap_or(u8::MAX))
    }

    /// Whether a keeper has to do with a blob already.
    fn is_known_to(&self, blob: &BlobId, peer: PeerId) -> bool {
        self.copies
            .get(blob)
            .is_some_and(|copies| copies.proven.contains(&peer) || copies.offered.contains(&peer))
    }

    fn offer(&mut self, blob: BlobId, peer: PeerId) {
        self.copies.entry(blob).or_default().offered.push(peer);
    }

    fn unoffer(&mut self, blob: &BlobId, peer: PeerId) {
        if let Some(copies) = self.copies.get_mut(blob) {
            copies.offered.retain(|offered| *offered != peer);
        }
    }

    fn event(&self, transfer: TransferId) -> Event {
        let blobs = u32::try_from(self.blobs.len()).unwrap_or(u32::MAX);
        let complete = self.reached.iter().take_while(|reached| **reached == blobs);
        Event::Pushed {
            transfer,
            proven: self.reached.iter().sum(),
            wanted: blobs.saturating_mul(u32::from(self.target)),
            copies: u8::try_from(complete.count()).unwrap_or(u8::MAX),
            target: self.target,
        }
    }
}

impl Swarm {
    pub(crate) fn on_push(&mut self, transfer: TransferId, copies: u8) {
        let Some(pushed) = self.transfers.get_mut(&transfer) else {
            return;
        };
        pushed.push(copies);
        // Proofs are asked for anew, offers that stand are not made twice.
        for connection in self.connections.values_mut() {
            let Some(peer) = connection.ready_mut() else {
                continue;
            };
            peer.keeping.full = false;
            if let (Some(push), Some(pushing)) = (
                peer.keeping.pushes.get_mut(&transfer),
                pushed.pushing.as_mut(),
            ) {
                push.overdue.clear();
                push.broken.clear();
                for blob in &push.offered {
                    pushing.offer(*blob, peer.id);
                }
            }
        }
        self.push_anew(transfer);
    }

    /// Looks at every blob of a push again, for every keeper.
    fn push_anew(&mut self, transfer: TransferId) {
        let peers: Vec<_> = self.connections.keys().copied().collect();
        for id in peers {
            if let Some(peer) = self.peer_mut(id)
                && let Some(push) = peer.keeping.pushes.get_mut(&transfer)
            {
                push.cursor = 0;
            }
            self.push_all(id);
        }
    }

    /// A blob is there now: it may be one that was missing when it was to be
    /// offered.
    pub(crate) fn push_held(&mut self, blob: &BlobId) {
        let transfers = self.transfers.iter();
        let pushing = transfers.filter(|(_, transfer)| {
            let pushing = transfer.pushing.as_ref();
            pushing.is_some_and(|pushing| pushing.copies.contains_key(blob))
        });
        for transfer in pushing.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.push_anew(transfer);
        }
    }

    /// Offers a keeper what is pushed, as far as it may be at once.
    pub(crate) fn push_all(&mut self, id: ConnectionId) {
        let (now, most) = (self.now, self.config.limits.wants_per_peer / 4);
        let Some(peer) = self.connections.get_mut(&id).and_then(|c| c.ready_mut()) else {
            return;
        };
        let keeps = Features::KEEPS.with(Features::POSSESSION);
        if !peer.features.contains(keeps) || peer.keeping.full {
            return;
        }
        let mut offers = Vec::new();
        for (transfer, pushed) in &mut self.transfers {
            let Some(pushing) = &mut pushed.pushing else {
                continue;
            };
            let push = peer.keeping.pushes.entry(*transfer).or_default();
            while push.offered.len() + push.overdue.len() < most
                && let Some(blob) = pushing.blobs.get(push.cursor).copied()
            {
                push.cursor += 1;
                let known = pushing.is_known_to(&blob, peer.id) || push.was_offered(&blob);
                let wanted = pushing.missing(&blob) > 0 && !known && push.may_hold(&blob);
                if let Some(len) = self.held.get(&blob).filter(|_| wanted) {
                    if push.offered.is_empty() {
                        (peer.keeping.heard_at, peer.keeping.proved_at) = (now, now);
                    }
                    push.offered.insert(blob);
                    pushing.offer(blob, peer.id);
                    offers.push((blob, *len));
                }
            }
        }
        if !offers.is_empty() {
            peer.keeping.offered_at = now;
            self.arm(now + SILENT);
        }
        self.send_offers(id, offers);
    }

    fn send_offers(&mut self, id: ConnectionId, offers: Vec<(BlobId, u32)>) {
        if offers.is_empty() {
            return;
        }
        self.arm(self.now + self.config.limits.tell_again);
        // The want first: the have then makes the pair that is a push.
        let wants = offers.iter().map(|(blob, _)| (*blob, Hops::OWN)).collect();
        self.send_wants(id, wants);
        self.send_haves(id, offers);
    }

    /// There is no room for a pushed blob: whoever pushed it is told.
    pub(crate) fn refuse_push(&mut self, blob: BlobId, why: &str) {
        let pushing = self.connections.iter_mut().filter_map(|(id, connection)| {
            let peer = connection.ready_mut()?;
            let wanted = peer.serving.wants.remove(&blob);
            (wanted && peer.asking.has.contains_key(&blob)).then_some(*id)
        });
        for id in pushing.collect::<Vec<_>>() {
            let (request, code) = (RequestId(0), ErrorCode::FULL);
            let text = why.into();
            self.send(
                id,
                &Message::Error {
                    request,
                    code,
                    text,
                },
            );
        }
    }

    /// A keeper is full: nothing more is offered to it, and what was is taken
    /// back.
    pub(crate) fn on_push_refused(&mut self, from: ConnectionId, why: &str) {
        let Some(peer) = self.peer_mut(from) else {
            return;
        };
        let (id, keeping) = (peer.id, core::mem::take(&mut peer.keeping));
        peer.keeping.full = true;
        peer.keeping.proving.go_on_answering(&keeping.proving);
        let offered = keeping.pushes.values().flat_map(PushTo::standing);
        let withdrawn = offered.map(|blob| (*blob, Hops::WITHDRAWN)).collect();
        self.send_wants(from, withdrawn);
        for transfer in keeping.pushes.keys() {
            let (transfer, reason) = (*transfer, why.into());
            self.event(Event::PushRefused { transfer, reason });
        }
        self.stop_pushing(id, keeping);
    }

    /// A keeper is gone or refused: what was offered to it goes to others.
    pub(crate) fn stop_pushing(&mut self, peer: PeerId, keeping: Keeping) {
        for (transfer, push) in keeping.pushes {
            let pushed = self.transfers.get_mut(&transfer);
            let Some(pushing) = pushed.and_then(|t| t.pushing.as_mut()) else {
                continue;
            };
            for blob in &push.offered {
                pushing.unoffer(blob, peer);
            }
            if !push.offered.is_empty() {
                self.push_anew(transfer);
            }
        }
    }

    /// A peer asks for a blob: it does something about an offer, once for each.
    pub(crate) fn on_asked_for(&mut self, id: ConnectionId, blob: BlobId) {
        let now = self.now;
        let Some(peer) = self.peer_mut(id) else {
            return;
        };
        let mut pushes = peer.keeping.pushes.values_mut();
        if pushes.any(|push| push.offered.contains(&blob) && push.requested.insert(blob)) {
            peer.keeping.heard_at = now;
        }
    }

    /// A keeper does not hold what it claimed.
    pub(crate) fn miss_copy(&mut self, of: ConnectionId, transfer: TransferId, blob: BlobId) {
        let push = self
            .peer_mut(of)
            .and_then(|peer| peer.keeping.pushes.get_mut(&transfer));
        if let Some(push) = push {
            let broken = push.broken.entry(blob).or_default();
            *broken = broken.saturating_add(1);
        }
        self.pass_over(of, |offered| *offered == blob);
    }

    /// A keeper proved a blob.
    pub(crate) fn count_copy(&mut self, of: ConnectionId, transfer: TransferId, blob: BlobId) {
        let now = self.now;
        let Some(peer) = self.connections.get_mut(&of).and_then(|c| c.ready_mut()) else {
            return;
        };
        (peer.keeping.heard_at, peer.keeping.proved_at) = (now, now);
        let counted = peer.keeping.end_offer(transfer, &blob);
        let pushed = self.transfers.get_mut(&transfer);
        if let Some(pushing) = pushed.and_then(|t| t.pushing.as_mut()) {
            if counted {
                pushing.unoffer(&blob, peer.id);
            }
            pushing.prove(blob, peer.id);
            let event = pushing.event(transfer);
            self.event(event);
        }
        self.push_all(of);
    }

    /// Offers are made again before keepers forget them; those that nothing
    /// is done about are made to others as well.
    pub(crate) fn run_offers(&mut self) {
        self.pass_over_silent();
        let (now, again) = (self.now, self.config.limits.tell_again);
        let (mut due, mut later) = (Vec::new(), Vec::new());
        for (id, connection) in &mut self.connections {
            let Some(peer) = connection.ready_mut() else {
                continue;
            };
            let pushes = peer.keeping.pushes.values();
            let offered: Vec<_> = pushes.flat_map(PushTo::standing).copied().collect();
            if offered.is_empty() {
                continue;
            }
            if peer.keeping.offered_at + again > now {
                later.push(peer.keeping.offered_at + again);
                continue;
            }
            peer.keeping.offered_at = now;
            due.push((*id, offered));
        }
        for (id, offered) in due {
            let held = |blob| Some((blob, *self.held.get(&blob)?));
            let offers = offered.into_iter().filter_map(held).collect();
            self.send_offers(id, offers);
        }
        for at in later {
            self.arm(at);
        }
    }

    fn pass_over_silent(&mut self) {
        let now = self.now;
        let (mut silent, mut later) = (Vec::new(), Vec::new());
        for (id, connection) in &mut self.connections {
            let Some(peer) = connection.ready_mut() else {
                continue;
            };
            if peer.keeping.pushes.values().all(|p| p.offered.is_empty()) {
                continue;
            }
            // It is at work, or what it asked for is still on its way.
            if !peer.serving.is_idle() || peer.keeping.proving.is_under_way() {
                peer.keeping.heard_at = now;
            }
            let until = peer.keeping.heard_at + SILENT;
            let until = until.min(peer.keeping.proved_at + UNPROVEN);
            if until <= now {
                silent.push(*id);
            } else {
                later.push(until);
            }
        }
        for at in later {
            self.arm(at);
        }
        for id in silent {
            self.pass_over(id, |_| true);
        }
    }

    /// Some of a keeper's offers are no copies on their way any more, but
    /// stand: others are offered the same.
    pub(crate) fn pass_over(&mut self, id: ConnectionId, which: impl Fn(&BlobId) -> bool) {
        let Some(peer) = self.connections.get_mut(&id).and_then(|c| c.ready_mut()) else {
            return;
        };
        let mut passed = Vec::new();
        for (transfer, push) in &mut peer.keeping.pushes {
            let overdue: Vec<_> = push.offered.extract_if(.., |blob| which(blob)).collect();
            let pushed = self.transfers.get_mut(transfer);
            if let Some(pushing) = pushed.and_then(|t| t.pushing.as_mut()) {
                for blob in &overdue {
                    pushing.unoffer(blob, peer.id);
                }
            }
            if !overdue.is_empty() {
                push.overdue.extend(overdue);
                passed.push(*transfer);
            }
        }
        for transfer in passed {
            self.push_anew(transfer);
        }
    }

    /// Nobody needs copies of a transfer any more.
    pub(crate) fn forget_push(peer: &mut Peer, transfer: TransferId) {
        peer.keeping.pushes.remove(&transfer);
        peer.keeping.proving.forget(transfer);
    }
}
