//! Wants and haves: who is told what, and what follows from hearing it.
//!
//! A want is told to a peer once. The peer answers with HAVE at once or as
//! soon as it holds the blob. A peer that both wants and holds a blob pushes
//! it: whoever keeps pushed blobs fetches it from there.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use samara_core::message::{ErrorCode, Features, Hops};
use samara_core::{BlobId, Message, RequestId};

use crate::Swarm;
use crate::ask::{Wanted, WantedState};
use crate::connection::{Connection, Scope};
use crate::face::{ConnectionId, Event, TransferId};
use crate::serve::batches;

/// The transfer that pushed blobs belong to: nobody's.
pub(crate) const ADOPTED: TransferId = TransferId(0);

const HAVE_LEN: usize = 36;
const WANT_LEN: usize = 33;

impl Swarm {
    /// Tells a peer the wants it may know and was not told. No transfer takes
    /// all of what may be told, so that the next has something left.
    pub(crate) fn tell_wants(&mut self, id: ConnectionId) {
        let most = self.config.limits.wants_per_peer;
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let transfers = self.transfers.iter();
        let incomplete = transfers.filter(|(_, t)| t.is_incomplete() && !t.paused);
        let incomplete: Vec<_> = incomplete
            .filter(|(transfer, _)| connection.scope.includes(**transfer))
            .collect();
        let Some(peer) = connection.ready_mut() else {
            return;
        };
        let share = most / (incomplete.len() + 1);
        let left = most.saturating_sub(peer.telling.told.values().map(BTreeSet::len).sum());
        let mut wants = Vec::new();
        for (id, transfer) in incomplete {
            let told = peer.telling.told.entry(*id).or_default();
            let cursor = peer.telling.cursors.entry(*id).or_default();
            while told.len() < share
                && wants.len() < left
                && let Some(blob) = transfer.blobs.get(*cursor)
            {
                *cursor += 1;
                if self.wanted.contains_key(blob) && told.insert(*blob) {
                    wants.push((*blob, Hops::OWN));
                }
            }
        }
        self.send_wants(id, wants);
    }

    /// Tells a peer more once some of what it was told is over; each time
    /// would be a look at every transfer for every blob.
    fn tell_wants_if_few(&mut self, id: ConnectionId) {
        let told = self
            .peer_mut(id)
            .map(|peer| peer.telling.told.values().map(BTreeSet::len).sum());
        if told.is_some_and(|told: usize| told.is_multiple_of(64)) {
            self.tell_wants(id);
        }
    }

    /// Takes back wants that are over, wherever they were told.
    pub(crate) fn withdraw(&mut self, transfer: TransferId, blobs: &[BlobId]) {
        let mut withdrawn = Vec::new();
        for (id, connection) in &mut self.connections {
            let Some(peer) = connection.ready_mut() else {
                continue;
            };
            peer.telling.cursors.remove(&transfer);
            let told = peer.telling.told.remove(&transfer).unwrap_or_default();
            for blob in blobs {
                peer.asking.has.remove(blob);
            }
            peer.telling.pushes.remove(&transfer);
            let others = &peer.telling.told;
            let over = |blob: &BlobId| !others.values().any(|told| told.contains(blob));
            let wants = told.into_iter().filter(over);
            let wants: Vec<_> = wants.map(|blob| (blob, Hops::WITHDRAWN)).collect();
            withdrawn.push((*id, wants));
        }
        for (id, wants) in withdrawn {
            self.send_wants(id, wants);
            self.tell_wants(id);
        }
    }

    /// Tells every peer whose scope allows.
    pub(crate) fn tell_all_wants(&mut self) {
        let peers: Vec<_> = self.connections.keys().copied().collect();
        for id in peers {
            self.tell_wants(id);
        }
    }

    fn send_wants(&mut self, to: ConnectionId, wants: Vec<(BlobId, Hops)>) {
        let Some(max) = self.peer_mut(to).map(|peer| peer.max_message) else {
            return;
        };
        for batch in batches(wants, WANT_LEN, max) {
            self.send(to, &Message::Want(batch));
        }
    }

