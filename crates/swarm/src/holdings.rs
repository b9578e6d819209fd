//! Holdings: what of a file each side has, as bits instead of ids.
//!
//! A reader that knows the entry shows its bits to the peers it met for the
//! file. A peer that knows the entry too, and was named one of its blobs, shows
//! its own. From then on the two need no wants for that file: each tells the
//! other what it gets and the other lacks. A stranger who only saw the topic,
//! such as a relay, learns nothing: it cannot name a blob.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use samara_core::blob::TAG_LEN;
use samara_core::entry::blob::seal_entry;
use samara_core::message::{ErrorCode, Features};
use samara_core::{BlobId, FileEntry, Message, Topic, padding};

use crate::Swarm;
use crate::connection::{Connection, Peer};
use crate::face::{ConnectionId, TransferId};
use crate::transfer::{Phase, Transfer};

/// Which chunks of a file somebody holds, the highest bit first.
#[derive(Clone, Default)]
pub(crate) struct Bits(Vec<u8>);

impl Bits {
    fn none(count: usize) -> Self {
        Self(vec![0; count.div_ceil(8)])
    }

    fn set(&mut self, position: u32) {
        if let Some(byte) = self.0.get_mut(position as usize / 8) {
            *byte |= 0x80 >> (position % 8);
        }
    }

    fn clear(&mut self, position: u32) {
        if let Some(byte) = self.0.get_mut(position as usize / 8) {
            *byte &= !(0x80 >> (position % 8));
        }
    }

    fn has(&self, position: u32) -> bool {
        let byte = self.0.get(position as usize / 8);
        byte.is_some_and(|byte| byte & (0x80 >> (position % 8)) != 0)
    }
}

/// What two peers know of each other's holdings.
#[derive(Default)]
pub(crate) struct Shown {
    /// What the peer holds of each file it showed bits of.
    theirs: BTreeMap<TransferId, Bits>,
    /// Files this side showed bits of.
    ours: Vec<TransferId>,
    /// Files of which the peer named a blob.
    named: Vec<TransferId>,
}

impl Shown {
    /// Whether wants of a file need not be told: each side sees what the
    /// other lacks.
    pub(crate) fn is_mutual(&self, transfer: TransferId) -> bool {
        self.theirs.contains_key(&transfer) && self.ours.contains(&transfer)
    }

    /// Files of which this is so.
    pub(crate) fn mutual(&self) -> impl Iterator<Item = TransferId> {
        let ours = self.ours.iter().copied();
        ours.filter(|transfer| self.theirs.contains_key(transfer))
    }

    /// Files of which the peer named a blob.
    pub(crate) fn named(&self) -> Vec<TransferId> {
        self.named.clone()
    }

    /// It named blobs of these elsewhere.
    pub(crate) fn name_all(&mut self, named: Vec<TransferId>) {
        self.named = named;
    }

    /// The same of any file.
    pub(crate) fn is_mutual_for_any(&self) -> bool {
        self.ours.iter().any(|transfer| self.is_mutual(*transfer))
    }

    fn lacks(&self, (transfer, position): (TransferId, u32)) -> bool {
        let theirs = self.theirs.get(&transfer);
        self.ours.contains(&transfer) && theirs.is_some_and(|bits| !bits.has(position))
    }

    pub(crate) fn forget(&mut self, transfer: TransferId) {
        self.theirs.remove(&transfer);
        self.ours.retain(|of| *of != transfer);
        self.named.retain(|of| *of != transfer);
    }
}

impl Swarm {
    /// A file's blobs are known: from here on they can be named.
    pub(crate) fn share(&mut self, id: TransferId) {
        let Some(transfer) = self.transfers.get(&id) else {
            return;
        };
        self.shared.insert(transfer.link.id, (id, u32::MAX));
        let chunks = transfer.entry().into_iter().flat_map(|e| e.chunks());
        for (position, chunk) in (0..).zip(chunks) {
            self.shared.insert(chunk.id, (id, position));
        }
        if self.config.generosity.stingy {
            self.share_entry(id);
            self.answer_waiting();
        }
    }

