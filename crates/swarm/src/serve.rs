//! Serving: answering requests fairly and without filling memory.
//!
//! Each asker's requests wait in a queue of their own. Askers take turns to
//! have a blob loaded, and turns to be sent a message where there is a limit
//! on uploads: none starves, none gets everything. Of what an asker wants it
//! gets first what was served least, so that a crowd gets different blobs and
//! trades them instead of fetching each from here. No more askers are served
//! side by side than fill the line ([`crate::uplink`]).

use alloc::collections::VecDeque;
use alloc::collections::btree_map::Entry;
use alloc::vec::Vec;

use bytes::Bytes;
use samara_core::message::{ErrorCode, Features, PART_HEADER_LEN, RESPONSE_HEADER_LEN};
use samara_core::{BlobId, Message, RequestId};

use crate::Swarm;
use crate::connection::{Connection, Peer, Sending, Serving};
use crate::face::{ConnectionId, Output, TransferId};
use crate::greet::UNEXPECTED;
use crate::limits::Limits;
use crate::relieve::LOOK;
use crate::time::Millis;

/// Blobs of one peer that are loaded or being loaded: one on its way, one
/// behind it so that the transport never waits for the disk.
pub(crate) const LOADED_AHEAD: usize = 2;

/// An asker that took nothing for so long holds nobody else up; sooner if it was
/// measured that what is queued for it leaves sooner, or it left its room.
const STUCK: Millis = Millis::seconds(3);

/// Part of what may be on its way to all askers ([`crate::uplink`]) that keeps
/// nobody waiting: an entry blob of a file of a few thousand chunks at most.
const SMALL: usize = 8;

/// Who a blob is loaded for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiter {
    /// A peer that asked for it.
    Peer(ConnectionId, RequestId),
    /// A transfer that reads its entry from it.
    Entry(TransferId),
}

/// Askers that wait for their turn.
#[derive(Default)]
pub(crate) struct Turns {
    /// To have a blob loaded.
    loads: VecDeque<ConnectionId>,
    /// To be sent a message within the limit.
    sends: VecDeque<ConnectionId>,
}

impl Swarm {
    pub(crate) fn on_request(&mut self, from: ConnectionId, request: RequestId, blob: BlobId) {
        let most = self.config.limits.requests_queued;
        let Some(peer) = self.peer_mut(from) else {
            return;
        };
        if request.0 <= peer.serving.last_request {
            let what = "a request with a number that was used before";
            return self.misbehaved(from, UNEXPECTED, what);
        }
        peer.serving.last_request = request.0;
        if peer.serving.queue.len() >= most {
            return self.misbehaved(from, ErrorCode::TOO_MANY, "too many requests at once");
        }
        peer.serving.queue.push_back((request, blob));
        self.on_asked_for(from, blob);
        self.on_named(from, &blob);
        self.line_up(from);
        self.load_next();
    }

    pub(crate) fn on_cancel(&mut self, from: ConnectionId, request: RequestId) {
        self.forget(|waiter| *waiter == Waiter::Peer(from, request));
        let Some(peer) = self.peer_mut(from) else {
            return;
        };
        let serving = &mut peer.serving;
        serving.queue.retain(|(queued, _)| *queued != request);
        let before = serving.loaded();
        serving.loading.remove(&request);
        serving.sending.retain(|sending| sending.request != request);
        let gone = before - serving.loaded();
        self.serving = self.serving.saturating_sub(gone);
        self.serve(from);
    }

    /// Sends to a peer what its transport takes and loads what comes next.
    pub(crate) fn serve(&mut self, id: ConnectionId) {
        while self.has_to_send(id) && self.may_send(id) {
            let Some(message) = self.peer_mut(id).and_then(next_message) else {
                break;
            };
            self.after_message(id, &message);
            self.send(id, &message);
        }
        self.pass_turn(id);
        self.count_outgoing(id);
        self.line_up(id);
        self.load_next();
    }

    /// Counts anew what is on its way to a peer.
    fn count_outgoing(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let (queued, stuck) = (connection.queued, self.is_stuck(connection));
        let Some(peer) = self.peer_mut(id) else {
            return;
        };
        // What is not taken does not fill the line.
        let now = if stuck {
            0
        } else {
            peer.serving.unsent() + queued
        };
        let before = core::mem::replace(&mut peer.serving.outgoing, now);
        self.outgoing = self.outgoing.saturating_sub(before) + now;
    }

