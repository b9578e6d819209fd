//! Answers: what comes back for a request, and where it goes.

use alloc::vec::Vec;

use bytes::Bytes;
use samara_core::blob::MAX_BLOB_LEN;
use samara_core::message::ErrorCode;
use samara_core::{BlobId, Message, PeerId, RequestId};

use crate::Swarm;
use crate::assembly::WrongPart;
use crate::connection::{Asked, Asking};
use crate::face::{ConnectionId, Event, Output, StoreFailure};
use crate::greet::UNEXPECTED;
use crate::wanted::{State, Wanted};

/// A blob the driver is storing.
pub(crate) struct Storing {
    pub(crate) len: usize,
    /// Who sent it.
    pub(crate) peer: PeerId,
}

impl Swarm {
    pub(crate) fn on_response(
        &mut self,
        from: ConnectionId,
        request: RequestId,
        blob: BlobId,
        data: Bytes,
    ) {
        match self.answered(from, request, data.len()) {
            Some(asked) if asked.blob == blob && data.len() <= MAX_BLOB_LEN => {
                self.on_blob(from, request, blob, data);
            }
            Some(_) => self.misbehaved(from, UNEXPECTED, "another blob than was asked for"),
            None => self.on_late(from, request, data.len()),
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
        let Some(asked) = self.answered(from, request, data.len()) else {
            return self.on_late(from, request, data.len());
        };
        let blob = asked.blob;
        match asked.parts.add(offset, total, data) {
            Ok(None) => {}
            Ok(Some(whole)) => self.on_blob(from, request, blob, whole),
            Err(WrongPart) => self.misbehaved(from, UNEXPECTED, "a part out of range or order"),
        }
    }

    /// The request that an answer with so many bytes belongs to.
    fn answered(
        &mut self,
        from: ConnectionId,
        request: RequestId,
        bytes: usize,
    ) -> Option<&mut Asked> {
        let now = self.now;
        let peer = self.connections.get_mut(&from)?.ready_mut()?;
        let asking = &mut peer.asking;
        if !asking.requests.contains_key(&request) {
            return None;
        }
        asking.received(now, bytes);
        self.trials.count(peer.id, bytes);
        let asked = asking.requests.get_mut(&request)?;
        if asked.alone && !asked.has_begun() {
            asking.pace.round(now.since(asked.at));
        }
        let expected = asked.receive(now, bytes);
        asking.owed = asking.owed.saturating_sub(expected);
        // Paid for at the request was what the source claimed.
        let more = (bytes as u64).saturating_sub(expected);
        self.download.take(now, more);
        Some(asked)
    }

    /// An answer to a request that was given up is late, not wrong; more than
    /// was given up is, and an answer to a request never made.
    fn on_late(&mut self, from: ConnectionId, request: RequestId, bytes: usize) {
        let now = self.now;
        self.wasted += bytes as u64;
        let Some(peer) = self.peer_mut(from) else {
            return;
        };
        let Some(left) = peer.asking.given_up.checked_sub(bytes as u64) else {
            return self.misbehaved(from, UNEXPECTED, "an answer to no request");
        };
        peer.asking.given_up = left;
        // It is at work, and what it owes comes behind this.
        peer.asking.received(now, bytes);
        self.download.take(now, bytes as u64);
        self.check_known(from, request);
    }

    fn check_known(&mut self, from: ConnectionId, request: RequestId) {
        let made = self.peer_mut(from).map(|peer| peer.asking.last_request);
        if made.is_some_and(|last| request.0 == 0 || request.0 > last) {
            self.misbehaved(from, UNEXPECTED, "an answer to no request");
        }
    }

    fn on_blob(&mut self, from: ConnectionId, request: RequestId, blob: BlobId, bytes: Bytes) {
        let now = self.now;
        self.end_request(from, request);
        let Some(peer) = self.peer_mut(from) else {
            return;
        };
        peer.asking.progressed(now);
        let (peer, len) = (peer.id, bytes.len());
        self.wanted.unasked(&blob, from, request);
        let storing = self
            .wanted
            .get(&blob)
            .is_none_or(|w| w.state == State::Storing);
        if storing {
            self.wasted += len as u64;
            return self.ask(from);
        }
        self.cancel_all(blob);
        // Others go by what is kept for them.
        let durable = self.wanted.get(&blob).is_some_and(Wanted::is_for_others);
        self.wanted.set_state(&blob, State::Storing);
        self.storing.insert(blob, Storing { len, peer });
        self.storing_bytes += len;
        self.outputs.push_back(Output::Store {
            connection: from,
            blob,
            bytes,
            durable,
        });
        self.ask(from);
    }

    /// Takes back what is asked of others for a blob that came.
    pub(crate) fn cancel_all(&mut self, blob: BlobId) {
        let Some(State::Requested(asked)) = self.wanted.get(&blob).map(|w| w.state.clone()) else {
            return;
        };
        for (of, request) in asked {
            self.wasted += self.begun(of, request);
            self.cancel(of, request);
        }
    }

    /// Bytes that came for a request so far.
    fn begun(&mut self, of: ConnectionId, request: RequestId) -> u64 {
        let asked = self
            .peer_mut(of)
            .and_then(|peer| peer.asking.requests.get(&request));
        asked.map_or(0, |asked| asked.received)
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
        self.storing_bytes = self.storing_bytes.saturating_sub(storing.len);
        match result {
            Ok(()) => {
                self.count_received(storing.peer, storing.len);
                self.credit(connection, storing.peer, blob, storing.len);
                let len = u32::try_from(storing.len).unwrap_or(u32::MAX);
                self.on_held(blob, len);
            }
            Err(StoreFailure::WrongBlob) => self.on_wrong_blob(connection, blob, storing.peer),
            Err(StoreFailure::Store(text)) => self.on_store_failed(blob, &text),
        }
        if core::mem::take(&mut self.asks_wait) {
            self.ask_all();
        }
    }

    /// Counts a blob for whoever gave it: on another of its connections where
    /// the one it came on has ended since.
    fn credit(&mut self, came_on: ConnectionId, peer: PeerId, blob: BlobId, len: usize) {
        let Some(slots) = self.wanted.get(&blob).map(|w| w.slots.clone()) else {
            return;
        };
        let mut counts_on = came_on;
        if !self.connections.contains_key(&came_on)
            && let Some(other) = self.connections_of(peer).first()
        {
            counts_on = *other;
        }
        if let Some(peer) = self.peer_mut(counts_on) {
            for (transfer, _) in slots {
                *peer.asking.gave.entry(transfer).or_default() += len as u64;
            }
        }
    }

    fn on_wrong_blob(&mut self, connection: ConnectionId, blob: BlobId, peer: PeerId) {
        self.wanted.set_state(&blob, State::Idle);
        self.on_lie(connection, peer, "a wrong blob");
    }

    /// A peer sent what only a liar can: nothing of it is believed, and every
    /// connection to it ends.
    pub(crate) fn on_lie(&mut self, connection: ConnectionId, peer: PeerId, what: &str) {
        self.bans.ban(peer, self.now);
        self.distrust(peer);
        if self.connections.contains_key(&connection) {
            self.misbehaved(connection, ErrorCode::WRONG_BLOB, what);
        } else {
            let (peer, what) = (Some(peer), what.into());
            self.event(Event::Misbehaved { peer, what });
        }
        self.close_banned(peer);
        self.ask_all();
    }

    /// Nothing a peer claims is believed: it is not asked while its
    /// connections end one after the other.
    fn distrust(&mut self, peer: PeerId) {
        for id in self.connections_of(peer) {
            let has = self.peer_mut(id).map(|peer| peer.asking.has.clone());
            for blob in has.unwrap_or_default().keys() {
                self.unoffer(id, blob);
            }
        }
    }

    /// Two peers may have dialed each other: a ban ends every connection.
    fn close_banned(&mut self, peer: PeerId) {
        for id in self.connections_of(peer) {
            self.close(id, "the peer is banned for what it sent");
        }
    }

    fn connections_of(&self, peer: PeerId) -> Vec<ConnectionId> {
        let connections = self.connections.iter();
        let of_peer = connections.filter(|(_, c)| c.ready().is_some_and(|of| of.id == peer));
        of_peer.map(|(id, _)| *id).collect()
    }

    /// What was asked of a peer that is gone is asked of others.
    pub(crate) fn release_all(&mut self, id: ConnectionId, asking: Asking, lane: bool) {
        for (request, asked) in asking.requests {
            self.download.give_back(self.now, asked.left());
            self.wanted.unasked(&asked.blob, id, request);
        }
        for blob in asking.has.keys().filter(|_| !lane) {
            self.wanted.lose_holder(blob);
        }
        self.disown_lost(asking.has.keys());
        self.ask_all();
    }

    pub(crate) fn on_not_found(&mut self, from: ConnectionId, request: RequestId) {
        let now = self.now;
        let Some(asked) = self.end_request(from, request) else {
            return self.check_known(from, request);
        };
        if let Some(peer) = self.peer_mut(from) {
            peer.asking.progressed(now);
            let broken = peer.asking.broken.entry(asked.blob).or_default();
            *broken = broken.saturating_add(1);
        }
        self.wanted.unasked(&asked.blob, from, request);
        self.unoffer(from, &asked.blob);
        self.want_again(from, asked.blob);
        self.ask_all();
    }

    /// A peer owes answers and sends nothing: others are asked instead.
    pub(crate) fn give_up(&mut self, id: ConnectionId) {
        let requests = self
            .peer_mut(id)
            .map(|peer| peer.asking.requests.keys().copied());
        let requests: Vec<_> = requests.into_iter().flatten().collect();
        for request in requests {
            self.cancel(id, request);
        }
        self.close(id, "the peer stopped answering");
    }
}

/// What a message carries of blobs, for the limits and the ledger.
pub(crate) fn blob_bytes(message: &Message) -> usize {
    match message {
        Message::Response { data, .. } | Message::Part { data, .. } => data.len(),
        _ => 0,
    }
}
