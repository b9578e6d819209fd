//! The machine's inputs and outputs: the only module here that names them.
//!
//! Turns happenings into inputs, and holds each output against the ledger.

use std::collections::BTreeMap;

use bytes::Bytes;
use samara_core::identity::{Greeting, Role};
use samara_core::message::{Features, Handshake, IceServer, Nonce, PeerId};
use samara_core::possession::Evidence;
use samara_core::{Blob, BlobId, Message, Topic};
use samara_swarm::{
    Address, Config, ConnectionId, Event, Input, LEDGER_PEERS, Output, Path, Signal, StoreFailure,
    Swarm, Target, Time, TransferId,
};

use super::fixture;
use super::ledger::{Cause, Ledger, Line};
use super::script::{Command, Setting, Way};
use super::words;

/// Longest text for people that goes out with an output.
const MOST_TEXT: usize = 512;

/// The machine and the driver that it talks to.
pub(super) struct Face {
    swarm: Swarm,
    pub(super) ledger: Ledger,
    pub(super) now: u64,
    /// Blobs to be hashed, what with, and for whom.
    hashes: Vec<(BlobId, Nonce, PeerId)>,
    /// What the machine said first, on each connection.
    said: BTreeMap<ConnectionId, Handshake>,
}

impl Face {
    pub(super) fn new(setting: &Setting) -> Self {
        let mut config = Config::new(words::stranger(251));
        config.webrtc = setting.webrtc;
        config.lookup = setting.lookup;
        config.announce = setting.announce;
        config.generosity.sympathy = if setting.keeps { 3 } else { 0 };
        config.limits = fixture::limits();
        Self {
            ledger: Ledger::new(config.limits.clone()),
            swarm: Swarm::new(config, [9; 32]),
            now: 0,
            hashes: Vec::new(),
            said: BTreeMap::new(),
        }
    }

    pub(super) fn accept(&mut self, way: Way, max_message: usize) -> ConnectionId {
        let connection = self.swarm.connection();
        let mut line = Line::dialing(None, matches!(way, Way::Channel));
        line.open = Some(max_message);
        self.ledger.add(connection, line);
        let path = path(way);
        self.here(Input::Accepted {
            connection,
            path,
            max_message,
            binding: Bytes::new(),
        });
        connection
    }

    pub(super) fn connected(&mut self, connection: ConnectionId, way: Way, max_message: usize) {
        if let Some(line) = self.ledger.lines.get_mut(&connection) {
            line.open = Some(max_message);
        }
        let path = path(way);
        self.here(Input::Connected {
            connection,
            path,
            max_message,
            binding: Bytes::new(),
        });
    }

    /// A stranger that dialed greets as it should.
    pub(super) fn greet(&mut self, id: ConnectionId, way: Way, peer: u8, features: Features) {
        let theirs = words::handshake(peer, features);
        self.received(id, Message::Handshake(theirs).encode());
        let binding: &[u8] = match way {
            Way::WebSocket => &[0],
            Way::Channel => &[1],
        };
        if let Some(ours) = self.said.get(&id) {
            let greeting = Greeting {
                dialer: &theirs,
                dialed: ours,
                binding,
            };
            let proof = words::stranger(peer).prove(Role::Dialer, &greeting);
            self.received(id, Message::Proof(proof).encode());
        }
    }

    /// A stranger that was dialed greets as it should.
    pub(super) fn greet_back(&mut self, id: ConnectionId, peer: u8, features: Features) {
        let theirs = words::handshake(peer, features);
        if let Some(ours) = self.said.get(&id) {
            let greeting = Greeting {
                dialer: ours,
                dialed: &theirs,
                binding: &[0],
            };
            let proof = words::stranger(peer).prove(Role::Dialed, &greeting);
            self.received(id, Message::HandshakeAck(theirs, proof).encode());
        }
    }

    pub(super) fn closed(&mut self, connection: ConnectionId) {
        self.ledger.remove(connection);
        let reason = "closed by the other side".into();
        self.here(Input::Closed { connection, reason });
    }

    pub(super) fn received(&mut self, connection: ConnectionId, message: Bytes) {
        let received = Input::Received {
            connection,
            message,
        };
        self.input(Cause::Stranger, received);
    }