    /// Whether an asker takes nothing of what is queued for it.
    fn is_stuck(&self, connection: &Connection) -> bool {
        let patience = match connection.leaving.rate() {
            _ if self.has_left(connection) => LOOK,
            // Twice what the queue should take.
            Some(rate) => Millis(connection.queued as u64 * 2000 / rate.max(1)),
            None => STUCK,
        };
        let patience = patience.max(LOOK).min(STUCK);
        let taken_at = connection.ready().map(|peer| peer.serving.taken_at);
        connection.queued > 0 && taken_at.is_some_and(|at| self.now.since(at) >= patience)
    }

    /// Whether something loaded waits for a peer whose transport takes it.
    fn has_to_send(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|connection| {
            let most = queue_limit(connection, &self.config.limits);
            let room = connection.queued < most;
            room && connection
                .ready()
                .is_some_and(|peer| !peer.serving.sending.is_empty())
        })
    }

    /// Whether the limit on uploads lets a peer be sent something now; if
    /// not, the peer gets its turn later.
    fn may_send(&mut self, id: ConnectionId) -> bool {
        let at = self.upload.ready_at(self.now);
        let first = self.turns.sends.front().is_none_or(|first| *first == id);
        if at <= self.now && first {
            self.turns.sends.pop_front();
            if let Some(peer) = self.peer_mut(id) {
                peer.serving.held_back = false;
            }
            return true;
        }
        if let Some(peer) = self.connections.get_mut(&id).and_then(|c| c.ready_mut())
            && !peer.serving.held_back
        {
            self.hold_back(id);
        }
        self.arm(at);
        false
    }

    /// Has a peer wait for its turn to be sent something: one turn for all its
    /// channels, of which the next takes it.
    fn hold_back(&mut self, id: ConnectionId) {
        let siblings: Vec<_> = self.siblings(id).collect();
        let waits = |id: &ConnectionId| {
            let peer = self.connections.get(id).and_then(Connection::ready);
            peer.is_some_and(|peer| peer.serving.held_back)
        };
        if siblings.iter().any(waits) {
            return;
        }
        let next = siblings.into_iter().find(|id| self.has_to_send(*id));
        let next = next.unwrap_or(id);
        if let Some(peer) = self.peer_mut(next) {
            peer.serving.held_back = true;
            self.turns.sends.push_back(next);
            let at = self.upload.ready_at(self.now);
            self.arm(at);
        }
    }

    /// If a channel needs no turn any more, another one of its peer does that
    /// left the waiting to it.
    fn pass_turn(&mut self, id: ConnectionId) {
        let waits = |id: ConnectionId| {
            let peer = self.connections.get(&id).and_then(Connection::ready);
            peer.is_some_and(|peer| peer.serving.held_back)
        };
        if waits(id) || self.siblings(id).any(waits) {
            return;
        }
        let next = self.siblings(id).find(|id| self.has_to_send(*id));
        if let Some(next) = next {
            self.hold_back(next);
        }
    }

    /// Another channel of the peer is gone: this one waits for turns itself.
    pub(crate) fn wait_again(&mut self, id: ConnectionId) {
        self.line_up(id);
        let held = self.connections.get(&id).and_then(Connection::ready);
        let held = held.is_some_and(|peer| peer.serving.held_back);
        if !held && self.has_to_send(id) && self.upload.ready_at(self.now) > self.now {
            self.hold_back(id);
        }
    }

    fn after_message(&mut self, id: ConnectionId, message: &Message) {
        let bytes = crate::answer::blob_bytes(message);
        self.upload.take(self.now, bytes as u64);
        let whole = self
            .peer_mut(id)
            .is_some_and(|peer| peer.serving.finished());
        if whole {
            self.serving = self.serving.saturating_sub(1);
        }
    }

    /// Serves those who wait for the limit on uploads, in turn.
    pub(crate) fn run_uploads(&mut self) {
        for _ in 0..self.turns.sends.len() {
            let at = self.upload.ready_at(self.now);
            if at > self.now {
                return self.arm(at);
            }
            let Some(id) = self.turns.sends.front().copied() else {
                return;
            };
            self.serve(id);
            // Gone, or with nothing to send any more.
            if self.turns.sends.front() == Some(&id) {
                self.turns.sends.pop_front();
                if let Some(peer) = self.peer_mut(id) {
                    peer.serving.held_back = false;
                }
                self.pass_turn(id);
            }
        }
    }

    /// Gets in line for loads, if something is to be loaded: a peer stands there
    /// once, however many channels it has.
    fn line_up(&mut self, id: ConnectionId) {
        let in_line = |id: ConnectionId| {
            let peer = self.connections.get(&id).and_then(Connection::ready);
            peer.is_some_and(|peer| peer.serving.in_line)
        };
        if self.siblings(id).any(in_line) {
            return;
        }
        let Some(peer) = self.connections.get_mut(&id).and_then(|c| c.ready_mut()) else {
            return;
        };
        if !peer.serving.may_load() || peer.serving.in_line {
            return;
        }
        peer.serving.in_line = true;
        // Whoever came for an entry is not to wait until others have chunks.
        if self.is_small(id) {
            self.turns.loads.push_front(id);
        } else {
            self.turns.loads.push_back(id);
        }
    }

    /// Loads blobs for those in line, as far as memory allows and the line
    /// needs it.
    fn load_next(&mut self) {
        while self.serving < self.config.limits.serving
            && let Some(id) = self.turns.loads.front().copied()
            && (self.uplink.has_room(self.outgoing) || self.is_alone(id) || self.is_small(id))
        {
            self.turns.loads.pop_front();
            if let Some(peer) = self.peer_mut(id) {
                peer.serving.in_line = false;
                self.load_for(id);
                for sibling in self.siblings(id).collect::<Vec<_>>() {
                    self.line_up(sibling);
                }
                self.line_up(id);
            }
        }
        if !self.turns.loads.is_empty() {
            self.arm(self.now + LOOK);
        } else if self.outgoing <= self.config.limits.outgoing_least {
            self.uplink.nobody_waits();
        }
    }

    /// Whether nothing is on its way to anybody else.
    fn is_alone(&self, id: ConnectionId) -> bool {
        let outgoing = |id| {
            let peer = self.connections.get(&id).and_then(Connection::ready);
            peer.map_or(0, |peer| peer.serving.outgoing)
        };
        let siblings: usize = self.siblings(id).map(outgoing).sum();
        outgoing(id) + siblings == self.outgoing
    }

    /// Whether what an asker is to get next is small.
    fn is_small(&self, id: ConnectionId) -> bool {
        let peer = self.connections.get(&id).and_then(Connection::ready);
        let next = peer.and_then(|peer| Some(peer.serving.queue.get(self.next_for(peer)?)?.1));
        let len = next.and_then(|blob| self.held.get(&blob));
        let most = self.config.limits.outgoing_least / SMALL;
        len.is_none_or(|len| *len as usize <= most)
    }

    /// The position of what an asker is to get next.
    fn next_for(&self, peer: &Peer) -> Option<usize> {
        let served = |blob: &BlobId| self.served.get(blob).copied().unwrap_or_default();
        let queue = peer.serving.queue.iter().enumerate();
        let least = queue.min_by_key(|(_, (_, blob))| served(blob));
        least.map(|(position, _)| position)
    }

    /// Bytes left for a peer.
    pub(crate) fn count_left(&mut self, bytes: usize) {
        self.uplink.left(self.now, bytes);
    }

    /// Those in line are not held up by askers that take nothing.
    pub(crate) fn run_line(&mut self) {
        self.count_left(0);
        if !self.turns.loads.is_empty() {
            let peers = self.connections.iter();
            let stuck = peers.filter_map(|(id, connection)| {
                let fills = connection.ready()?.serving.outgoing > 0;
                (fills && self.is_stuck(connection)).then_some(*id)
            });
            for id in stuck.collect::<Vec<_>>() {
                self.count_outgoing(id);
            }
        }
        self.load_next();
    }

    fn load_for(&mut self, id: ConnectionId) {
        let peer = self.connections.get(&id).and_then(Connection::ready);
        let peer = peer.filter(|peer| peer.serving.may_load());
        let next = peer.and_then(|peer| self.next_for(peer));
        let Some(peer) = self.connections.get_mut(&id).and_then(|c| c.ready_mut()) else {
            return;
        };
        let Some((request, blob)) = next.and_then(|next| peer.serving.queue.remove(next)) else {
            return;
        };
        let held = self.held.get(&blob).copied();
        if held.is_none_or(|len| !peer.takes(len as usize)) || !self.offers(&blob) {
            return self.send(id, &Message::NotFound { request, blob });
        }
        if let (Some(peer), Some(len)) = (self.peer_mut(id), held) {
            peer.serving.loading.insert(request, len);
        }
        self.serving += 1;
        self.count_outgoing(id);
        *self.served.entry(blob).or_default() += 1;
        self.load(blob, Waiter::Peer(id, request));
    }

    pub(crate) fn load(&mut self, blob: BlobId, waiter: Waiter) {
        match self.loading.entry(blob) {
            Entry::Vacant(entry) => {
                entry.insert([waiter].into());
                self.outputs.push_back(Output::Load { blob });
            }
            // Also when whoever it is loaded for has gone meanwhile.
            Entry::Occupied(mut entry) => entry.get_mut().push(waiter),
        }
    }

    pub(crate) fn on_loaded(&mut self, blob: BlobId, bytes: Option<&Bytes>) {
        if bytes.is_none() {
            self.unhold(&blob);
        }
        for waiter in self.loading.remove(&blob).unwrap_or_default() {
            match waiter {
                Waiter::Peer(id, request) => self.on_loaded_for_peer(id, request, blob, bytes),
                Waiter::Entry(transfer) => self.on_loaded_entry(transfer, blob, bytes),
            }
        }
    }

    fn on_loaded_for_peer(
        &mut self,
        id: ConnectionId,
        request: RequestId,
        blob: BlobId,
        bytes: Option<&Bytes>,
    ) {
        let now = self.now;
        let Some(peer) = self.peer_mut(id) else {
            return;
        };
        peer.serving.loading.remove(&request);
        if peer.serving.sending.is_empty() {
            peer.serving.taken_at = now;
        }
        if let Some(bytes) = bytes {
            peer.serving.sending.push_back(Sending {
                request,
                blob,
                bytes: bytes.clone(),
                sent: 0,
            });
        } else {
            self.serving = self.serving.saturating_sub(1);
            self.send(id, &Message::NotFound { request, blob });
        }
        self.serve(id);
    }

    /// The store does not hold a blob any more.
    pub(crate) fn unhold(&mut self, blob: &BlobId) {
        self.held.remove(blob);
        self.served.remove(blob);
    }

    /// A connection is gone: nothing is loaded for it any more.
    pub(crate) fn stop_serving(&mut self, id: ConnectionId, serving: &Serving) {
        self.forget(|waiter| matches!(waiter, Waiter::Peer(peer, _) if *peer == id));
        self.serving = self.serving.saturating_sub(serving.loaded());
        self.outgoing = self.outgoing.saturating_sub(serving.outgoing);
        self.turns.loads.retain(|waiting| *waiting != id);
        self.turns.sends.retain(|waiting| *waiting != id);
        self.load_next();
    }

    /// Forgets waiters. A load under way with nobody left to wait for it comes
    /// to nothing.
    fn forget(&mut self, is_gone: impl Fn(&Waiter) -> bool) {
        for waiters in self.loading.values_mut() {
            waiters.retain(|waiter| !is_gone(waiter));
        }
    }
}

