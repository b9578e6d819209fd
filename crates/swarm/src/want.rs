//! Wants and haves: who is told what, and what follows from hearing it.
//!
//! A want is told to a peer once, and again when it becomes more urgent to be
//! helped. The peer answers with HAVE at once or as soon as it holds the blob.
//! What is wanted for others is in [`crate::gossip`], what is offered to
//! keepers in [`crate::push`].

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use samara_core::blob::MAX_BLOB_LEN;
use samara_core::message::{ErrorCode, Features, Hops};
use samara_core::{BlobId, Message};

use crate::Swarm;
use crate::connection::Scope;
use crate::face::{ConnectionId, TransferId};
use crate::time::Millis;
use crate::wanted::{FOR_OTHERS, Wanted};

const HAVE_LEN: usize = 36;
pub(crate) const WANT_LEN: usize = 33;

/// A transfer that got nothing for so long asks others to help looking.
const CALL_AFTER: Millis = Millis::seconds(5);

#[expect(clippy::cast_possible_truncation, reason = "a mebibyte fits")]
const LONGEST: u32 = MAX_BLOB_LEN as u32;

impl Swarm {
    /// Tells a peer the wants it may know and was not told. No transfer takes
    /// all of what may be told, so that the next has something left.
    pub(crate) fn tell_wants(&mut self, id: ConnectionId) {
        let most = self.config.limits.wants_per_peer / 2;
        let beside = self.shown_beside(id);
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
        let gossips = peer.features.contains(Features::GOSSIP);
        let share = most / (incomplete.len() + 1);
        let left = most.saturating_sub(peer.telling.told.values().map(BTreeSet::len).sum());
        let mut wants = Vec::new();
        for (id, transfer) in incomplete {
            if peer.shown.is_mutual(*id) || beside.contains(id) {
                continue;
            }
            let told = peer.telling.told.entry(*id).or_default();
            let cursor = peer.telling.cursors.entry(*id).or_default();
            let hops = if gossips && transfer.called_at.is_none() {
                Hops::QUIET
            } else {
                Hops::OWN
            };
            while told.len() < share
                && wants.len() < left
                && let Some(blob) = transfer.blobs.get(*cursor)
            {
                *cursor += 1;
                if self.wanted.contains(blob) && told.insert(*blob) {
                    wants.push((*blob, hops));
                    // It stands in the place of what was passed on.
                    if hops == Hops::OWN {
                        peer.telling.passed.remove(blob);
                    }
                }
            }
        }
        self.send_wants(id, wants);
    }

    /// How a transfer's want was told to a peer, if it was.
    pub(crate) fn own_hops(&self, id: ConnectionId, blob: &BlobId) -> Option<Hops> {
        let peer = self.connections.get(&id)?.ready()?;
        let told = peer.telling.told.iter();
        let mut told = told.filter(|(_, told)| told.contains(blob)).peekable();
        told.peek()?;
        let called = |transfer| self.transfers.get(transfer)?.called_at;
        let quiet = told.all(|(transfer, _)| called(transfer).is_none());
        Some(if quiet && peer.features.contains(Features::GOSSIP) {
            Hops::QUIET
        } else {
            Hops::OWN
        })
    }

