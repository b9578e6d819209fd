//! A peer as a state machine without IO: decides what a peer does next.
//!
//! Give [`Swarm::handle`] what happened, then call [`Swarm::poll`] until it
//! returns `None` and do what it says; call `handle` with [`Input::Tick`] at
//! [`Swarm::wake_at`]. The machine knows no clock, socket, thread or
//! randomness of its own, so the same machine runs in a browser's worker, in a
//! native node and in a simulated network. It is deterministic: the same
//! inputs with the same seed give the same outputs.
//!
//! Bytes, files and cryptography of blobs are `samara-core`'s; sockets, disks
//! and clocks are the drivers'.
//!
//! | module | decides |
//! | --- | --- |
//! | `greet` | when a connection begins and ends |
//! | `prove` | who is at its other end |
//! | `transfers` | what a user's transfer needs next |
//! | `holdings` | what is shown of a file to those who know it |
//! | `want` | who is told what is wanted and held |
//! | `ask`, `answer` | whom to ask for which blob; what comes back |
//! | `wanted` | which blob comes first |
//! | `relieve` | which source takes over from a slower one |
//! | `lanes` | several data channels with one peer |
//! | `trial` | how many of them to have with a source |
//! | `pace` | how much a path holds |
//! | `serve`, `bucket` | what to send to whom, and how fast |
//! | `uplink` | how much to send side by side |
//! | `gossip` | what to want for others |
//! | `seek` | whom to look for in the DHT on their behalf |
//! | `push` | who is to keep copies |
//! | `possess` | who proved to hold what it says |
//! | `meet` | whom to meet in rooms, and how |
//! | `detour` | when a better path takes over from a circuit, and why there is one |
//! | `ice` | which servers help data channels through routers |
//! | `signaling` | what is said to them through the relay |
//! | `keep` | addresses to stay connected to, DHT, timers |
//! | `ledger` | what the driver is told of bytes exchanged |
//! | `stats` | nothing: it counts the memory held |
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod answer;
mod ask;
mod assembly;
mod bans;
mod bucket;
mod connection;
mod detour;
mod face;
mod gossip;
mod greet;
mod holdings;
mod ice;
mod keep;
mod lanes;
mod ledger;
mod limits;
mod meet;
mod pace;
mod possess;
mod prove;
mod push;
mod relieve;
mod seek;
mod serve;
mod signal;
mod signaling;
mod stats;
mod time;
mod transfer;
mod transfers;
mod trial;
mod uplink;
mod want;
mod wanted;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng as _;
use samara_core::message::ErrorCode;
use samara_core::{BlobId, Message, PeerId, RequestId, Topic};

use crate::answer::Storing;
use crate::bans::Bans;
use crate::bucket::Bucket;
use crate::connection::Connection;
use crate::gossip::Gossip;
use crate::ice::Named;
use crate::keep::Kept;
use crate::lanes::Lanes;
use crate::ledger::Ledger;
use crate::meet::Room;
use crate::possess::{Purpose, Question};
use crate::seek::Seeking;
use crate::serve::{Turns, Waiter};
use crate::transfer::Transfer;
use crate::trial::Trials;
use crate::uplink::Uplink;
use crate::wanted::{Slot, WantList};

pub use face::{
    Address, Cause, Config, ConnectionId, Detour, Event, Generosity, Input, Order, Output, Pair,
    Path, Problem, Progress, Rate, Rates, Signal, Source, State, StoreFailure, Target,
    TransferFailure, TransferId,
};
pub use ledger::{LEDGER_PEERS, Traffic};
pub use limits::Limits;
pub use stats::Memory;
pub use time::{Millis, Time};

