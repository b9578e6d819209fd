//! What goes into the machine and what comes out of it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU64;
use core::ops::Range;

use bytes::Bytes;
use samara_core::message::{Features, IceServer, Nonce, PeerId};
use samara_core::possession::Evidence;
use samara_core::{BlobId, FileEntry, Link, PeerSecret, Topic};

use crate::ledger::Traffic;
use crate::limits::Limits;
use crate::time::Millis;

/// What kind of peer this is.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who this peer is to others.
    pub identity: PeerSecret,
    /// What this peer offers beyond the machine's own abilities: a relay adds
    /// [`Features::ROOMS`].
    pub features: Features,
    /// The driver can open data channels.
    pub webrtc: bool,
    /// The driver can look topics up in the DHT.
    pub lookup: bool,
    /// The driver can announce topics in the DHT: others can reach it.
    pub announce: bool,
    /// What it does for others.
    pub generosity: Generosity,
    /// How fast it may be.
    pub rates: Rates,
    /// How much of everything.
    pub limits: Limits,
}

impl Config {
    /// An ordinary peer: three hops of sympathy and no limits on speed.
    pub fn new(identity: PeerSecret) -> Self {
        Self {
            identity,
            features: Features::default(),
            webrtc: false,
            lookup: false,
            announce: false,
            generosity: Generosity::default(),
            rates: Rates::default(),
            limits: Limits::default(),
        }
    }
}

/// What a peer does for others (`docs/protocol.md`, "Sympathy").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Generosity {
    /// How many hops away somebody may be whose wants this peer shares: it
    /// passes them on, fetches for them, and keeps what is pushed. 0 helps
    /// nobody.
    pub sympathy: u8,
    /// Serve and tell of only what the user shares, and so keep nothing for
    /// others, whatever the sympathy.
    pub stingy: bool,
}

impl Generosity {
    /// How far away those may be that are helped.
    pub(crate) const fn reach(self) -> u8 {
        if self.stingy { 0 } else { self.sympathy }
    }
}

impl Default for Generosity {
    fn default() -> Self {
        Self {
            sympathy: 3,
            stingy: false,
        }
    }
}

/// Limits on transfers; `None` is as fast as it goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rates {
    /// On blobs sent.
    pub upload: Option<Rate>,
    /// On blobs asked for.
    pub download: Option<Rate>,
}

/// A limit in bytes a second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// On average.
    pub bytes_per_second: NonZeroU64,
    /// Bytes that may pass at once after a quiet moment.
    pub burst: u64,
}

/// What of a file to fetch first. Positions are of chunks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// What fewest others hold, so that all of it stays to be had.
    #[default]
    RarestFirst,
    /// What is played next, then the rarest.
    InOrder {
        /// The chunk being played.
        from: u32,
        /// Chunks from there that are needed in order.
        window: u32,
    },
    /// These only, in order; the rest waits.
    Only(Vec<Range<u32>>),
}

/// Names a connection. The machine picks it, see [`crate::Swarm::connection`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

/// Names a transfer. The driver picks it, never 0 and never twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TransferId(pub u64);

/// How two peers are connected.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Path {
    /// A WebRTC data channel.
    WebRtc,
    /// A WebSocket between the two.
    WebSocket,
    /// Sealed messages through a relay.
    Circuit,
}

/// What stands between the two ends of a data channel: ICE's selected pair
/// (RFC 8445).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Pair {
    /// Nobody: packets go from one to the other.
    Direct,
    /// A TURN server, which passes packets on.
    Turn,
}

/// Why two members of a room have no direct path: a circuit and no data
/// channel, or one through a TURN server.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Detour {
    /// This peer opens none.
    OffHere,
    /// The other one opens none.
    OffThere,
    /// The offer was not answered in time.
    Unanswered,
    /// The two agreed on one, and no way between them was found.
    NoWay,
    /// It is being tried, and takes longer than the circuit.
    Slow,
}

impl fmt::Display for Detour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OffHere => "direct paths are switched off here",
            Self::OffThere => "the other side takes no direct path",
            Self::Unanswered => "the other side did not answer the offer of a direct path",
            Self::NoWay => "no direct path was found",
            Self::Slow => "a direct path is still being looked for",
        })
    }
}

