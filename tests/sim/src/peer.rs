//! One simulated peer's machine. This module alone knows what goes into a
//! machine and what comes out of it: the rest of the simulator speaks of
//! [`Deed`]s and [`News`], so a change of the machine's face ends here.

use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use samara_core::message::Features;
use samara_core::message::Nonce;
use samara_core::possession::Evidence;
use samara_core::{BlobId, FileEntry, Link, PeerId, PeerSecret, Topic};
use samara_swarm::{
    Address, Config, Event, Generosity, Input, Limits, Order, Output, Path, Rate, Rates, Signal,
    StoreFailure, Swarm, Target, Time, TransferFailure, TransferId,
};

pub use samara_swarm::ConnectionId;

use crate::plan::{Bounds, HostPlan, Kind};
use crate::time::Moment;

/// A machine at work.
pub struct Peer {
    swarm: Swarm,
    now: Time,
}

/// What a machine wants done.
#[derive(Debug)]
pub enum Deed {
    Send(ConnectionId, Bytes),
    Close(ConnectionId),
    /// Dial a WebSocket.
    Dial(ConnectionId, String),
    /// Make an offer for a data channel.
    Offer(ConnectionId),
    /// Answer an offer for a data channel.
    Answer(ConnectionId, String),
    Load(BlobId),
    Store(ConnectionId, BlobId, Bytes),
    /// Prove that the blob is there.
    Hash(BlobId, Nonce, PeerId),
    Lookup(Topic),
    Announce(Topic),
    Tell(News),
}

/// What a machine tells its user.
#[derive(Debug)]
pub enum News {
    Entry(usize, Arc<FileEntry>),
    Chunk(usize, u32),
    Done(usize),
    /// A task failed; whether because of the store.
    Failed(usize, Failure),
    Misbehaved(Option<PeerId>, Box<str>),
    /// So much of a task is proven to be kept elsewhere.
    Pushed(usize, Kept),
    /// Something the simulator has no question about.
    Other,
}

/// What others proved to keep.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Copies of single blobs.
    pub proven: u32,
    /// Whole copies.
    pub copies: u8,
}

/// Why a task failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The store is full.
    Store,
    /// Anything else: never the fault of an honest machine.
    Other,
}

/// Which of two things a new connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channel {
    Socket,
    Data,
}

/// What became of bytes that were to be stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stored {
    Kept,
    Wrong,
    NoRoom,
}

impl Peer {
    /// A machine without any memory of an earlier life.
    pub fn new(identity: PeerSecret, plan: &HostPlan, seed: [u8; 32]) -> Self {
        let mut config = Config::new(identity);
        if plan.kind == Kind::Relay {
            config.features = Features::ROOMS;
        }
        config.webrtc = plan.kind == Kind::Browser;
        config.lookup = plan.dht;
        config.announce = plan.dht && plan.listens();
        config.generosity = Generosity {
            sympathy: plan.sympathy,
            stingy: plan.stingy,
        };
        config.rates = Rates {
            upload: rate(plan.upload),
            download: rate(plan.download),
        };
        config.limits = limits(plan.bounds);
        if plan.kind == Kind::Relay {
            // As the real one has it.
            config.limits.connections = 10_001;
        }
        Self {
            swarm: Swarm::new(config, seed),
            now: Time(0),
        }
    }

    /// Everything that follows happens at this moment.
    pub fn at(&mut self, now: Moment) -> &mut Self {
        self.now = Time(now.millis());
        self
    }

    pub fn poll(&mut self) -> Option<Deed> {
        loop {
            let deed = match self.swarm.poll()? {
                Output::Send {
                    connection,
                    message,
                } => Deed::Send(connection, message),
                Output::Close { connection } => Deed::Close(connection),
                Output::Dial {
                    connection,
                    address: Address::WebSocket(url),
                } => Deed::Dial(connection, url),
                Output::Dial {
                    connection,
                    address: Address::WebRtc,
                } => Deed::Offer(connection),
                Output::Answer { connection, offer } => Deed::Answer(connection, offer),
                // The simulated channel needs nothing but offer and answer, and
                // drivers only add a ledger up. Nobody announces blobs here.
                Output::Signal { .. }
                | Output::Ledger(_)
                | Output::IceServers(_)
                | Output::LookupBlob { .. } => continue,
                Output::Load { blob } => Deed::Load(blob),
                Output::Store {
                    connection,
                    blob,
                    bytes,
                    // A simulated store loses nothing that it took.
                    durable: _,
                } => Deed::Store(connection, blob, bytes),
                Output::Hash {
                    blob,
                    nonce,
                    prover,
                } => Deed::Hash(blob, nonce, prover),
                Output::Lookup { topic } => Deed::Lookup(topic),
                Output::Announce { topic } => Deed::Announce(topic),
                Output::Event(event) => Deed::Tell(news(event)),
            };
            return Some(deed);
        }
    }