    pub(super) fn drained(&mut self, connection: ConnectionId, bytes: usize) {
        // What a transport takes makes room for what strangers asked for.
        self.input(Cause::Stranger, Input::Drained { connection, bytes });
    }

    pub(super) fn local(&mut self, connection: ConnectionId, kind: u8, text: String) {
        let signal = match kind % 3 {
            0 => Signal::Offer(text),
            1 => Signal::Answer(text),
            _ => Signal::Candidate {
                mid: text.clone(),
                mline: kind.into(),
                candidate: text,
            },
        };
        self.here(Input::Signal { connection, signal });
    }

    pub(super) fn loaded(&mut self, load: usize, lost: bool) {
        let blob = self.ledger.loads.remove(load);
        let bytes = bytes_of(&blob).filter(|_| !lost);
        self.here(Input::Loaded { blob, bytes });
    }

    /// A store verifies before it says yes.
    pub(super) fn stored(&mut self, store: usize, full: bool) {
        let (connection, blob, bytes) = self.ledger.stores.remove(store);
        let result = match Blob::verify(blob, bytes) {
            Err(_) => Err(StoreFailure::WrongBlob),
            Ok(_) if full => Err(StoreFailure::Store("the store is full".into())),
            Ok(_) => Ok(()),
        };
        if result.is_ok() {
            self.ledger.had.insert(blob);
        }
        self.here(Input::Stored {
            connection,
            blob,
            result,
        });
    }

    /// An answer to nothing.
    pub(super) fn stray(&mut self, connection: ConnectionId, blob: BlobId, kind: u8) {
        let loading = self.ledger.loads.contains(&blob);
        let storing = self.ledger.stores.iter().any(|(_, of, _)| *of == blob);
        if loading || storing {
            return;
        }
        self.here(match kind % 3 {
            0 => Input::Loaded { blob, bytes: None },
            1 => Input::Stored {
                connection,
                blob,
                result: Err(StoreFailure::WrongBlob),
            },
            _ => Input::Stored {
                connection,
                blob,
                result: Ok(()),
            },
        });
    }

    pub(super) fn hold(&mut self, blobs: Vec<(BlobId, u32)>) {
        let ids = blobs.iter().map(|(blob, _)| *blob);
        self.ledger.had.extend(ids);
        self.here(Input::Holding(blobs));
    }

    pub(super) fn evict(&mut self, blobs: Vec<BlobId>) {
        self.here(Input::Evicted(blobs));
    }

    pub(super) fn found(&mut self, topic: Topic, addresses: Vec<String>) {
        self.here(Input::Found { topic, addresses });
    }

    pub(super) fn keep(&mut self, address: String) {
        self.ledger.kept.insert(address.clone());
        self.here(Input::Keep { address });
    }

    pub(super) fn open(&mut self, file: u8, by_entry: bool) {
        let known = &fixture::files()[usize::from(file)];
        let link = known.link.clone();
        let target = match &known.entry {
            Some(entry) if by_entry => Target::Entry(entry.clone(), link),
            Some(_) | None => Target::Link(link),
        };
        self.ledger.opened += 1;
        let transfer = TransferId(self.ledger.opened as u64);
        self.ledger.transfers.insert(transfer, file);
        self.here(Input::Open { transfer, target });
    }

    pub(super) fn command(&mut self, transfer: TransferId, command: Command) {
        let input = match command {
            Command::Push => Input::Push {
                transfer,
                copies: 2,
            },
            Command::Pause => Input::Pause { transfer },
            Command::Resume => Input::Resume { transfer },
            Command::Drop => {
                self.ledger.transfers.remove(&transfer);
                Input::Drop { transfer }
            }
        };
        self.here(input);
    }

    pub(super) fn tick(&mut self) {
        self.here(Input::Tick);
    }

    pub(super) fn wake_at(&self) -> Option<u64> {
        self.swarm.wake_at().map(|Time(at)| at)
    }

    fn here(&mut self, input: Input) {
        self.input(Cause::Here, input);
    }

    fn input(&mut self, cause: Cause, input: Input) {
        self.ledger.begin(cause);
        self.step(input);
        while let Some((blob, nonce, prover)) = self.hashes.pop() {
            let evidence = bytes_of(&blob).map(|bytes| Evidence::of(nonce, prover, &bytes));
            self.step(Input::Hashed {
                blob,
                nonce,
                prover,
                evidence,
            });
        }
        self.ledger.settle();
        self.ask_everything();
        if let Some(wake) = self.wake_at() {
            assert!(wake > self.now, "the machine wants to be woken at once");
        }
    }