    fn send_haves(&mut self, to: ConnectionId, haves: Vec<(BlobId, u32)>) {
        let Some(max) = self.peer_mut(to).map(|peer| peer.max_message) else {
            return;
        };
        for batch in batches(haves, HAVE_LEN, max) {
            self.send(to, &Message::Have(batch));
        }
    }

    pub(crate) fn on_want(&mut self, from: ConnectionId, wants: Vec<(BlobId, Hops)>) {
        let most = self.config.limits.wants_per_peer;
        let (mut haves, mut withdrawn) = (Vec::new(), Vec::new());
        let blobs: Vec<_> = wants.iter().map(|(blob, _)| *blob).collect();
        for (blob, hops) in wants {
            let held = self.held.get(&blob).copied();
            let Some(peer) = self.peer_mut(from) else {
                return;
            };
            let serving = &mut peer.serving;
            if hops == Hops::WITHDRAWN {
                serving.wants.remove(&blob);
                withdrawn.push(blob);
            } else if let Some(len) = held {
                haves.push((blob, len));
            } else if serving.wants.len() < most {
                serving.wants.insert(blob);
            } else {
                serving.excess += 1;
            }
        }
        self.send_haves(from, haves);
        self.widen_scope(from, &blobs);
        self.disown(&withdrawn);
        let excess = self.peer_mut(from).map_or(0, |peer| peer.serving.excess);
        if excess > most {
            self.misbehaved(from, ErrorCode::TOO_MANY, "too many wants at once");
        }
    }

    pub(crate) fn on_have(&mut self, from: ConnectionId, haves: Vec<(BlobId, u32)>) {
        let blobs: Vec<_> = haves.iter().map(|(blob, _)| *blob).collect();
        for (blob, len) in haves {
            self.adopt(from, blob, len);
            self.offer(from, blob);
            if let Some(peer) = self.peer_mut(from) {
                peer.telling.answered(blob);
            }
        }
        self.count_pushed(from, &blobs);
        self.widen_scope(from, &blobs);
        self.tell_wants(from);
        self.ask(from);
    }

    /// A peer that names a transfer's blobs knows the transfer.
    fn widen_scope(&mut self, id: ConnectionId, blobs: &[BlobId]) {
        let wanted = blobs.iter().filter_map(|blob| self.wanted.get(blob));
        let slots = wanted.flat_map(|wanted| wanted.slots.iter());
        let known: BTreeSet<_> = slots.map(|(transfer, _)| *transfer).collect();
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if let Scope::Only(scope) = &mut connection.scope {
            let before = scope.len();
            scope.extend(known);
            if scope.len() > before {
                self.tell_wants(id);
            }
        }
    }

    /// A blob is in the store now: everybody who waits for it hears of it.
    pub(crate) fn on_held(&mut self, blob: BlobId, len: u32) {
        self.held.insert(blob, len);
        let wanted = self.wanted.remove(&blob);
        let (mut waiting, mut told) = (Vec::new(), Vec::new());
        for (id, connection) in &mut self.connections {
            let Some(peer) = connection.ready_mut() else {
                continue;
            };
            peer.asking.has.remove(&blob);
            if peer.serving.wants.remove(&blob) {
                waiting.push(*id);
            }
            if peer.telling.answered(blob) {
                told.push(*id);
            }
        }
        for id in waiting {
            self.send(id, &Message::Have([(blob, len)].into()));
        }
        for id in told {
            self.send(id, &Message::Want([(blob, Hops::WITHDRAWN)].into()));
            self.tell_wants_if_few(id);
        }
        for (transfer, index) in wanted.into_iter().flat_map(|wanted| wanted.slots) {
            self.on_arrived(transfer, index);
        }
    }