/// Whom to dial.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Address {
    /// A WebSocket URL, `ws://host:port/ws` or `wss:`.
    WebSocket(String),
    /// A member of a room: make an offer and give it to the machine as
    /// [`Input::Signal`].
    WebRtc,
}

/// What the two ends of a WebRTC connection tell each other. The texts are
/// WebRTC's own; the machine carries them sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Signal {
    /// An SDP offer.
    Offer(String),
    /// An SDP answer.
    Answer(String),
    /// An ICE candidate.
    Candidate {
        /// The `sdpMid` it belongs to.
        mid: String,
        /// The `sdpMLineIndex` it belongs to.
        mline: u16,
        /// The candidate attribute.
        candidate: String,
    },
}

/// What to fetch or seed.
#[derive(Clone, Debug)]
pub enum Target {
    /// Only the link is known.
    Link(Link),
    /// The entry is known, and the link that [`FileEntry::link`] says.
    Entry(Arc<FileEntry>, Link),
}

/// Why a verified blob could not be stored, or bytes were no blob.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StoreFailure {
    /// The bytes do not match their id: the source lied or is broken.
    WrongBlob,
    /// The store has no room or the disk failed; the text says what to do.
    Store(String),
}

/// Something happened.
#[derive(Debug)]
pub enum Input {
    /// Somebody dialed this peer. Take the id from
    /// [`crate::Swarm::connection`].
    Accepted {
        /// The new connection.
        connection: ConnectionId,
        /// How.
        path: Path,
        /// Longest message the transport carries, both ways, in bytes.
        max_message: usize,
        /// What both ends know of the transport and nobody in between can
        /// repeat; empty for a WebSocket. For a data channel the SHA-256
        /// fingerprints of the certificates, the dialing side's first.
        binding: Bytes,
    },
    /// A dial of [`Output::Dial`] or an answer of [`Output::Answer`] led to a
    /// connection.
    Connected {
        /// The connection.
        connection: ConnectionId,
        /// How.
        path: Path,
        /// Longest message the transport carries, both ways, in bytes.
        max_message: usize,
        /// What both ends know of the transport and nobody in between can
        /// repeat; empty for a WebSocket. For a data channel the SHA-256
        /// fingerprints of the certificates, the dialing side's first.
        binding: Bytes,
    },
    /// The connection ended, or never came to be.
    Closed {
        /// The connection.
        connection: ConnectionId,
        /// Why, for a person.
        reason: String,
    },
    /// A whole message came.
    Received {
        /// From where.
        connection: ConnectionId,
        /// The message.
        message: Bytes,
    },
    /// What the packets of a data channel go through now.
    Selected {
        /// The connection.
        connection: ConnectionId,
        /// What.
        pair: Pair,
    },
    /// So many bytes of earlier [`Output::Send`]s left the send queue.
    Drained {
        /// The connection.
        connection: ConnectionId,
        /// Bytes.
        bytes: usize,
    },
    /// The local end of a WebRTC connection has something for the other end.
    Signal {
        /// The connection.
        connection: ConnectionId,
        /// What.
        signal: Signal,
    },
    /// Blobs the store holds: at the start, or added by others.
    Holding(Vec<(BlobId, u32)>),
    /// Blobs the store no longer holds.
    Evicted(Vec<BlobId>),
    /// Answers [`Output::Load`]; `None` when the store has lost it.
    Loaded {
        /// The blob.
        blob: BlobId,
        /// Its bytes.
        bytes: Option<Bytes>,
    },
    /// Answers [`Output::Store`].
    Stored {
        /// The connection of the output.
        connection: ConnectionId,
        /// The blob.
        blob: BlobId,
        /// Whether it is in the store now.
        result: Result<(), StoreFailure>,
    },
    /// Answers [`Output::Lookup`], or a relay or user named addresses.
    Found {
        /// For this topic.
        topic: Topic,
        /// WebSocket URLs.
        addresses: Vec<String>,
    },
    /// Stay connected to this WebSocket URL: a relay or a known peer.
    Keep {
        /// The URL.
        address: String,
    },
    /// Fetch what is missing of a file, and seed it.
    Open {
        /// Its name from now on.
        transfer: TransferId,
        /// What.
        target: Target,
    },
    /// Offer a transfer's blobs to every peer that keeps pushed blobs. The
    /// transfer must be complete.
    Push {
        /// Which.
        transfer: TransferId,
        /// Copies of each blob to be proven.
        copies: u8,
    },
    /// Fetch in another order from now on.
    Prioritise {
        /// Which.
        transfer: TransferId,
        /// How.
        order: Order,
    },
    /// Other limits on transfers from now on.
    Limit(Rates),
    /// What [`crate::Swarm::favours`] said before a restart.
    Remember(Vec<(BlobId, u8)>),
    /// Answers [`Output::Hash`].
    Hashed {
        /// The blob.
        blob: BlobId,
        /// The nonce.
        nonce: Nonce,
        /// Whose possession it shows.
        prover: PeerId,
        /// The hash; `None` when the store has lost the blob.
        evidence: Option<Evidence>,
    },
    /// Fetch nothing for this transfer until resumed.
    Pause {
        /// Which.
        transfer: TransferId,
    },
    /// Fetch again.
    Resume {
        /// Which.
        transfer: TransferId,
    },
    /// Forget a transfer: no more fetching, seeding or meeting for it.
    Drop {
        /// Which.
        transfer: TransferId,
    },
    /// Be another peer from now on: every connection ends, and those to kept
    /// addresses and rooms are made anew.
    Identity(PeerSecret),
    /// Ways to others may have changed: the machine is in another network, or
    /// has one again.
    Moved {
        /// The address that connections were made from is gone.
        lost: bool,
    },
    /// Time passed: what [`crate::Swarm::wake_at`] said has come.
    Tick,
}

