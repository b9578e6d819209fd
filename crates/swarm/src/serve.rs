//! Serving: answering requests without filling memory.
//!
//! A peer's requests wait in order. Blobs are loaded only shortly before they
//! can be sent, and sent only as the transport takes them.

use alloc::collections::btree_map::Entry;
use alloc::vec::Vec;

use bytes::Bytes;
use samara_core::message::{ErrorCode, Features, PART_HEADER_LEN, RESPONSE_HEADER_LEN};
use samara_core::{BlobId, Message, RequestId};

use crate::Swarm;
use crate::connection::{Peer, Sending};
use crate::face::{ConnectionId, Output, TransferId};

/// Blobs of one peer that are loaded or being loaded: one on its way, one
/// behind it so that the transport never waits for the disk.
const LOADED_AHEAD: usize = 2;

/// Who a blob is loaded for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiter {
    /// A peer that asked for it.
    Peer(ConnectionId, RequestId),
    /// A transfer that reads its entry from it.
    Entry(TransferId),
}

impl Swarm {
    pub(crate) fn on_request(&mut self, from: ConnectionId, request: RequestId, blob: BlobId) {
        let most = self.config.limits.requests_queued;
        let Some(peer) = self.peer_mut(from) else {
            return;
        };
        if peer.serving.queue.len() >= most {
            return self.misbehaved(from, ErrorCode::TOO_MANY, "too many requests at once");
        }
        peer.serving.queue.push_back((request, blob));
        self.serve(from);
    }

    pub(crate) fn on_cancel(&mut self, from: ConnectionId, request: RequestId) {
        let Some(peer) = self.peer_mut(from) else {
            return;
        };
        peer.serving.queue.retain(|(queued, _)| *queued != request);
        peer.serving
            .sending
            .retain(|sending| sending.request != request);
        let gone = self.forget(|waiter| *waiter == Waiter::Peer(from, request));
        if let Some(peer) = self.peer_mut(from) {
            peer.serving.loading = peer.serving.loading.saturating_sub(gone);
        }
        self.serve(from);
    }

    /// Sends to a peer what its transport takes and loads what comes next.
    pub(crate) fn serve(&mut self, id: ConnectionId) {
        while let Some(connection) = self.connections.get_mut(&id) {
            if connection.queued >= self.config.limits.send_queue {
                return;
            }
            let Some(peer) = connection.ready_mut() else {
                return;
            };
            if let Some(message) = next_message(peer) {
                self.send(id, &message);
                continue;
            }
            return self.load_ahead(id);
        }
    }

    fn load_ahead(&mut self, id: ConnectionId) {
        while let Some(peer) = self.peer_mut(id) {
            if peer.serving.loading + peer.serving.sending.len() >= LOADED_AHEAD {
                return;
            }
            let Some((request, blob)) = peer.serving.queue.pop_front() else {
                return;
            };
            let held = self.held.get(&blob).copied();
            let peer = self.peer_mut(id);
            if peer.is_some_and(|peer| held.is_some_and(|len| peer.takes(len as usize))) {
                self.load(blob, Waiter::Peer(id, request));
                if let Some(peer) = self.peer_mut(id) {
                    peer.serving.loading += 1;
                }
            } else {
                self.send(id, &Message::NotFound { request, blob });
            }
        }
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
            self.held.remove(&blob);
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
        let Some(peer) = self.peer_mut(id) else {
            return;
        };
        peer.serving.loading = peer.serving.loading.saturating_sub(1);
        match bytes {
            Some(bytes) => peer.serving.sending.push_back(Sending {
                request,
                blob,
                bytes: bytes.clone(),
                sent: 0,
            }),
            None => self.send(id, &Message::NotFound { request, blob }),
        }
        self.serve(id);
    }

    /// A connection is gone: nothing is loaded for it any more.
    pub(crate) fn forget_waiters(&mut self, id: ConnectionId) {
        self.forget(|waiter| matches!(waiter, Waiter::Peer(peer, _) if *peer == id));
    }

    /// Forgets waiters; how many there were. A load under way with nobody
    /// left to wait for it comes to nothing.
    fn forget(&mut self, is_gone: impl Fn(&Waiter) -> bool) -> usize {
        let waiters = self.loading.values_mut();
        let gone = waiters.map(|waiters| {
            let before = waiters.len();
            waiters.retain(|waiter| !is_gone(waiter));
            before - waiters.len()
        });
        gone.sum()
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
        let data = peer.serving.sending.pop_front()?.bytes;
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
    if end == total {
        peer.serving.sending.pop_front();
    }
    Some(message)
}

/// Cuts a long list into messages the peer accepts.
pub(crate) fn batches<T>(items: Vec<T>, item_len: usize, max_message: usize) -> Vec<Vec<T>> {
    let per_message = (max_message.saturating_sub(2) / item_len).clamp(1, 1024);
    let mut batches = Vec::new();
    let mut items = items.into_iter().peekable();
    while items.peek().is_some() {
        batches.push(items.by_ref().take(per_message).collect());
    }
    batches
}