/// The machine.
pub struct Swarm {
    config: Config,
    rng: ChaCha20Rng,
    now: Time,
    /// When the earliest timer may be due; `None` when none runs.
    wake: Option<Time>,
    last_connection: u64,
    outputs: VecDeque<Output>,
    connections: BTreeMap<ConnectionId, Connection>,
    transfers: BTreeMap<TransferId, Transfer>,
    /// Blobs in the store, with their lengths.
    held: BTreeMap<BlobId, u32>,
    /// Blobs that the user shares, and where each belongs.
    shared: BTreeMap<BlobId, Slot>,
    /// Blobs to be fetched.
    wanted: WantList,
    /// Blobs handed to the driver to verify and store, and their bytes.
    storing: BTreeMap<BlobId, Storing>,
    storing_bytes: usize,
    /// Some peer was not asked because too much was being stored, or too fast.
    asks_wait: bool,
    /// Bytes of blobs that came and were not needed.
    wasted: u64,
    download: Bucket,
    /// Blobs the driver was told to load, and for whom.
    loading: BTreeMap<BlobId, Vec<Waiter>>,
    /// Blobs loaded or being loaded to be served.
    serving: usize,
    turns: Turns,
    /// Bytes of blobs on their way to askers, loaded or being loaded.
    outgoing: usize,
    uplink: Uplink,
    upload: Bucket,
    /// How often each blob was served.
    served: BTreeMap<BlobId, u32>,
    /// Blobs the driver was told to hash, and what for.
    hashing: BTreeMap<Question, Vec<Purpose>>,
    gossip: Gossip,
    seeking: Seeking,
    rooms: BTreeMap<(ConnectionId, Topic), Room>,
    kept: BTreeMap<String, Kept>,
    /// What relays named, by relay.
    ice: BTreeMap<PeerId, Named>,
    /// When channels were last tried again because of that.
    ice_looked_at: Option<Time>,
    bans: Bans,
    ledger: Ledger,
    lanes: Lanes,
    trials: Trials,
}