/// What the driver is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send one message, after all earlier ones of the connection.
    Send {
        /// Where.
        connection: ConnectionId,
        /// The message.
        message: Bytes,
    },
    /// Close, or stop dialing. Answer with nothing.
    Close {
        /// Which.
        connection: ConnectionId,
    },
    /// Dial. Answer with [`Input::Connected`] or [`Input::Closed`].
    Dial {
        /// The connection to be.
        connection: ConnectionId,
        /// Whom.
        address: Address,
    },
    /// Answer a WebRTC offer: give the answer as [`Input::Signal`], then
    /// [`Input::Connected`] or [`Input::Closed`].
    Answer {
        /// The connection to be.
        connection: ConnectionId,
        /// The SDP offer.
        offer: String,
    },
    /// Give the local end of a WebRTC connection what the other end sent.
    Signal {
        /// The connection.
        connection: ConnectionId,
        /// What.
        signal: Signal,
    },
    /// Use these servers for data channels made from now on, besides those the
    /// user named: relays name them. In place of those of an earlier output.
    IceServers(Vec<IceServer>),
    /// Read a blob. Answer with [`Input::Loaded`].
    Load {
        /// Which.
        blob: BlobId,
    },
    /// Verify the bytes and store them. Answer with [`Input::Stored`].
    Store {
        /// Where they came from; repeat it in the answer.
        connection: ConnectionId,
        /// What they claim to be.
        blob: BlobId,
        /// Unverified.
        bytes: Bytes,
        /// Whether others will rely on it: it must outlive a power cut before
        /// the answer.
        durable: bool,
    },
    /// Compute [`Evidence::of`] the nonce, the prover and the blob. Answer with
    /// [`Input::Hashed`].
    Hash {
        /// The blob.
        blob: BlobId,
        /// The nonce.
        nonce: Nonce,
        /// Who proves possession. If it is this peer, others will rely on the
        /// blob: it must outlive a power cut before the answer.
        prover: PeerId,
    },
    /// Look the topic up in the DHT. Answer with [`Input::Found`], maybe
    /// several times.
    Lookup {
        /// The topic.
        topic: Topic,
    },
    /// Look up in the DHT who announced a blob; answer as to
    /// [`Output::Lookup`], for the topic.
    LookupBlob {
        /// The topic of the transfer that misses it, or the blob's own key if
        /// others do.
        topic: Topic,
        /// The blob.
        blob: BlobId,
    },
    /// Announce the topic in the DHT.
    Announce {
        /// The topic.
        topic: Topic,
    },
    /// Add to what is kept of these identities.
    Ledger(Vec<(PeerId, Traffic)>),
    /// Tell the user.
    Event(Event),
}