    /// When the machine wants to be woken.
    pub fn wake_at(&self) -> Option<Moment> {
        let Time(millis) = self.swarm.wake_at()?;
        Some(Moment::of_millis(millis))
    }

    pub fn tick(&mut self) {
        self.input(Input::Tick);
    }

    /// A name for a connection that somebody else dialed.
    pub fn name(&mut self) -> ConnectionId {
        self.swarm.connection()
    }

    pub fn accepted(&mut self, connection: ConnectionId, max_message: usize) {
        let path = Path::WebSocket;
        self.input(Input::Accepted {
            connection,
            path,
            max_message,
            binding: Bytes::new(),
        });
    }

    pub fn connected(&mut self, connection: ConnectionId, channel: Channel, max_message: usize) {
        let path = match channel {
            Channel::Socket => Path::WebSocket,
            Channel::Data => Path::WebRtc,
        };
        self.input(Input::Connected {
            connection,
            path,
            max_message,
            binding: Bytes::new(),
        });
    }

    pub fn closed(&mut self, connection: ConnectionId, reason: &str) {
        let reason = reason.into();
        self.input(Input::Closed { connection, reason });
    }

    pub fn received(&mut self, connection: ConnectionId, message: Bytes) {
        self.input(Input::Received {
            connection,
            message,
        });
    }

    pub fn drained(&mut self, connection: ConnectionId, bytes: usize) {
        self.input(Input::Drained { connection, bytes });
    }

    pub fn offered(&mut self, connection: ConnectionId, offer: String) {
        let signal = Signal::Offer(offer);
        self.input(Input::Signal { connection, signal });
    }

    pub fn answered(&mut self, connection: ConnectionId, offer: String) {
        let signal = Signal::Answer(offer);
        self.input(Input::Signal { connection, signal });
    }

    pub fn holding(&mut self, blobs: Vec<(BlobId, u32)>) {
        self.input(Input::Holding(blobs));
    }

    pub fn loaded(&mut self, blob: BlobId, bytes: Option<Bytes>) {
        self.input(Input::Loaded { blob, bytes });
    }

    pub fn stored(&mut self, connection: ConnectionId, blob: BlobId, stored: Stored) {
        let result = match stored {
            Stored::Kept => Ok(()),
            Stored::Wrong => Err(StoreFailure::WrongBlob),
            Stored::NoRoom => Err(StoreFailure::Store("the store is full".into())),
        };
        self.input(Input::Stored {
            connection,
            blob,
            result,
        });
    }

    pub fn found(&mut self, topic: Topic, addresses: Vec<String>) {
        self.input(Input::Found { topic, addresses });
    }

    pub fn keep(&mut self, address: String) {
        self.input(Input::Keep { address });
    }

    /// Fetches by link, as whoever was given one does.
    pub fn fetch(&mut self, task: usize, link: Link) {
        let transfer = transfer(task);
        let target = Target::Link(link);
        self.input(Input::Open { transfer, target });
    }

    /// Seeds by entry, as whoever made the file does.
    pub fn seed(&mut self, task: usize, entry: Arc<FileEntry>, link: Link) {
        let transfer = transfer(task);
        let target = Target::Entry(entry, link);
        self.input(Input::Open { transfer, target });
    }

    pub fn push(&mut self, task: usize, copies: u8) {
        let transfer = transfer(task);
        self.input(Input::Push { transfer, copies });
    }

    /// Fetches from this chunk on in order, as for playback; without one, in
    /// the usual order.
    pub fn play(&mut self, task: usize, from: Option<u32>) {
        let transfer = transfer(task);
        let order = from.map_or(Order::RarestFirst, |from| Order::InOrder {
            from,
            window: 4,
        });
        self.input(Input::Prioritise { transfer, order });
    }

    /// Fetches these chunks only; with none named, all in the usual order.
    pub fn seek(&mut self, task: usize, only: Vec<Range<u32>>) {
        let transfer = transfer(task);
        let order = if only.is_empty() {
            Order::RarestFirst
        } else {
            Order::Only(only)
        };
        self.input(Input::Prioritise { transfer, order });
    }

    /// The store holds these no more.
    pub fn evicted(&mut self, blobs: Vec<BlobId>) {
        self.input(Input::Evicted(blobs));
    }