    /// What leads to a large entry is shared like the file: a stingy peer
    /// would keep it to itself, and nobody else could read the entry.
    fn share_entry(&mut self, id: TransferId) {
        let entry = self.transfers.get(&id).and_then(Transfer::entry);
        let sealed = entry.and_then(|entry| seal_entry(entry).ok());
        for blob in sealed.into_iter().flat_map(|sealed| sealed.blobs) {
            self.shared.insert(blob.id(), (id, u32::MAX));
        }
    }

    /// Wants of blobs that were here before they were known to be shared.
    fn answer_waiting(&mut self) {
        let mut haves = Vec::new();
        for (id, connection) in &mut self.connections {
            let Some(peer) = connection.ready_mut() else {
                continue;
            };
            let wants = peer.serving.wants.extract_if(.., |blob| {
                self.shared.contains_key(blob) && self.held.contains_key(blob)
            });
            let held = wants.filter_map(|blob| Some((blob, *self.held.get(&blob)?)));
            haves.push((*id, held.collect::<Vec<_>>()));
        }
        for (id, held) in haves {
            self.send_haves(id, held);
        }
    }

    pub(crate) fn unshare(&mut self, id: TransferId) {
        self.shared.retain(|_, (of, _)| *of != id);
        for connection in self.connections.values_mut() {
            if let Some(peer) = connection.ready_mut() {
                peer.shown.forget(id);
            }
        }
    }

    /// A peer named a blob.
    pub(crate) fn on_named(&mut self, from: ConnectionId, blob: &BlobId) {
        if let Some((transfer, _)) = self.shared.get(blob).copied()
            && let Some(peer) = self.peer_mut(from)
            && !peer.shown.named.contains(&transfer)
        {
            peer.shown.named.push(transfer);
            // It may have shown its own before it named one.
            if peer.shown.theirs.contains_key(&transfer) {
                self.show(from, transfer);
            }
        }
    }

