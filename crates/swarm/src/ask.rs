//! Asking: which blob to request from whom, and what comes back.
//!
//! Each blob wanted here is in one state; each peer has an ordered set of
//! blobs worth asking it for. A set may name blobs that went elsewhere
//! meanwhile: they are dropped when taken, so nothing is searched.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use bytes::Bytes;
use samara_core::blob::MAX_BLOB_LEN;
use samara_core::message::{ErrorCode, Features, PeerId};
use samara_core::{BlobId, Message, RequestId};

use crate::Swarm;
use crate::assembly::{Assembly, WrongPart};
use crate::connection::{Asked, Asking, Slot};
use crate::face::{ConnectionId, Event, Output, Path, StoreFailure};
use crate::greet::UNEXPECTED;
use crate::want::ADOPTED;

/// Bytes that count as progress: a source that sends fewer within the time of
/// [`crate::Limits::stall`] holds blobs up and is let go.
const PROGRESS: usize = 16 << 10;

/// A blob to be fetched.
pub(crate) struct Wanted {
    /// Where it belongs; the first one orders it.
    pub(crate) slots: BTreeSet<Slot>,
    pub(crate) state: WantedState,
}

impl Wanted {
    /// Whether only a push asks for it.
    pub(crate) fn is_adopted(&self) -> bool {
        self.slots.iter().all(|(transfer, _)| *transfer == ADOPTED)
    }
}

/// Where a wanted blob is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum WantedState {
    /// To be asked for.
    Idle,
    /// Asked for.
    Requested,
    /// Received, and being verified and stored.
    Storing,
}

/// A blob the driver is storing.
pub(crate) struct Storing {
    pub(crate) len: usize,
    /// Who sent it.
    pub(crate) peer: PeerId,
}

impl Swarm {
    /// A peer holds a blob that is wanted here.
    pub(crate) fn offer(&mut self, id: ConnectionId, blob: BlobId) {
        let Some(wanted) = self.wanted.get(&blob) else {
            return;
        };
        let slot = wanted.slots.first().copied();
        let (Some(slot), Some(peer)) = (slot, self.peer_mut(id)) else {
            return;
        };
        peer.asking.has.insert(blob);
        peer.asking.available.insert((slot, blob));
    }

    /// Fills the peer's requests.
    pub(crate) fn ask(&mut self, id: ConnectionId) {
        while self.may_ask(id) {
            let Some(peer) = self.peer_mut(id) else {
                return;
            };
            let Some((slot, blob)) = peer.asking.available.pop_first() else {
                return;
            };
            let paused = self.transfers.get(&slot.0).is_some_and(|t| t.paused);
            match self.wanted.get_mut(&blob) {
                Some(wanted) if wanted.state == WantedState::Idle && !paused => {
                    wanted.state = WantedState::Requested;
                    self.request(id, blob);
                }
                Some(_) | None => {}
            }
        }
    }

    fn may_ask(&self, id: ConnectionId) -> bool {
        let limits = &self.config.limits;
        let Some(peer) = self.connections.get(&id).and_then(|c| c.ready()) else {
            return false;
        };
        let most = match peer.path {
            Path::WebRtc | Path::WebSocket => limits.requests_in_flight,
            Path::Circuit => limits.requests_in_circuit,
        };
        let storing: usize = self.storing.values().map(|storing| storing.len).sum();
        peer.asking.requests.len() < most && storing < limits.storing
    }

    fn request(&mut self, id: ConnectionId, blob: BlobId) {
        let now = self.now;
        let Some(peer) = self.peer_mut(id) else {
            return;
        };
        let asking = &mut peer.asking;
        asking.last_request = asking.last_request.checked_add(1).unwrap_or(1);
        let request = RequestId(asking.last_request);
        if asking.requests.is_empty() {
            asking.progressed(now);
        }
        let parts = Assembly::default();
        asking.requests.insert(request, Asked { blob, parts });
        self.arm(now + self.config.limits.stall);
        self.send(id, &Message::Request { request, blob });
    }

    pub(crate) fn on_response(
        &mut self,
        from: ConnectionId,
        request: RequestId,
        blob: BlobId,
        data: Bytes,
    ) {
        match self.asked(from, request, data.len()) {
            Some(asked) if asked.blob == blob && data.len() <= MAX_BLOB_LEN => {
                self.on_blob(from, request, blob, data);
            }
            Some(_) => self.misbehaved(from, UNEXPECTED, "another blob than was asked for"),
            None => self.check_known(from, request),
        }
    }

    pub(crate) fn on_part(
        &mut self,
        from: ConnectionId,
        request: RequestId,
        offset: u32,
        total: u32,
        data: &[u8],
    ) {
        let Some(asked) = self.asked(from, request, data.len()) else {
            return self.check_known(from, request);
        };
        let blob = asked.blob;
        match asked.parts.add(offset, total, data) {
            Ok(None) => {}
            Ok(Some(whole)) => self.on_blob(from, request, blob, whole),
            Err(WrongPart) => self.misbehaved(from, UNEXPECTED, "a part out of range or order"),
        }
    }