impl Swarm {
    /// A peer that knows nobody. `seed` is the machine's only randomness:
    /// take it from the system's generator.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let uplink = Uplink::new(config.limits.outgoing_least);
        Self {
            bans: Bans::new(&config.limits),
            download: Bucket::new(config.rates.download),
            upload: Bucket::new(config.rates.upload),
            config,
            rng: ChaCha20Rng::from_seed(seed),
            now: Time::default(),
            wake: None,
            last_connection: 0,
            outputs: VecDeque::new(),
            connections: BTreeMap::new(),
            transfers: BTreeMap::new(),
            held: BTreeMap::new(),
            shared: BTreeMap::new(),
            wanted: WantList::default(),
            storing: BTreeMap::new(),
            storing_bytes: 0,
            asks_wait: false,
            wasted: 0,
            loading: BTreeMap::new(),
            serving: 0,
            turns: Turns::default(),
            outgoing: 0,
            uplink,
            served: BTreeMap::new(),
            hashing: BTreeMap::new(),
            gossip: Gossip::default(),
            seeking: Seeking::default(),
            rooms: BTreeMap::new(),
            kept: BTreeMap::new(),
            ice: BTreeMap::new(),
            ice_looked_at: None,
            ledger: Ledger::default(),
            lanes: Lanes::default(),
            trials: Trials::default(),
        }
    }

    /// An id for a connection that somebody else dialed.
    pub fn connection(&mut self) -> ConnectionId {
        self.last_connection += 1;
        ConnectionId(self.last_connection)
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Time, input: Input) {
        self.now = self.now.max(now);
        match input {
            Input::Accepted {
                connection,
                path,
                max_message,
                binding,
            } => {
                self.on_accepted(connection, path, max_message, &binding);
            }
            Input::Connected {
                connection,
                path,
                max_message,
                binding,
            } => {
                self.on_connected(connection, path, max_message, &binding);
            }
            Input::Closed { connection, reason } => {
                self.on_closed(connection, Cause::Unreachable, &reason);
            }
            Input::Received {
                connection,
                message,
            } => self.on_received(connection, &message),
            Input::Selected { connection, pair } => self.on_selected(connection, pair),
            Input::Drained { connection, bytes } => self.on_drained(connection, bytes),
            Input::Signal { connection, signal } => self.on_local_signal(connection, signal),
            Input::Holding(blobs) => {
                for (blob, len) in blobs {
                    self.on_held(blob, len);
                }
            }
            Input::Evicted(blobs) => {
                for blob in blobs {
                    self.unhold(&blob);
                }
            }
            Input::Loaded { blob, bytes } => self.on_loaded(blob, bytes.as_ref()),
            Input::Stored {
                connection,
                blob,
                result,
            } => {
                self.on_stored(connection, blob, result);
            }
            Input::Found { topic, addresses } => self.on_found(topic, addresses),
            Input::Keep { address } => self.on_keep(address),
            Input::Open { transfer, target } => self.on_open(transfer, target),
            Input::Push { transfer, copies } => self.on_push(transfer, copies),
            Input::Prioritise { transfer, order } => self.on_prioritise(transfer, order),
            Input::Limit(rates) => self.on_limit(rates),
            Input::Remember(wants) => self.on_remember(wants),
            Input::Hashed {
                blob,
                nonce,
                prover,
                evidence,
            } => self.on_hashed((blob, nonce, prover), evidence),
            Input::Pause { transfer } => self.on_pause(transfer),
            Input::Resume { transfer } => self.on_resume(transfer),
            Input::Drop { transfer } => self.on_drop(transfer),
            Input::Identity(identity) => self.on_identity(identity),
            Input::Moved { lost } => self.on_moved(lost),
            Input::Tick => {}
        }
        if self.wake.is_some_and(|wake| wake <= self.now) {
            self.run_timers();
        }
    }

    /// What to do next. Drain it after every [`Swarm::handle`].
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Swarm::handle`] with [`Input::Tick`] if nothing happens
    /// before.
    pub fn wake_at(&self) -> Option<Time> {
        self.wake
    }

    /// Who this peer is to others.
    pub fn peer(&self) -> PeerId {
        self.config.identity.peer()
    }

    /// Every peer whose handshake is done.
    pub fn peers(&self) -> Vec<Source> {
        let peers = self.connections.values();
        let sources = peers.filter_map(|connection| {
            let gave = connection.ready()?.asking.gave.values().sum();
            self.source(connection, gave)
        });
        self.united(sources)
    }

    /// Bytes of blobs that came and were not needed: answers that were too
    /// late, and blobs that two sources sent near the end.
    pub fn wasted(&self) -> u64 {
        self.wasted
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Makes sure that the timers run at `time` at the latest.
    fn arm(&mut self, time: Time) {
        self.wake = Some(self.wake.map_or(time, |wake| wake.min(time)));
    }

    fn on_message(&mut self, from: ConnectionId, message: Message) {
        match message {
            Message::Handshake(_) | Message::HandshakeAck(..) | Message::Proof(_) => {
                self.misbehaved(from, greet::UNEXPECTED, "a second handshake");
            }
            Message::Request { request, blob } => self.on_request(from, request, blob),
            Message::Cancel { request } => self.on_cancel(from, request),
            Message::Response {
                request,
                blob,
                data,
            } => {
                self.on_response(from, request, blob, data);
            }
            Message::Part {
                request,
                offset,
                total,
                data,
            } => {
                self.on_part(from, request, offset, total, &data);
            }
            Message::Error {
                request: RequestId(0),
                code: ErrorCode::FULL,
                text,
            } => self.on_push_refused(from, &text),
            // About the connection as a whole: whoever says so closes it.
            Message::Error {
                request: RequestId(0),
                ..
            } => {}
            Message::Error { request, .. } => self.on_not_found(from, request),
            Message::NotFound { request, blob } => {
                if !self.on_unproven(from, request, blob) {
                    self.on_not_found(from, request);
                }
            }
            Message::Have(blobs) => self.on_have(from, blobs),
            Message::HaveBits { topic, first, bits } => {
                self.on_have_bits(from, topic, first, &bits);
            }
            Message::Challenge {
                request,
                blob,
                nonce,
            } => self.on_challenge(from, request, blob, nonce),
            Message::Possession { request, evidence } => {
                self.on_possession(from, request, evidence);
            }
            Message::Want(blobs) => self.on_want(from, blobs),
            Message::Members {
                topic,
                you,
                members,
            } => {
                self.on_members(from, topic, you, members);
            }
            Message::Joined {
                topic,
                member,
                reach,
            } => {
                self.on_joined(from, topic, member, reach);
            }
            Message::Left { topic, member } => self.on_left(from, topic, member),
            Message::Signal {
                topic,
                member,
                sealed,
            } => {
                self.on_signal(from, topic, member, &sealed);
            }
            Message::Sources { topic, addresses } => self.on_sources(from, topic, addresses),
            Message::IceServers { lifetime, servers } => {
                self.on_ice_servers(from, lifetime, servers);
            }
            Message::Join { .. } | Message::Leave { .. } => {
                self.misbehaved(
                    from,
                    greet::UNEXPECTED,
                    "a room's message where no rooms are",
                );
            }
            Message::Forward { .. } | Message::Taken { .. } => {
                self.misbehaved(
                    from,
                    greet::UNEXPECTED,
                    "a message that relays send each other",
                );
            }
        }
    }
}
