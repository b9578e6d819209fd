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
//! | `want` | who is told what is wanted and held; pushes |
//! | `ask` | whom to ask for which blob |
//! | `serve` | what to send to whom |
//! | `meet` | whom to meet in rooms, and how |
//! | `signaling` | what is said to them through the relay |
//! | `keep` | addresses to stay connected to, DHT, timers |
//! | `ledger` | what the driver is told of bytes exchanged |
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod ask;
mod assembly;
mod bans;
mod connection;
mod face;
mod greet;
mod keep;
mod ledger;
mod limits;
mod meet;
mod prove;
mod serve;
mod signal;
mod signaling;
mod time;
mod transfer;
mod transfers;
mod want;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng as _;
use samara_core::message::ErrorCode;
use samara_core::{BlobId, Message, PeerId, RequestId, Topic};

use crate::ask::{Storing, Wanted};
use crate::bans::Bans;
use crate::connection::Connection;
use crate::keep::Kept;
use crate::ledger::Ledger;
use crate::meet::Room;
use crate::serve::Waiter;
use crate::transfer::Transfer;

pub use face::{
    Address, Config, ConnectionId, Event, Input, Output, Path, Progress, Signal, Source, State,
    StoreFailure, Target, TransferFailure, TransferId,
};
pub use ledger::{LEDGER_PEERS, Traffic};
pub use limits::Limits;
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
    /// Blobs to be fetched.
    wanted: BTreeMap<BlobId, Wanted>,
    /// Blobs handed to the driver to verify and store.
    storing: BTreeMap<BlobId, Storing>,
    /// Blobs the driver was told to load, and for whom.
    loading: BTreeMap<BlobId, Vec<Waiter>>,
    /// Numbers pushed blobs in the order they are taken.
    adopted: u32,
    rooms: BTreeMap<(ConnectionId, Topic), Room>,
    kept: BTreeMap<String, Kept>,
    bans: Bans,
    ledger: Ledger,
}

impl Swarm {
    /// A peer that knows nobody. `seed` is the machine's only randomness:
    /// take it from the system's generator.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        Self {
            bans: Bans::new(&config.limits),
            config,
            rng: ChaCha20Rng::from_seed(seed),
            now: Time::default(),
            wake: None,
            last_connection: 0,
            outputs: VecDeque::new(),
            connections: BTreeMap::new(),
            transfers: BTreeMap::new(),
            held: BTreeMap::new(),
            wanted: BTreeMap::new(),
            storing: BTreeMap::new(),
            loading: BTreeMap::new(),
            adopted: 0,
            rooms: BTreeMap::new(),
            kept: BTreeMap::new(),
            ledger: Ledger::default(),
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
            Input::Closed { connection, reason } => self.on_closed(connection, &reason),
            Input::Received {
                connection,
                message,
            } => self.on_received(connection, &message),
            Input::Drained { connection, bytes } => self.on_drained(connection, bytes),
            Input::Signal { connection, signal } => self.on_local_signal(connection, signal),
            Input::Holding(blobs) => {
                for (blob, len) in blobs {
                    self.on_held(blob, len);
                }
            }
            Input::Evicted(blobs) => {
                for blob in blobs {
                    self.held.remove(&blob);
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
            Input::Push { transfer } => self.on_push(transfer),
            Input::Pause { transfer } => self.on_pause(transfer),
            Input::Resume { transfer } => self.on_resume(transfer),
            Input::Drop { transfer } => self.on_drop(transfer),
            Input::Identity(identity) => self.on_identity(identity),
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
        let peers = self.connections.values().filter_map(Connection::ready);
        peers
            .map(|peer| Source {
                peer: peer.id,
                path: peer.path,
                bytes: peer.asking.gave.values().sum(),
            })
            .collect()
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
            Message::Error { request, .. } | Message::NotFound { request, .. } => {
                self.on_not_found(from, request);
            }
            Message::Have(blobs) => self.on_have(from, blobs),
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
            Message::Join { .. } | Message::Leave { .. } => {
                self.misbehaved(
                    from,
                    greet::UNEXPECTED,
                    "a room's message where no rooms are",
                );
            }
        }
    }
}
