//! Asking: which blob to request from whom.
//!
//! A peer is asked for as much as its path holds ([`crate::pace`]), the most
//! needed blob first ([`crate::wanted`]). One that has room left when nothing
//! is left to ask for takes over from slower ones ([`crate::relieve`]).

use alloc::vec::Vec;

use samara_core::message::Features;
use samara_core::{BlobId, Message, RequestId};

use crate::Swarm;
use crate::connection::{Asked, Asking};
use crate::face::{ConnectionId, Path};
use crate::relieve::LOOK;

/// Asked of a source that was not measured yet: enough to measure it.
const FIRST_REQUESTS: usize = 4;

/// A source always has the next request before it has answered the last.
const LEAST_REQUESTS: usize = 2;

impl Swarm {
    /// A peer holds a blob that is wanted here.
    pub(crate) fn offer(&mut self, id: ConnectionId, blob: BlobId, len: u32) {
        if !self.wanted.contains(&blob) {
            return;
        }
        if let Some(peer) = self.peer_mut(id)
            && peer.asking.has.insert(blob, len).is_none()
        {
            self.wanted.gain_holder(&blob);
        }
    }

    /// A peer does not hold a blob after all, or it is wanted no more.
    pub(crate) fn unoffer(&mut self, id: ConnectionId, blob: &BlobId) {
        if let Some(peer) = self.peer_mut(id)
            && peer.asking.has.remove(blob).is_some()
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
            match self.wanted.pick(&peer.asking.has) {
                Some(blob) => self.request(id, blob),
                None if self.relieve(id) => {}
                None => return,
            }
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
        if asking.has.len() <= asking.requests.len() {
            return false;
        }
        let most = match peer.path {
            Path::WebRtc | Path::WebSocket => limits.requests_in_flight,
            Path::Circuit => limits.requests_in_circuit,
        };
        let room = match asking.pace.window() {
            None => asking.requests.len() < FIRST_REQUESTS,
            Some(window) => {
                let few = asking.requests.len() < LEAST_REQUESTS;
                few || asking.owed < window.min(limits.owed_most)
            }
        };
        if asking.requests.len() >= most || !room {
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
        self.download.take(now, len as usize);
        self.arm(now + LOOK);
        self.send(id, &Message::Request { request, blob });
    }

    /// A request is taken back: the peer is told, if it understands.
    pub(crate) fn cancel(&mut self, id: ConnectionId, request: RequestId) {
        let now = self.now;
        let Some(peer) = self.peer_mut(id) else {
            return;
        };
        let Some(asked) = peer.asking.end(now, request) else {
            return;
        };
        let understands = peer.features.contains(Features::CANCEL);
        self.wanted.unasked(&asked.blob, id, request);
        if understands {
            self.send(id, &Message::Cancel { request });
        }
    }

    pub(crate) fn peer_mut(&mut self, id: ConnectionId) -> Option<&mut crate::connection::Peer> {
        self.connections.get_mut(&id)?.ready_mut()
    }
}

impl Asking {
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

    /// A request is over.
    pub(crate) fn end(&mut self, now: crate::Time, request: RequestId) -> Option<Asked> {
        let asked = self.requests.remove(&request)?;
        self.owed = self.owed.saturating_sub(asked.left());
        if self.requests.is_empty() {
            self.pace.end(now);
        }
        Some(asked)
    }
}