    fn step(&mut self, input: Input) {
        self.swarm.handle(Time(self.now), input);
        while let Some(output) = self.swarm.poll() {
            self.ledger.count_output();
            self.output(output);
        }
    }

    /// What a user interface reads at any time.
    fn ask_everything(&self) {
        let peers = self.swarm.peers().len();
        assert!(peers <= fixture::limits().connections, "{peers} peers");
        for transfer in self.ledger.transfers.keys() {
            let progress = self.swarm.progress(*transfer);
            let progress = progress.expect("an open transfer has progress");
            assert!(progress.chunks_held <= progress.chunks, "{progress:?}");
            assert!(progress.bytes_held <= progress.bytes, "{progress:?}");
        }
    }

    fn output(&mut self, output: Output) {
        let ledger = &mut self.ledger;
        match output {
            Output::Send {
                connection,
                message,
            } => {
                if let Ok(Message::Handshake(said) | Message::HandshakeAck(said, _)) =
                    Message::decode(&message)
                {
                    self.said.insert(connection, said);
                }
                ledger.send(connection, &message);
            }
            Output::Close { connection } => ledger.remove(connection),
            Output::Dial {
                connection,
                address: Address::WebSocket(to),
            } => ledger.add(connection, Line::dialing(Some(to), false)),
            Output::Dial {
                connection,
                address: Address::WebRtc,
            }
            | Output::Answer {
                connection,
                offer: _,
            } => ledger.add(connection, Line::dialing(None, true)),
            Output::Signal {
                connection,
                signal: _,
            } => ledger.signal(connection),
            Output::Load { blob } => ledger.load(blob),
            Output::Store {
                connection,
                blob,
                bytes,
                durable: _,
            } => ledger.store(connection, blob, bytes),
            Output::Hash {
                blob,
                nonce,
                prover,
            } => {
                assert!(ledger.had.contains(&blob), "{blob} was never held");
                self.hashes.push((blob, nonce, prover));
            }
            Output::Ledger(told) => assert!(told.len() <= LEDGER_PEERS),
            Output::IceServers(servers) => assert!(servers.len() <= IceServer::MOST),
            // What others want is looked for under its own key.
            Output::LookupBlob { topic, blob } if blob.as_bytes().starts_with(topic.as_bytes()) => {
            }
            Output::Lookup { topic }
            | Output::LookupBlob { topic, .. }
            | Output::Announce { topic } => {
                let mut files = fixture::files().iter();
                assert!(files.any(|file| file.topic == topic));
            }
            Output::Event(event) => self.event(event),
        }
    }

    fn event(&mut self, event: Event) {
        let ledger = &self.ledger;
        match event {
            Event::Entry { transfer, entry } => ledger.entry(transfer, &entry),
            Event::Chunk { transfer, index } => ledger.chunk(transfer, index),
            Event::Done { transfer } => ledger.done(transfer),
            Event::Failed {
                transfer,
                failure: _,
            } => ledger.about(transfer),
            Event::Pushed {
                transfer,
                proven,
                wanted,
                copies,
                target,
            } => {
                ledger.about(transfer);
                assert!(proven <= wanted, "{proven} of {wanted} copies proven");
                assert!(copies <= target, "{copies} of {target} whole copies");
            }
            Event::PushRefused { transfer, reason } => {
                ledger.about(transfer);
                assert!(reason.len() <= MOST_TEXT);
            }
            Event::Kept { address, problem } => {
                assert!(ledger.kept.contains(&address));
                assert!(problem.is_none_or(|problem| problem.text.len() <= MOST_TEXT));
            }
            Event::Misbehaved { peer: _, what } => assert!(what.len() <= MOST_TEXT),
        }
    }
}

fn bytes_of(blob: &BlobId) -> Option<Bytes> {
    let mut blobs = fixture::files().iter().flat_map(|file| &file.blobs);
    let known = blobs.find(|known| known.id() == *blob);
    known.map(|known| known.bytes().clone())
}

const fn path(way: Way) -> Path {
    match way {
        Way::WebSocket => Path::WebSocket,
        Way::Channel => Path::WebRtc,
    }
}