/// What a user wants to know at once. Everything gradual is in
/// [`crate::Swarm::progress`].
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// The file's entry is known.
    Entry {
        /// Whose.
        transfer: TransferId,
        /// The entry.
        entry: Arc<FileEntry>,
    },
    /// A chunk is in the store: it came, or it was there when the entry
    /// became known.
    Chunk {
        /// Whose.
        transfer: TransferId,
        /// Position in the entry.
        index: u32,
    },
    /// All chunks are in the store.
    Done {
        /// Which.
        transfer: TransferId,
    },
    /// The transfer cannot go on.
    Failed {
        /// Which.
        transfer: TransferId,
        /// Why, and what to do.
        failure: TransferFailure,
    },
    /// Keepers proved that they hold more of a pushed transfer.
    Pushed {
        /// Which.
        transfer: TransferId,
        /// Copies of single blobs proven so far.
        proven: u32,
        /// Copies of single blobs wanted in all.
        wanted: u32,
        /// Whole copies: each blob is proven to be with so many others.
        copies: u8,
        /// Whole copies wanted.
        target: u8,
    },
    /// A keeper takes no more of a pushed transfer. Push again to try again.
    PushRefused {
        /// Which.
        transfer: TransferId,
        /// Why, in the keeper's words.
        reason: Box<str>,
    },
    /// The connection to a kept address changed.
    Kept {
        /// The address of [`Input::Keep`].
        address: String,
        /// `None` when connected, else why not.
        problem: Option<Problem>,
    },
    /// A source broke the protocol and was cut off.
    Misbehaved {
        /// Who, if it got as far as proving it.
        peer: Option<PeerId>,
        /// What it did.
        what: Box<str>,
    },
}

/// Why there is no connection to a kept address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// For programs.
    pub cause: Cause,
    /// For people.
    pub text: String,
}

/// What kind of [`Problem`] it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Nobody answers, the connection broke, or what answers is no peer.
    Unreachable,
    /// The other side speaks another version of the protocol. No new try helps
    /// before one of the two is updated.
    OtherVersion,
}

/// Why a transfer ended without its file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransferFailure {
    /// The link's key does not fit what was found under its id.
    #[error(transparent)]
    Entry(#[from] samara_core::entry::blob::OpenEntryError),
    /// The local store does not take more.
    #[error("{0}")]
    Store(String),
    /// A blob that the store said it holds is gone.
    #[error("the store lost blob {0} while it was needed; run the fetch again")]
    Lost(BlobId),
}

/// Where a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody who has what is missing is connected.
    Waiting,
    /// Blobs are coming.
    Active,
    /// By the user's wish.
    Paused,
    /// Complete, and seeding.
    Done,
    /// Ended by [`Event::Failed`].
    Failed,
}

/// A transfer at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Where it is.
    pub state: State,
    /// Chunks in the store; 0 until the entry is known.
    pub chunks_held: u32,
    /// Chunks of the file; 0 until the entry is known.
    pub chunks: u32,
    /// Bytes of the file in the store.
    pub bytes_held: u64,
    /// Bytes of the file; 0 until the entry is known.
    pub bytes: u64,
    /// Peers that hold something this transfer wants or wanted.
    pub sources: Vec<Source>,
}

/// A peer as a source of one transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Who.
    pub peer: PeerId,
    /// How it is connected.
    pub path: Path,
    /// What its data channel goes through, once known; of several, the first.
    pub pair: Option<Pair>,
    /// Why not directly, where it is a circuit or goes through a TURN server
    /// and the reason is known.
    pub detour: Option<Detour>,
    /// Verified bytes it gave, over all transfers.
    pub bytes: u64,
    /// Bytes a second while it is asked for something, else 0.
    pub rate: u64,
    /// Bytes of blobs that left for it, over all transfers.
    pub sent: u64,
    /// From a request to its answer's first bytes, once measured.
    pub round_trip: Option<Millis>,
    /// Requests it has not answered.
    pub requests: usize,
    /// Connections of this kind with it.
    pub channels: usize,
}
