//! Asking: which blob to request from whom.
//!
//! A peer is asked for as much as its path holds ([`crate::pace`]), the most
//! needed blob first ([`crate::wanted`]). One that has room takes over from
//! slower ones what is needed sooner, and anything when nothing is left to ask
//! for ([`crate::relieve`]).

use alloc::vec::Vec;

use samara_core::message::Features;
use samara_core::{BlobId, Message, RequestId};

use crate::Swarm;
use crate::connection::{Asked, Asking, Connection};
use crate::face::{ConnectionId, Path, TransferId};
use crate::relieve::LOOK;
use crate::serve::LOADED_AHEAD;

/// Asked of a source that was not measured yet, where few sources share what is
/// missing: enough to measure it.
const FIRST_REQUESTS: usize = 4;

/// Asked of whoever alone has what a crowd wants.
const CHOICE: usize = 40;

/// How often a peer may claim a blob and then not find it: it may have lost
/// the blob and got it again.
pub(crate) const BELIEVED: u8 = 3;

/// Of a source that sends blobs whole nothing is seen before all is there: it
/// always has the next request before it has answered the last.
const LEAST_WHOLE: usize = 2;

impl Swarm {
    /// A peer holds a blob that is wanted here.
    pub(crate) fn offer(&mut self, id: ConnectionId, blob: BlobId, len: u32) {
        if !self.wanted.contains(&blob) {
            return;
        }
        if let Some(peer) = self.peer_mut(id)
            && peer.asking.believes(&blob)
            && peer.asking.has.insert(blob, len).is_none()
            && !self.is_lane(id)
        {
            self.wanted.gain_holder(&blob);
        }
    }

    /// A peer does not hold a blob after all, or it is wanted no more.
    pub(crate) fn unoffer(&mut self, id: ConnectionId, blob: &BlobId) {
        if let Some(peer) = self.peer_mut(id)
            && peer.asking.has.remove(blob).is_some()
            && !self.is_lane(id)
        {
            self.wanted.lose_holder(blob);
        }
    }

    /// Fills the peer's requests.
    pub(crate) fn ask(&mut self, id: ConnectionId) {
        while self.may_ask(id) {
            let Some(peer) = self.connections.get(&id).and_then(|c| c.ready()) else {
                return;
            };
            let next = self.wanted.pick(&peer.asking.has);
            match next {
                _ if self.relieve(id, next) => {}
                Some(blob) => self.request(id, blob),
                None => return,
            }
        }
        while let Some(blob) = self.choice_for(id) {
            self.request(id, blob);
        }
    }

    /// A blob to ask a source for beyond what its path holds: whoever alone has
    /// what a crowd wants is to have a choice, and sends each reader another
    /// blob.
    fn choice_for(&self, id: ConnectionId) -> Option<BlobId> {
        let peer = self.connections.get(&id)?.ready()?;
        let asking = &peer.asking;
        let most = CHOICE.min(self.config.limits.requests_in_flight);
        let asked = (1..most).contains(&asking.requests.len());
        let has_all = asking.has.len() >= self.wanted.len();
        if !asked || !has_all || peer.path != Path::WebRtc || self.asks_wait {
            return None;
        }
        let blob = self.wanted.pick(&asking.has)?;
        (self.wanted.get(&blob)?.is_rare() && self.is_crowd()).then_some(blob)
    }

    /// Whether more than one peer exchanges holdings with this one.
    fn is_crowd(&self) -> bool {
        let firsts = self.connections.values().filter(|of| !of.lane);
        let peers = firsts.filter_map(Connection::ready);
        let exchanging = peers.filter(|peer| peer.shown.is_mutual_for_any());
        exchanging.take(2).count() == 2
    }

    /// Takes back what sources have not begun to send of a transfer, as far as
    /// that can be told: it is to be asked for in another order.
    pub(crate) fn take_back(&mut self, transfer: TransferId) {
        let mut waiting = Vec::new();
        for (id, connection) in &self.connections {
            let Some(peer) = connection.ready() else {
                continue;
            };
            // What it loads ahead may be on its way.
            let behind = peer.asking.requests.iter().skip(LOADED_AHEAD);
            let behind = behind.filter(|(_, asked)| {
                let wanted = self.wanted.get(&asked.blob);
                !asked.has_begun() && wanted.is_some_and(|wanted| wanted.is_of(transfer))
            });
            waiting.extend(behind.map(|(request, _)| (*id, *request)));
        }
        for (id, request) in waiting {
            self.cancel(id, request);
        }
    }