    /// A peer does not hold what it claimed: it is to say so when it does.
    pub(crate) fn want_again(&mut self, id: ConnectionId, blob: BlobId) {
        self.note_lost(id, &blob);
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let slots = self.wanted.get(&blob).map(|wanted| &wanted.slots);
        let transfers = slots.into_iter().flatten().map(|(transfer, _)| *transfer);
        let known = transfers.filter(|of| *of != FOR_OTHERS && connection.scope.includes(*of));
        let known: Vec<_> = known.collect();
        let Some(peer) = connection.ready_mut() else {
            return;
        };
        for transfer in known {
            // Who sees what is missing here tells of it unasked.
            if !peer.shown.is_mutual(transfer) {
                peer.telling.told.entry(transfer).or_default().insert(blob);
            }
        }
        if let Some(hops) = self.own_hops(id, &blob) {
            self.send_wants(id, [(blob, hops)].into());
        }
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
            Self::forget_push(peer, transfer);
            let telling = &peer.telling;
            let over = |blob: &BlobId| !telling.tells(blob);
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

    /// Something came for a transfer: it needs no help for a while.
    pub(crate) fn put_off_call(&mut self, transfer: TransferId) {
        let at = self.now + CALL_AFTER;
        if let Some(transfer) = self.transfers.get_mut(&transfer) {
            transfer.call_at = at;
        }
        self.arm(at);
    }

    /// Transfers that get nothing from those they know ask them to pass their
    /// wants on, and ask again before that is forgotten.
    pub(crate) fn run_calls(&mut self) {
        let (now, again) = (self.now, self.config.limits.tell_again);
        let transfers = self.transfers.iter_mut();
        let waiting = transfers.filter(|(_, t)| t.is_incomplete() && !t.paused);
        let (mut calling, mut later) = (Vec::new(), Vec::new());
        for (id, transfer) in waiting {
            let at = match transfer.called_at {
                Some(called) => called + again,
                None => transfer.call_at,
            };
            if at <= now {
                transfer.called_at = Some(now);
                calling.push(*id);
                later.push(now + again);
            } else {
                later.push(at);
            }
        }
        for at in later {
            self.arm(at);
        }
        if calling.is_empty() {
            return;
        }
        for connection in self.connections.values_mut() {
            let Some(peer) = connection.ready_mut() else {
                continue;
            };
            if peer.features.contains(Features::GOSSIP) {
                for transfer in &calling {
                    peer.telling.cursors.remove(transfer);
                    peer.telling.told.remove(transfer);
                }
            }
        }
        self.tell_all_wants();
    }

    pub(crate) fn send_wants(&mut self, to: ConnectionId, wants: Vec<(BlobId, Hops)>) {
        let Some(max) = self.peer_mut(to).map(|peer| peer.max_message) else {
            return;
        };
        for batch in batches(wants, WANT_LEN, max) {
            self.send(to, &Message::Want(batch));
        }
    }

    pub(crate) fn send_haves(&mut self, to: ConnectionId, haves: Vec<(BlobId, u32)>) {
        let Some(max) = self.peer_mut(to).map(|peer| peer.max_message) else {
            return;
        };
        for batch in batches(haves, HAVE_LEN, max) {
            self.send(to, &Message::Have(batch));
        }
    }

    pub(crate) fn on_want(&mut self, from: ConnectionId, wants: Vec<(BlobId, Hops)>) {
        let most = self.config.limits.wants_per_peer;
        let mut haves = Vec::new();
        let blobs: Vec<_> = wants.iter().map(|(blob, _)| *blob).collect();
        for (blob, hops) in wants {
            self.on_named(from, &blob);
            let held = self.held.get(&blob).copied();
            let held = held.filter(|_| self.offers(&blob));
            let Some(peer) = self.peer_mut(from) else {
                return;
            };
            let serving = &mut peer.serving;
            if hops == Hops::WITHDRAWN {
                serving.wants.remove(&blob);
                self.end_favour_for(from, blob);
            } else if let Some(len) = held {
                haves.push((blob, len));
            } else if serving.wants.contains(&blob) || serving.wants.len() < most {
                serving.wants.insert(blob);
                self.favour(from, blob, hops);
            } else {
                serving.excess += 1;
            }
        }
        self.send_haves(from, haves);
        self.widen_scope(from, &blobs);
        let excess = self.peer_mut(from).map_or(0, |peer| peer.serving.excess);
        if excess > most {
            self.misbehaved(from, ErrorCode::TOO_MANY, "too many wants at once");
        }
    }

    pub(crate) fn on_have(&mut self, from: ConnectionId, haves: Vec<(BlobId, u32)>) {
        let blobs: Vec<_> = haves.iter().map(|(blob, _)| *blob).collect();
        let most = self.config.limits.help_len;
        for (blob, len) in haves {
            let for_others = self.wanted.get(&blob).is_some_and(Wanted::is_for_others);
            let Some(peer) = self.peer_mut(from) else {
                return;
            };
            peer.telling.answered(blob);
            self.note_have(from, &blob);
            if !for_others || len <= most {
                self.offer(from, blob, len.min(LONGEST));
            }
        }
        self.on_kept(from, &blobs);
        self.widen_scope(from, &blobs);
        self.on_found_have(from, &blobs);
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
        let offered = self.offers(&blob);
        let mut waiting = self.lacking(&blob);
        let mut told = Vec::new();
        for (id, connection) in &mut self.connections {
            let Some(peer) = connection.ready_mut() else {
                continue;
            };
            peer.asking.has.remove(&blob);
            peer.asking.broken.remove(&blob);
            if offered && peer.serving.wants.remove(&blob) && !waiting.contains(id) {
                waiting.push(*id);
            }
            if peer.telling.answered(blob) {
                told.push(*id);
            }
        }
        self.end_favour(blob);
        for id in waiting {
            self.send(id, &Message::Have([(blob, len)].into()));
        }
        for id in told {
            self.send(id, &Message::Want([(blob, Hops::WITHDRAWN)].into()));
            self.tell_wants_if_few(id);
        }
        self.push_held(&blob);
        for (transfer, index) in wanted.into_iter().flat_map(|wanted| wanted.slots) {
            self.put_off_call(transfer);
            self.on_arrived(transfer, index);
        }
    }

    /// Whether others may know that a blob is held here. A stingy peer serves
    /// only what its user shares.
    pub(crate) fn offers(&self, blob: &BlobId) -> bool {
        !self.config.generosity.stingy || self.shared.contains_key(blob)
    }
}

/// Cuts a long list into messages the peer accepts.
fn batches<T>(items: Vec<T>, item_len: usize, max_message: usize) -> Vec<Vec<T>> {
    let per_message = (max_message.saturating_sub(2) / item_len).clamp(1, 1024);
    let mut batches = Vec::new();
    let mut items = items.into_iter().peekable();
    while items.peek().is_some() {
        batches.push(items.by_ref().take(per_message).collect());
    }
    batches
}