    /// Shows a peer the holdings of every file it was met for.
    pub(crate) fn tell_holdings(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        // A relay knows no entries.
        if connection
            .ready()
            .is_none_or(|peer| peer.features.contains(Features::ROOMS))
        {
            return;
        }
        let fetching = self.transfers.iter();
        let fetching = fetching.filter(|(_, t)| matches!(t.phase, Phase::Fetching { .. }));
        let met = fetching.filter(|(transfer, _)| connection.scope.includes(**transfer));
        for transfer in met.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.show(id, transfer);
        }
    }

    pub(crate) fn tell_all_holdings(&mut self) {
        let peers: Vec<_> = self.connections.keys().copied().collect();
        for id in peers {
            self.tell_holdings(id);
        }
    }

    fn show(&mut self, to: ConnectionId, id: TransferId) {
        let Some(transfer) = self.transfers.get(&id) else {
            return;
        };
        let peer = self.connections.get_mut(&to).and_then(|c| c.ready_mut());
        let Some(peer) = peer.filter(|peer| peer.features.contains(Features::BITFIELD)) else {
            return;
        };
        let Some(entry) = transfer.entry().filter(|_| !peer.shown.ours.contains(&id)) else {
            return;
        };
        peer.shown.ours.push(id);
        let mut bits = Bits::none(entry.chunks().len());
        for (position, chunk) in (0..).zip(entry.chunks()) {
            if self.held.contains_key(&chunk.id) {
                bits.set(position);
            }
        }
        let (topic, most) = (transfer.topic, bytes_per_message(peer));
        let bits = Bytes::from(bits.0);
        for (first, start) in (0..).zip((0..bits.len()).step_by(most)) {
            let piece = bits.slice(start..bits.len().min(start + most));
            let first = first * u32::try_from(most * 8).unwrap_or(u32::MAX);
            let message = Message::HaveBits {
                topic,
                first,
                bits: piece,
            };
            self.send(to, &message);
        }
    }

    /// A peer shows what it holds of a file.
    pub(crate) fn on_have_bits(
        &mut self,
        from: ConnectionId,
        topic: Topic,
        first: u32,
        bits: &[u8],
    ) {
        let transfers = self.transfers.iter();
        let known = transfers.filter(|(_, t)| t.topic == topic && t.entry().is_some());
        for id in known.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.on_holdings(from, id, first, bits);
        }
    }

    fn on_holdings(&mut self, from: ConnectionId, id: TransferId, first: u32, bits: &[u8]) {
        let transfer = self.transfers.get(&id);
        let Some(entry) = transfer.and_then(Transfer::entry).cloned() else {
            return;
        };
        let count = entry.chunks().len();
        let end = first as usize + bits.len() * 8;
        if !first.is_multiple_of(8) || end > count.next_multiple_of(8) {
            let what = "a bitfield that does not fit the file";
            return self.misbehaved(from, ErrorCode::MALFORMED, what);
        }
        let Some(peer) = self.peer_mut(from) else {
            return;
        };
        let theirs = peer.shown.theirs.entry(id);
        let theirs = theirs.or_insert_with(|| Bits::none(count));
        let place = theirs.0.iter_mut().skip(first as usize / 8);
        for (byte, new) in place.zip(bits) {
            *byte |= new;
        }
        let named = peer.shown.named.contains(&id);
        let start = first as usize;
        for (position, chunk) in entry.chunks().iter().enumerate().take(end).skip(start) {
            let bit = bits
                .get((position - start) / 8)
                .copied()
                .unwrap_or_default();
            if bit & (0x80 >> (position % 8)) != 0 {
                self.offer(from, chunk.id, blob_len(&entry, position));
            }
        }
        let scope = self.connections.get(&from).map(|c| c.scope.includes(id));
        if named || scope == Some(true) {
            self.show(from, id);
        }
        self.ask(from);
    }

    /// A blob came: those who were shown holdings and lack it hear of it.
    /// Returns them.
    pub(crate) fn lacking(&self, blob: &BlobId) -> Vec<ConnectionId> {
        let Some(slot) = self.shared.get(blob).copied() else {
            return Vec::new();
        };
        let connections = self.connections.iter();
        let lacking = connections.filter(|(_, connection)| {
            Connection::ready(connection).is_some_and(|peer| peer.shown.lacks(slot))
        });
        lacking.map(|(id, _)| *id).collect()
    }

    /// A peer says that it has a blob of a file it showed bits of.
    pub(crate) fn note_have(&mut self, from: ConnectionId, blob: &BlobId) {
        if let Some((bits, position)) = self.bits_of(from, blob) {
            bits.set(position);
        }
    }

    /// It has not.
    pub(crate) fn note_lost(&mut self, from: ConnectionId, blob: &BlobId) {
        if let Some((bits, position)) = self.bits_of(from, blob) {
            bits.clear(position);
        }
    }

    fn bits_of(&mut self, from: ConnectionId, blob: &BlobId) -> Option<(&mut Bits, u32)> {
        let (transfer, position) = self.shared.get(blob).copied()?;
        let bits = self.peer_mut(from)?.shown.theirs.get_mut(&transfer)?;
        Some((bits, position))
    }
}

/// Whole bytes of bits that fit one message.
fn bytes_per_message(peer: &Peer) -> usize {
    peer.max_message.saturating_sub(64).clamp(1, 64 << 10)
}

fn blob_len(entry: &FileEntry, position: usize) -> u32 {
    let len = padding::padme(entry.chunk_len(position)) + TAG_LEN;
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_beyond_the_file_are_nobodys() {
        let mut bits = Bits::none(10);
        bits.set(9);
        bits.set(4_000);
        assert!(bits.has(9) && !bits.has(8) && !bits.has(4_000));
        assert_eq!(bits.0, [0, 0x40]);
    }
}