    pub fn hashed(
        &mut self,
        blob: BlobId,
        nonce: Nonce,
        prover: PeerId,
        evidence: Option<Evidence>,
    ) {
        self.input(Input::Hashed {
            blob,
            nonce,
            prover,
            evidence,
        });
    }

    /// What it wants for others, to be remembered through a restart.
    pub fn favours(&self) -> Vec<(BlobId, u8)> {
        self.swarm.favours().collect()
    }

    pub fn remember(&mut self, favours: Vec<(BlobId, u8)>) {
        self.input(Input::Remember(favours));
    }

    pub fn pause(&mut self, task: usize) {
        let transfer = transfer(task);
        self.input(Input::Pause { transfer });
    }

    pub fn resume(&mut self, task: usize) {
        let transfer = transfer(task);
        self.input(Input::Resume { transfer });
    }

    pub fn drop_task(&mut self, task: usize) {
        let transfer = transfer(task);
        self.input(Input::Drop { transfer });
    }

    /// Chunks and bytes a task has; `None` when it is unknown or failed.
    pub fn progress(&self, task: usize) -> Option<(u32, u64)> {
        self.swarm.holds(transfer(task))
    }

    /// Bytes that others make the machine hold, and how many they may, where
    /// no blob is longer than `blob`.
    pub fn memory(&self, bounds: Bounds, blob: usize) -> (u64, u64) {
        let now = self.swarm.memory();
        let most = limits(bounds).memory(now.connections, now.rooms, blob);
        (now.others as u64, most as u64)
    }

    /// How many they may when nothing is under way, and each knows so many
    /// blobs and so many others.
    pub fn memory_at_rest(&self, blobs: usize, hosts: usize) -> u64 {
        /// What is wanted, told, served and not found, each with an id, and
        /// what a connection takes by itself.
        const LISTS: usize = 6;
        const ENTRY: usize = 64;
        const CONNECTION: usize = 2048;
        let now = self.swarm.memory();
        let each = CONNECTION + LISTS * blobs * ENTRY;
        let most = now.connections * each + (blobs + now.rooms * 4 * hosts) * ENTRY;
        most as u64
    }

    fn input(&mut self, input: Input) {
        self.swarm.handle(self.now, input);
    }
}

/// A machine's transfers are a host's tasks, counted from 1.
fn transfer(task: usize) -> TransferId {
    TransferId(task as u64 + 1)
}

fn task(TransferId(transfer): TransferId) -> usize {
    usize::try_from(transfer).expect("made from a task's number") - 1
}

fn news(event: Event) -> News {
    match event {
        Event::Entry { transfer, entry } => News::Entry(task(transfer), entry),
        Event::Chunk { transfer, index } => News::Chunk(task(transfer), index),
        Event::Done { transfer } => News::Done(task(transfer)),
        Event::Failed { transfer, failure } => {
            let failure = match failure {
                TransferFailure::Store(_) => Failure::Store,
                // The enum may grow: whatever else it says is no full store.
                _ => Failure::Other,
            };
            News::Failed(task(transfer), failure)
        }
        Event::Misbehaved { peer, what } => News::Misbehaved(peer, what),
        Event::Pushed {
            transfer,
            proven,
            copies,
            ..
        } => News::Pushed(task(transfer), Kept { proven, copies }),
        Event::PushRefused { .. } | Event::Kept { .. } => News::Other,
    }
}

fn rate(bytes_per_second: Option<u64>) -> Option<Rate> {
    let bytes_per_second = NonZeroU64::new(bytes_per_second?)?;
    Some(Rate {
        bytes_per_second,
        burst: bytes_per_second.get(),
    })
}

/// The machine's limits.
fn limits(bounds: Bounds) -> Limits {
    let usual = Limits::default();
    match bounds {
        Bounds::Usual => usual,
        Bounds::Tight => Limits {
            requests_in_flight: 3,
            requests_in_circuit: 1,
            storing: 8 << 10,
            requests_queued: 16,
            send_queue: 8 << 10,
            send_queue_most: 32 << 10,
            serving: 8,
            owed_most: 16 << 10,
            wants_per_peer: 64,
            dials_per_transfer: 4,
            ..usual
        },
        Bounds::Scaled(by) => Limits {
            storing: usual.storing / by,
            outgoing_least: usual.outgoing_least / by,
            send_queue: usual.send_queue / by,
            send_queue_first: usual.send_queue_first / by,
            send_queue_least: usual.send_queue_least / by,
            send_queue_most: usual.send_queue_most / by,
            owed_most: usual.owed_most / by as u64,
            ..usual
        },
    }
}