    /// The request that an answer with so many bytes belongs to.
    fn asked(
        &mut self,
        from: ConnectionId,
        request: RequestId,
        bytes: usize,
    ) -> Option<&mut Asked> {
        let now = self.now;
        let asking = &mut self.peer_mut(from)?.asking;
        asking.heard += bytes;
        if asking.heard >= PROGRESS {
            asking.progressed(now);
        }
        asking.requests.get_mut(&request)
    }

    /// An answer to a request that was given up is late, not wrong; one to a
    /// request never made is.
    fn check_known(&mut self, from: ConnectionId, request: RequestId) {
        let made = self.peer_mut(from).map(|peer| peer.asking.last_request);
        if made.is_some_and(|last| request.0 == 0 || request.0 > last) {
            self.misbehaved(from, UNEXPECTED, "an answer to no request");
        }
    }

    fn on_blob(&mut self, from: ConnectionId, request: RequestId, blob: BlobId, bytes: Bytes) {
        let now = self.now;
        let Some(peer) = self.peer_mut(from) else {
            return;
        };
        peer.asking.requests.remove(&request);
        peer.asking.progressed(now);
        let (peer, len) = (peer.id, bytes.len());
        let Some(wanted) = self.wanted.get_mut(&blob) else {
            return self.ask(from);
        };
        wanted.state = WantedState::Storing;
        self.storing.insert(blob, Storing { len, peer });
        self.outputs.push_back(Output::Store {
            connection: from,
            blob,
            bytes,
        });
        self.ask(from);
    }

    pub(crate) fn on_stored(
        &mut self,
        connection: ConnectionId,
        blob: BlobId,
        result: Result<(), StoreFailure>,
    ) {
        let Some(storing) = self.storing.remove(&blob) else {
            return;
        };
        match result {
            Ok(()) => {
                self.count_received(storing.peer, storing.len);
                self.credit(connection, blob, storing.len);
                let len = u32::try_from(storing.len).unwrap_or(u32::MAX);
                self.on_held(blob, len);
            }
            Err(StoreFailure::WrongBlob) => self.on_wrong_blob(connection, blob, storing.peer),
            Err(StoreFailure::Store(text)) => self.on_store_failed(blob, &text),
        }
        let peers: Vec<_> = self.connections.keys().copied().collect();
        for id in peers {
            self.ask(id);
        }
    }

    fn credit(&mut self, connection: ConnectionId, blob: BlobId, len: usize) {
        let Some(slots) = self.wanted.get(&blob).map(|w| w.slots.clone()) else {
            return;
        };
        if let Some(peer) = self.peer_mut(connection) {
            for (transfer, _) in slots {
                *peer.asking.gave.entry(transfer).or_default() += len as u64;
            }
        }
    }

    fn on_wrong_blob(&mut self, connection: ConnectionId, blob: BlobId, peer: PeerId) {
        self.bans.ban(peer, self.now);
        if self.connections.contains_key(&connection) {
            self.misbehaved(connection, ErrorCode::WRONG_BLOB, "a wrong blob");
        } else {
            let what = "a wrong blob".into();
            self.event(Event::Misbehaved {
                peer: Some(peer),
                what,
            });
        }
        self.release(blob);
    }

    /// A blob is to be asked for again, of whoever has it.
    pub(crate) fn release(&mut self, blob: BlobId) {
        let Some(wanted) = self.wanted.get_mut(&blob) else {
            return;
        };
        wanted.state = WantedState::Idle;
        let Some(slot) = wanted.slots.first().copied() else {
            return;
        };
        let mut holders = Vec::new();
        for (id, connection) in &mut self.connections {
            if let Some(peer) = connection.ready_mut()
                && peer.asking.has.contains(&blob)
            {
                peer.asking.available.insert((slot, blob));
                holders.push(*id);
            }
        }
        for id in holders {
            self.ask(id);
        }
    }

    /// What was asked of a peer that is gone is asked of others.
    pub(crate) fn release_all(&mut self, asking: Asking) {
        for asked in asking.requests.into_values() {
            self.release(asked.blob);
        }
        self.disown_lost(&asking.has);
    }

    pub(crate) fn on_not_found(&mut self, from: ConnectionId, request: RequestId) {
        let Some(peer) = self.peer_mut(from) else {
            return;
        };
        let Some(asked) = peer.asking.requests.remove(&request) else {
            return self.check_known(from, request);
        };
        peer.asking.has.remove(&asked.blob);
        self.release(asked.blob);
        self.ask(from);
    }

    /// A peer owes answers and sends nothing: others are asked instead.
    pub(crate) fn give_up(&mut self, id: ConnectionId) {
        let Some(peer) = self.peer_mut(id) else {
            return;
        };
        let requests = core::mem::take(&mut peer.asking.requests);
        for asked in requests.values() {
            peer.asking.has.remove(&asked.blob);
        }
        let cancels = peer.features.contains(Features::CANCEL);
        for (request, asked) in requests {
            if cancels {
                self.send(id, &Message::Cancel { request });
            }
            self.release(asked.blob);
        }
        self.close(id, "the peer stopped answering");
    }

    pub(crate) fn peer_mut(&mut self, id: ConnectionId) -> Option<&mut crate::connection::Peer> {
        self.connections.get_mut(&id)?.ready_mut()
    }
}
