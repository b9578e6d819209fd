//! Every limit of the machine, in one place (`docs/protocol.md`, "Limits").

use samara_core::message::MAX_MESSAGE_LEN;

use crate::time::Millis;

/// How much, how many and how long. [`Limits::default`] suits every driver;
/// tests shrink them.
#[derive(Clone, Debug)]
pub struct Limits {
    /// From a connection's start to the end of its handshake.
    pub handshake: Millis,
    /// From a dial to a connection.
    pub dial: Millis,
    /// A source that sends no more parts of a blob it has begun for this long is
    /// stalled.
    pub stall: Millis,
    /// The same for a source of which nothing is to be seen: it has others to
    /// serve first, or sends blobs whole. So this is also the slowest source
    /// over a WebSocket that is any use, 1 MiB in this time.
    pub stall_whole: Millis,
    /// First wait before dialing a kept address again; doubles each time.
    pub redial_first: Millis,
    /// Longest wait before dialing a kept address again.
    pub redial_most: Millis,
    /// Between DHT lookups for a transfer that is incomplete.
    pub lookup_every: Millis,
    /// A transfer that got nothing for so long, and a few seconds, looks for a
    /// blob too, not only for whoever knows the file.
    pub lookup_blobs_after: Millis,
    /// Between DHT announces of a topic (BEP 5 nodes forget after 30 min).
    pub announce_every: Millis,
    /// First ban after a wrong blob; doubles each time.
    pub ban_first: Millis,
    /// Longest ban.
    pub ban_most: Millis,
    /// Banned peers remembered; the ban that ends first is forgotten first.
    pub bans: usize,
    /// Between two reports for the ledger.
    pub ledger_every: Millis,
    /// Connections at once, dialing ones included.
    pub connections: usize,
    /// Connections dialed for one transfer at once.
    pub dials_per_transfer: usize,
    /// Data channels with one peer at once.
    pub channels: usize,
    /// ICE candidates taken from the other end of a data channel: each is an
    /// address that packets are sent to.
    pub candidates: usize,
    /// Requests unanswered by one source, however fast.
    pub requests_in_flight: usize,
    /// Bytes asked of one source and not yet there, however fast.
    pub owed_most: u64,
    /// Requests unanswered by one source behind a circuit: the relay holds
    /// the answers in memory.
    pub requests_in_circuit: usize,
    /// Bytes received and not yet stored, over all sources.
    pub storing: usize,
    /// Requests of one asker waiting to be served.
    pub requests_queued: usize,
    /// Blobs loaded to be served, over all askers.
    pub serving: usize,
    /// Bytes of blobs on their way to all askers together that fill any line.
    pub outgoing_least: usize,
    /// Bytes handed to one connection and not yet on their way, at most.
    pub send_queue: usize,
    /// The same before it was measured how fast they leave.
    pub send_queue_first: usize,
    /// The same at least: a transport must not run dry between two looks at it.
    pub send_queue_least: usize,
    /// Bytes queued for one peer after which nothing more of it is read: it
    /// asks and does not take the answers.
    pub send_queue_most: usize,
    /// Wants of one peer that are remembered until they can be met.
    pub wants_per_peer: usize,
    /// Blobs wanted for others, over all peers.
    pub favours: usize,
    /// How long a want of somebody else is shared before it is forgotten,
    /// unless it is told again.
    pub favour: Millis,
    /// Between two tellings of a want that others look for, and of an offer to
    /// keep: well before it is forgotten.
    pub tell_again: Millis,
    /// Largest blob fetched for others, in bytes.
    pub help_len: u32,
    /// Members of one room that are remembered.
    pub members_per_room: usize,
    /// Longest message through a circuit.
    pub circuit_message: usize,
    /// Longest message a transport may announce.
    pub message: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Millis::seconds(10),
            dial: Millis::seconds(15),
            stall: Millis::seconds(15),
            stall_whole: Millis::seconds(60),
            redial_first: Millis::seconds(1),
            redial_most: Millis::seconds(60),
            lookup_every: Millis::seconds(30),
            lookup_blobs_after: Millis::seconds(60),
            announce_every: Millis::seconds(15 * 60),
            ban_first: Millis::seconds(60),
            ban_most: Millis::seconds(24 * 60 * 60),
            bans: 1024,
            ledger_every: Millis::seconds(10),
            connections: 256,
            dials_per_transfer: 16,
            channels: 8,
            candidates: 32,
            requests_in_flight: 48,
            owed_most: 32 << 20,
            requests_in_circuit: 2,
            storing: 32 << 20,
            requests_queued: 64,
            serving: 128,
            outgoing_least: 1 << 20,
            send_queue: 2 << 20,
            send_queue_first: 256 << 10,
            send_queue_least: 16 << 10,
            send_queue_most: 8 << 20,
            wants_per_peer: 4096,
            favours: 65_536,
            favour: Millis::seconds(10 * 60),
            tell_again: Millis::seconds(4 * 60),
            help_len: 5 << 20,
            members_per_room: 256,
            circuit_message: 64 << 10,
            message: MAX_MESSAGE_LEN,
        }
    }
}
