//! Every limit of the relay, in one place (`docs/relay.md`, "Limits"). Those
//! of the blob protocol are the machine's.

use std::num::NonZeroU32;
use std::time::Duration;

/// How much, how many and how long. Tests shrink them.
#[derive(Debug, Clone)]
pub struct Limits {
    /// WebSockets at once.
    pub connections: usize,
    /// Of these, how many one host may have: many people share one address behind
    /// their router or provider.
    pub connections_per_host: usize,
    /// HTTP connections at once; WebSockets are not among them. Further ones
    /// wait in the system's queue.
    pub http_connections: usize,
    /// From a connection's opening, or its last answer, to a whole request.
    pub http_request: Duration,
    /// From a connection's opening to its last answer, or to its becoming a
    /// WebSocket.
    pub http_connection: Duration,
    /// From a WebSocket's opening to its HANDSHAKE.
    pub handshake: Duration,
    /// Nothing received for this long: a ping is sent.
    pub ping_after: Duration,
    /// Nothing received for this long: the connection is cut.
    pub cut_after: Duration,
    /// The same of a bridge to another relay. A relay answers from its own
    /// machine, and its members are shown here until it counts as gone.
    pub bridge_ping_after: Duration,
    /// Nothing received on a bridge for this long: it is cut.
    pub bridge_cut_after: Duration,
    /// One write that the other end does not take for this long ends the
    /// connection.
    pub write: Duration,
    /// Rooms one connection is in.
    pub rooms_per_connection: usize,
    /// Members of one room.
    pub members_per_room: usize,
    /// Members that MEMBERS lists, and that are told of others' coming and
    /// going: the newest.
    pub members_told: usize,
    /// JOINs of one connection in a minute.
    pub joins_per_minute: NonZeroU32,
    /// Messages of one connection in a second; five seconds' worth may come at
    /// once. Who sends more is cut off.
    pub messages_per_second: NonZeroU32,
    /// Longest SIGNAL, in bytes.
    pub signal: usize,
    /// Bytes one connection may have forwarded in a second; a second's worth
    /// may come at once. Who sends more is read more slowly.
    pub forwarded_per_second: NonZeroU32,
    /// The same of all connections together, which have it in turn. Without it,
    /// as many as they may.
    pub forwarded_per_second_by_all: Option<NonZeroU32>,
    /// Bytes forwarded to one connection and not yet on their way.
    pub forwarded_queue: u32,
    /// How long a sender waits for room in a receiver's queue before the
    /// message is dropped.
    pub forward_wait: Duration,
    /// Bytes of the relay's own messages about rooms queued for one
    /// connection. A connection that needs more is too slow and is cut off.
    pub notices_queue: u32,
    /// Bridges to other relays; those that others dialed are half of them at most.
    pub bridges: usize,
    /// Members of another relay that are known by one bridge.
    pub members_per_bridge: usize,
    /// The same of one topic.
    pub members_per_bridged_room: usize,
    /// Rooms that only members of other relays are in, of all bridges.
    pub bridged_rooms: usize,
    /// Members that one bridge may tell of, as coming or going, in a second. A
    /// relay that tells more is read more slowly. This one tells half as many.
    pub told_per_second: NonZeroU32,
    /// The same at once.
    pub told_at_once: NonZeroU32,
    /// The same of all bridges, which have it in turn.
    pub told_per_second_by_all: NonZeroU32,
    /// Messages that one bridge may carry in a second; two seconds' worth may
    /// come at once. A relay that sends more is read more slowly. This one sends
    /// half as many.
    pub bridge_messages_per_second: NonZeroU32,
    /// A relay that has used all of either for so long is cut off.
    pub bridge_flood: Duration,
    /// Statements of one bridge that no relay makes that tells the truth, before
    /// it is cut off.
    pub bridge_lies: u32,
    /// How long a relay that was cut off for what it sent has no bridge.
    pub bridge_shunned: Duration,
    /// Bytes that one member has under way to members of another relay.
    pub forward_window: u32,
    /// Addresses out of the DHT that are remembered, as those of relays or of none.
    pub relay_addresses: usize,
    /// Addresses that are dialed at once, to see whether a relay is there.
    pub relay_dials: usize,
    /// From dialing such an address to a WebSocket.
    pub relay_dial: Duration,
    /// Before dialing an address again where nothing answered, or the handshake
    /// or the bridge broke, or a relay had no place; doubles each time.
    pub relay_again_first: Duration,
    /// The longest wait before that, after which only the DHT has an address
    /// dialed again; and the wait where something other than a relay answered.
    pub relay_again_most: Duration,
    /// A bridge with nobody in a room of both relays is closed after so long.
    pub bridge_idle: Duration,
    /// Topics that one connection's JOINs have looked up in the DHT at once, in
    /// a minute; further ones are looked up later.
    pub lookups_per_minute: NonZeroU32,
    /// The first wait before a topic in use is looked up again; doubles each
    /// time. All these waits are up to a quarter longer.
    pub lookup_again_first: Duration,
    /// The longest wait if somebody came since the last lookup.
    pub lookup_again_joined: Duration,
    /// The longest wait before a topic in use is looked up again.
    pub lookup_again_most: Duration,
    /// How long a member wants a blob that nobody holds before it is looked up
    /// in the DHT.
    pub seek_after: Duration,
    /// Addresses of one topic that are passed on.
    pub sources_per_topic: usize,
    /// Between two announces of a topic in use; up to a quarter longer.
    pub announce_every: Duration,
    /// An announce that was due so long ago counts as overdue.
    pub announce_late: Duration,
    /// From the order to stop until what is still open is cut.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_host: 256,
            http_connections: 10_000,
            http_request: Duration::from_secs(10),
            http_connection: Duration::from_mins(5),
            handshake: Duration::from_secs(10),
            ping_after: Duration::from_secs(30),
            cut_after: Duration::from_secs(75),
            bridge_ping_after: Duration::from_secs(15),
            bridge_cut_after: Duration::from_secs(30),
            write: Duration::from_mins(1),
            rooms_per_connection: 256,
            members_per_room: 4096,
            members_told: 256,
            joins_per_minute: rate(600),
            messages_per_second: rate(2000),
            signal: 256 << 10,
            forwarded_per_second: rate(16 << 20),
            forwarded_per_second_by_all: None,
            forwarded_queue: 4 << 20,
            forward_wait: Duration::from_secs(5),
            notices_queue: 1 << 20,
            bridges: 256,
            members_per_bridge: 8192,
            members_per_bridged_room: 64,
            bridged_rooms: 65_536,
            told_per_second: rate(200),
            told_at_once: rate(16_384),
            told_per_second_by_all: rate(1000),
            bridge_messages_per_second: rate(8000),
            bridge_flood: Duration::from_mins(1),
            bridge_lies: 16,
            bridge_shunned: Duration::from_mins(15),
            forward_window: 256 << 10,
            relay_addresses: 4096,
            relay_dials: 16,
            relay_dial: Duration::from_secs(5),
            relay_again_first: Duration::from_secs(2),
            relay_again_most: Duration::from_mins(15),
            bridge_idle: Duration::from_mins(2),
            lookups_per_minute: rate(30),
            lookup_again_first: Duration::from_mins(1),
            lookup_again_joined: Duration::from_mins(5),
            lookup_again_most: Duration::from_mins(15),
            seek_after: Duration::from_mins(1),
            sources_per_topic: 32,
            announce_every: Duration::from_mins(15),
            announce_late: Duration::from_mins(1),
            stop: Duration::from_secs(10),
        }
    }
}

const fn rate(of: u32) -> NonZeroU32 {
    NonZeroU32::new(of).expect("a rate above zero")
}