/// Bytes to have queued for a peer: what leaves in half a second or so, since
/// whatever else is said to it waits behind them.
fn queue_limit(connection: &Connection, limits: &Limits) -> usize {
    let window = connection.leaving.window();
    let window = window.map_or(limits.send_queue_first, |window| {
        usize::try_from(window).unwrap_or(usize::MAX)
    });
    window.max(limits.send_queue_least).min(limits.send_queue)
}

impl Serving {
    fn may_load(&self) -> bool {
        !self.queue.is_empty() && self.loaded() < LOADED_AHEAD
    }

    /// Blobs loaded or being loaded.
    fn loaded(&self) -> usize {
        self.loading.len() + self.sending.len()
    }

    /// Bytes of these that the transport was not given yet.
    fn unsent(&self) -> usize {
        let loading = self.loading.values().map(|len| *len as usize);
        let sending = self.sending.iter();
        let sending = sending.map(|of| of.bytes.len() - of.sent);
        loading.chain(sending).sum()
    }

    /// Whether the peer asked for nothing that it has not got.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.loaded() == 0
    }

    /// Drops the blob that was sent to its end; whether there was one.
    fn finished(&mut self) -> bool {
        let front = self.sending.front();
        let whole = front.is_some_and(|sending| sending.sent == sending.bytes.len());
        if whole {
            self.sending.pop_front();
        }
        whole
    }
}

const fn fits_whole(blob_len: usize, max_message: usize) -> bool {
    blob_len + RESPONSE_HEADER_LEN <= max_message
}

impl Peer {
    /// Whether a blob so long can be sent to this peer at all.
    fn takes(&self, len: usize) -> bool {
        self.features.contains(Features::PARTS) || fits_whole(len, self.max_message)
    }
}

/// The next message of the blob that is first in line.
fn next_message(peer: &mut Peer) -> Option<Message> {
    let sending = peer.serving.sending.front_mut()?;
    let (request, blob) = (sending.request, sending.blob);
    let total = sending.bytes.len();
    if sending.sent == 0 && fits_whole(total, peer.max_message) {
        sending.sent = total;
        let data = sending.bytes.clone();
        return Some(Message::Response {
            request,
            blob,
            data,
        });
    }
    let end = total.min(sending.sent + peer.max_message - PART_HEADER_LEN);
    let message = Message::Part {
        request,
        offset: u32::try_from(sending.sent).ok()?,
        total: u32::try_from(total).ok()?,
        data: sending.bytes.slice(sending.sent..end),
    };
    sending.sent = end;
    Some(message)
}
