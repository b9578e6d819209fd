//! Stores: every blob is verified as a real store verifies it, takes the disk
//! its time, and needs room.

use std::collections::BTreeSet;

use bytes::Bytes;
use samara_core::message::Nonce;
use samara_core::possession::Evidence;
use samara_core::{Blob, BlobId, PeerId};

use crate::net::{Event, Net};
use crate::net::{Life, host::len32};
use crate::peer::{ConnectionId, Stored};
use crate::plan::Host;
use crate::time::Moment;

impl Net {
    /// When the disk is done with one more blob.
    fn disk(&mut self, host: Host) -> Moment {
        let now = self.now;
        let state = self.host(host);
        state.disk_free = state.disk_free.max(now) + state.disk_latency;
        state.disk_free
    }

    pub(super) fn on_load(&mut self, host: Host, blob: BlobId) {
        let at = self.disk(host);
        if let Some(life) = self.host(host).life() {
            self.queue.push(at, Event::Loaded(life, blob));
        }
    }

    pub(super) fn on_loaded(&mut self, life: Life, blob: BlobId) {
        if self.lives(life) {
            let bytes = self.host(life.host).store.get(&blob).cloned();
            self.tell(life.host, |peer| peer.loaded(blob, bytes));
        }
    }

    pub(super) fn on_hash(&mut self, host: Host, blob: BlobId, nonce: Nonce, prover: PeerId) {
        let at = self.disk(host);
        if let Some(life) = self.host(host).life() {
            self.queue
                .push(at, Event::Hashed(life, blob, nonce, prover));
        }
    }

    pub(super) fn on_hashed(&mut self, life: Life, blob: BlobId, nonce: Nonce, prover: PeerId) {
        if self.lives(life) {
            let bytes = self.host(life.host).store.get(&blob);
            let evidence = bytes.map(|bytes| Evidence::of(nonce, prover, bytes));
            self.tell(life.host, |peer| peer.hashed(blob, nonce, prover, evidence));
        }
    }

    pub(super) fn on_store(
        &mut self,
        host: Host,
        connection: ConnectionId,
        blob: BlobId,
        bytes: Bytes,
    ) {
        let at = self.disk(host);
        if let Some(life) = self.host(host).life() {
            self.queue
                .push(at, Event::Stored(life, connection, blob, bytes));
        }
    }

    pub(super) fn on_stored(
        &mut self,
        life: Life,
        connection: ConnectionId,
        blob: BlobId,
        bytes: Bytes,
    ) {
        if !self.lives(life) {
            return;
        }
        let len = bytes.len();
        let from = self.far(life.host, connection);
        let stored = self.put(life.host, blob, bytes);
        if self.plan.host(life.host).is_honest() {
            let (host, now) = (life.host, self.now);
            self.checks.on_stored(host, from, now, (blob, len), stored);
        }
        self.tell(life.host, |peer| peer.stored(connection, blob, stored));
    }

    /// Who is at the other end of a connection that has a wire to itself.
    fn far(&self, host: Host, connection: ConnectionId) -> Option<Host> {
        let (wire, side) = self.hosts[host.0].ends.get(&connection)?;
        Some(self.wires.get(wire)?.end(side.other()).host)
    }

    /// Blobs that none of the host's files needs make room.
    pub(super) fn evict(&mut self, host: Host, part: u64) {
        let files = self.files.clone();
        let tasks = self.plan.host(host).tasks.iter();
        let own: BTreeSet<_> = tasks
            .flat_map(|task| files[task.file].blobs.iter().map(|(id, _)| *id))
            .collect();
        let held = self.host(host).store.keys().copied();
        let foreign: Vec<_> = held.filter(|id| !own.contains(id)).collect();
        let mut gone = Vec::new();
        for id in foreign {
            if self.dice.chance(part)
                && let Some(bytes) = self.host(host).store.remove(&id)
            {
                let room = &mut self.host(host).room;
                *room = room.saturating_add(u64::from(len32(&bytes)));
                gone.push(id);
            }
        }
        self.tell(host, |peer| peer.evicted(gone));
    }

    fn put(&mut self, host: Host, id: BlobId, bytes: Bytes) -> Stored {
        let Ok(blob) = Blob::verify(id, bytes) else {
            return Stored::Wrong;
        };
        let len = u64::from(len32(blob.bytes()));
        // Verified bytes are the same everywhere: all stores share one copy.
        let bytes = self.known.get(&id).cloned();
        let bytes = bytes.unwrap_or_else(|| blob.into_bytes());
        let state = self.host(host);
        if !state.store.contains_key(&id) {
            if len > state.room {
                return Stored::NoRoom;
            }
            state.room -= len;
            state.store.insert(id, bytes);
        }
        Stored::Kept
    }
}