    /// Fills the requests of all peers.
    pub(crate) fn ask_all(&mut self) {
        let peers: Vec<_> = self.connections.keys().copied().collect();
        for id in peers {
            self.ask(id);
        }
    }

    fn may_ask(&mut self, id: ConnectionId) -> bool {
        let limits = &self.config.limits;
        let Some(peer) = self.connections.get(&id).and_then(|c| c.ready()) else {
            return false;
        };
        let asking = &peer.asking;
        if peer.leaving.is_some() || asking.has.len() <= asking.requests.len() {
            return false;
        }
        let most = match peer.path {
            Path::WebRtc | Path::WebSocket => limits.requests_in_flight,
            Path::Circuit => limits.requests_in_circuit,
        };
        let least = if peer.sends_parts() { 1 } else { LEAST_WHOLE };
        let asked = asking.requests.len();
        let room = match asking.pace.window() {
            // Of several a busy source would choose, and what is played first
            // might come last.
            None if self.wanted.is_played() => false,
            None => asked < self.wanted.share().min(FIRST_REQUESTS),
            Some(window) => asking.owed < window.min(limits.owed_most),
        };
        if asked >= most || !(room || asked < least) {
            return false;
        }
        if self.storing_bytes >= limits.storing {
            self.asks_wait = true;
            return false;
        }
        let at = self.download.ready_at(self.now);
        if at > self.now {
            self.arm(at);
            self.asks_wait = true;
            return false;
        }
        true
    }

    pub(crate) fn request(&mut self, id: ConnectionId, blob: BlobId) {
        let now = self.now;
        let Some(peer) = self.peer_mut(id) else {
            return;
        };
        let len = peer.asking.has.get(&blob).copied().unwrap_or_default();
        let request = peer.asking.begin(now, blob, len);
        self.wanted.asked(&blob, id, request);
        self.download.take(now, u64::from(len));
        self.arm(now + LOOK);
        self.send(id, &Message::Request { request, blob });
    }

    /// A request is taken back: the peer is told, if it understands.
    pub(crate) fn cancel(&mut self, id: ConnectionId, request: RequestId) {
        let Some(asked) = self.end_request(id, request) else {
            return;
        };
        let Some(peer) = self.peer_mut(id) else {
            return;
        };
        peer.asking.given_up += asked.left();
        let understands = peer.features.contains(Features::CANCEL);
        self.wanted.unasked(&asked.blob, id, request);
        if understands {
            self.send(id, &Message::Cancel { request });
        }
    }

    /// A request is over, however it ended.
    pub(crate) fn end_request(&mut self, id: ConnectionId, request: RequestId) -> Option<Asked> {
        let now = self.now;
        let asked = self.peer_mut(id)?.asking.end(now, request)?;
        self.download.give_back(now, asked.left());
        Some(asked)
    }

    /// Whether a connection is beside another to the same peer, which counts.
    pub(crate) fn is_lane(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|of| of.lane)
    }

    pub(crate) fn peer_mut(&mut self, id: ConnectionId) -> Option<&mut crate::connection::Peer> {
        self.connections.get_mut(&id)?.ready_mut()
    }
}

impl Asking {
    /// Whether a claim of the peer to hold a blob counts.
    fn believes(&self, blob: &BlobId) -> bool {
        self.broken.get(blob).is_none_or(|times| *times < BELIEVED)
    }

    /// The next number of a request or challenge on this connection.
    pub(crate) fn number(&mut self) -> RequestId {
        self.last_request = self.last_request.checked_add(1).unwrap_or(1);
        RequestId(self.last_request)
    }

    fn begin(&mut self, now: crate::Time, blob: BlobId, len: u32) -> RequestId {
        let request = self.number();
        let alone = self.requests.is_empty();
        if alone {
            self.progressed(now);
        }
        self.pace.begin(now);
        self.owed += u64::from(len);
        self.requests
            .insert(request, Asked::new(blob, len, now, alone));
        request
    }

    fn end(&mut self, now: crate::Time, request: RequestId) -> Option<Asked> {
        let asked = self.requests.remove(&request)?;
        self.owed = self.owed.saturating_sub(asked.left());
        if self.requests.is_empty() {
            self.pace.end(now);
        }
        Some(asked)
    }
}
