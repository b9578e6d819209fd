//! How much memory a machine holds, and how much it may.
//!
//! Counted is what grows with what others do; a machine's own wants and
//! holdings are its user's affair and are counted apart. Entries of maps are
//! counted with a flat overhead: the figure is for bounds, not for accounts.

use core::mem::size_of;

use samara_core::BlobId;
use samara_core::blob::MAX_BLOB_LEN;
use samara_core::message::MAX_MESSAGE_LEN;

use crate::Swarm;
use crate::assembly::RESERVED;
use crate::connection::{Connection, Peer};
use crate::limits::Limits;
use crate::serve::LOADED_AHEAD;

/// An entry of a map or set: an id, something small beside it, its share of
/// the tree.
const ENTRY: usize = size_of::<BlobId>() + 32;

/// What a connection takes before anything happens on it.
const CONNECTION: usize = 1024;

/// Bytes a machine holds at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Memory {
    /// Because of what others sent or asked for: at most
    /// [`Limits::memory`].
    pub others: usize,
    /// Because of what the user wants and the store holds.
    pub own: usize,
    /// Connections and rooms that others can fill.
    pub connections: usize,
    /// See `connections`.
    pub rooms: usize,
}

impl Swarm {
    /// How much memory the machine holds, about. Looks at everything: for
    /// tests and reports.
    pub fn memory(&self) -> Memory {
        let connections: usize = self.connections.values().map(of_connection).sum();
        let loading: usize = self.loading.values().map(|of| (of.len() + 1) * ENTRY).sum();
        let rooms: usize = self.rooms.values().map(|room| room.len() * ENTRY).sum();
        let hashing: usize = self.hashing.values().map(|of| (of.len() + 1) * ENTRY).sum();
        let favours = (self.gossip.len() + self.seeking.len()) * ENTRY;
        Memory {
            others: connections
                + self.storing_bytes
                + loading
                + hashing
                + rooms
                + favours
                + self.bans.len() * ENTRY,
            own: (self.held.len() + self.shared.len() + self.wanted.len() + self.kept.len())
                * ENTRY,
            connections: self.connections.len(),
            rooms: self.rooms.len(),
        }
    }
}

fn of_connection(connection: &Connection) -> usize {
    let outbox = connection.outbox.len() * size_of::<(u64, usize)>();
    CONNECTION + outbox + connection.queued + connection.ready().map_or(0, of_peer)
}

fn of_peer(peer: &Peer) -> usize {
    let (asking, serving) = (&peer.asking, &peer.serving);
    let parts: usize = asking
        .requests
        .values()
        .map(|asked| asked.parts.memory())
        .sum();
    let sending: usize = serving.sending.iter().map(|of| of.bytes.len()).sum();
    let told = peer.telling.passed.len() + asking.broken.len();
    let entries = asking.requests.len() + serving.queue.len() + serving.wants.len() + told;
    parts + sending + entries * ENTRY
}

impl Limits {
    /// What a machine with these limits holds at most because of others, with
    /// so many connections and rooms, where no blob is longer than `blob`.
    pub fn memory(&self, connections: usize, rooms: usize, blob: usize) -> usize {
        // A claimed length is believed until so much has come, and memory for
        // parts doubles.
        let requests = self.requests_in_flight * ((2 * blob).max(RESERVED) + ENTRY);
        let serving = self.requests_queued * 2 * ENTRY + LOADED_AHEAD * blob;
        // One more message may have been queued before the limit showed.
        let message = blob + (MAX_MESSAGE_LEN - MAX_BLOB_LEN);
        let queue = self.send_queue_most + 2 * message;
        let wants = 4 * self.wants_per_peer * ENTRY;
        let each = CONNECTION + requests + serving + queue + wants;
        let all = self.storing + blob + (self.bans + self.favours) * ENTRY;
        all + connections * each + rooms * self.members_per_room * ENTRY
    }
}