    /// Takes a pushed blob: one that its holder also wants.
    fn adopt(&mut self, from: ConnectionId, blob: BlobId, len: u32) {
        let limits = &self.config.limits;
        let keeps = self.config.features.contains(Features::KEEPS);
        let fits = len <= limits.adopt_len && self.wanted.len() < limits.adopting;
        let known = self.held.contains_key(&blob) || self.wanted.contains_key(&blob);
        if !keeps || !fits || known {
            return;
        }
        let pushed = self
            .peer_mut(from)
            .is_some_and(|peer| peer.serving.wants.contains(&blob));
        if pushed {
            self.adopted = self.adopted.wrapping_add(1);
            let slots = [(ADOPTED, self.adopted)].into();
            let state = WantedState::Idle;
            self.wanted.insert(blob, Wanted { slots, state });
        }
    }

    /// Takes nothing more of a push that was taken back.
    fn disown(&mut self, blobs: &[BlobId]) {
        for blob in blobs {
            if self
                .wanted
                .get(blob)
                .is_some_and(|w| w.is_adopted() && w.state == WantedState::Idle)
            {
                self.wanted.remove(blob);
            }
        }
    }

    /// Forgets those of a gone peer's pushed blobs that nobody else holds.
    pub(crate) fn disown_lost(&mut self, lost: &BTreeSet<BlobId>) {
        for blob in lost {
            let Some(wanted) = self.wanted.get(blob) else {
                continue;
            };
            let mut peers = self.connections.values().filter_map(Connection::ready);
            let needed = !wanted.is_adopted() || wanted.state == WantedState::Storing;
            if !needed && !peers.any(|peer| peer.asking.has.contains(blob)) {
                self.wanted.remove(blob);
            }
        }
    }

    pub(crate) fn on_push(&mut self, transfer: TransferId) {
        if let Some(transfer) = self.transfers.get_mut(&transfer) {
            transfer.push();
        }
        let peers: Vec<_> = self.connections.keys().copied().collect();
        for id in peers {
            if let Some(peer) = self.peer_mut(id) {
                peer.telling.full = false;
            }
            self.push_all(id);
        }
    }

    /// Offers a peer what is pushed, as far as it may be at once.
    pub(crate) fn push_all(&mut self, id: ConnectionId) {
        let most = self.config.limits.wants_per_peer / 2;
        let keeps = |peer: &mut crate::connection::Peer| peer.features.contains(Features::KEEPS);
        if !self
            .peer_mut(id)
            .is_some_and(|peer| keeps(peer) && !peer.telling.full)
        {
            return;
        }
        let mut offers = Vec::new();
        for (transfer, pushed) in &self.transfers {
            if pushed.pushed.is_empty() {
                continue;
            }
            let Some(peer) = self.connections.get_mut(&id).and_then(|c| c.ready_mut()) else {
                return;
            };
            let push = peer.telling.pushes.entry(*transfer).or_default();
            while push.offered.len() < most
                && let Some(blob) = pushed.pushed.get(push.cursor)
            {
                push.cursor += 1;
                if let Some(len) = self.held.get(blob) {
                    push.offered.insert(*blob);
                    offers.push((*blob, *len));
                }
            }
        }
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
            (wanted && peer.asking.has.contains(&blob)).then_some(*id)
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
        peer.telling.full = true;
        let pushes = core::mem::take(&mut peer.telling.pushes);
        let offered = pushes.values().flat_map(|push| push.offered.iter());
        let withdrawn = offered.map(|blob| (*blob, Hops::WITHDRAWN)).collect();
        self.send_wants(from, withdrawn);
        for transfer in pushes.into_keys() {
            let reason = why.into();
            self.event(Event::PushRefused { transfer, reason });
        }
    }

    fn count_pushed(&mut self, from: ConnectionId, blobs: &[BlobId]) {
        let Some(peer) = self.peer_mut(from) else {
            return;
        };
        let mut counted = Vec::new();
        for (transfer, push) in &mut peer.telling.pushes {
            let before = push.held;
            for blob in blobs {
                push.held += u32::from(push.offered.remove(blob));
            }
            if push.held > before {
                counted.push((*transfer, push.held));
            }
        }
        for (transfer, held) in counted {
            let pushed = self.transfers.get(&transfer).map_or(0, |t| t.pushed.len());
            let total = u32::try_from(pushed).unwrap_or(u32::MAX);
            self.event(Event::Pushed {
                transfer,
                held,
                total,
            });
            self.push_all(from);
        }
    }
}
