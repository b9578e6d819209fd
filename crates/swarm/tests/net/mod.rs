//! A network in virtual time: machines, the stores behind them, a relay's
//! rooms, and links with a delay. Drives machines as a real driver would, only
//! that nothing waits.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use samara_core::message::{Features, IceServer, MIN_MESSAGE_LEN, Nonce, Reach};
use samara_core::possession::Evidence;
use samara_core::{Blob, BlobId, FileEntry, Link, MemberId, Message, PeerId, PeerSecret, Topic};
use samara_swarm::{
    Address, Config, ConnectionId, Event, Input, Output, Path, Signal, StoreFailure, Swarm, Target,
    Time, Traffic, TransferId,
};

pub mod file;
mod rooms;

/// One way through the network, in milliseconds.
const DELAY: u64 = 10;
/// What a simulated data channel carries at most.
const CHANNEL_MESSAGE: usize = 64 << 10;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Host(pub usize);

/// One end of a connection.
type End = (Host, ConnectionId);

pub struct Peer {
    pub swarm: Swarm,
    pub store: BTreeMap<BlobId, Bytes>,
    pub events: Vec<Event>,
    /// What data channels are made with.
    pub ice_servers: Vec<IceServer>,
    /// What a driver would have kept.
    pub ledger: BTreeMap<PeerId, Traffic>,
    /// Blobs that this peer serves wrong.
    pub lies: bool,
    /// What this peer proves to hold is made up.
    pub forges: bool,
    /// Messages of this peer get lost from here on.
    pub silent: bool,
    /// Bytes the store takes before it is full.
    pub room: usize,
    /// RESPONSE and PART bytes sent, by path.
    pub sent: BTreeMap<Path, usize>,
    pub paths: BTreeMap<ConnectionId, Path>,
}

enum Happening {
    Input(Host, Input),
    Link(End, End, Path, usize),
    Room(Host, ConnectionId, Bytes),
}

#[derive(Default)]
pub struct Net {
    pub peers: Vec<Peer>,
    pub now: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    sequence: u64,
    links: BTreeMap<End, End>,
    /// Peers by the address they listen at.
    listening: BTreeMap<String, Host>,
    /// Hosts between which data channels do not come about.
    pub blocked: BTreeSet<Host>,
    /// Hosts that are gone without a word: their data channels take nothing.
    vanished: BTreeSet<Host>,
    /// How much longer blobs take through a relay, in milliseconds.
    pub slow_circuits: u64,
    /// How much longer storing takes, in milliseconds.
    pub slow_stores: u64,
    /// Bytes a second that one data channel carries; 0 for any number.
    pub channel_rate: u64,
    /// The data channels of a host share that rate.
    pub one_line: bool,
    /// A machine is ticked when it asked for that, and not whenever another is.
    pub exact: bool,
    /// Everybody is next door, and messages are short.
    pub near: bool,
    /// When what was given to a data channel has left, in microseconds.
    busy_until: BTreeMap<(Host, Option<ConnectionId>), u64>,
    /// Data channels being negotiated: the offering end, by its offer.
    offers: BTreeMap<String, End>,
    rooms: BTreeMap<Topic, Vec<(MemberId, Reach, End)>>,
    members: u64,
    /// Data channels offered.
    pub offered: usize,
    /// Blobs wanted in all WANTs sent.
    pub wants: usize,
    /// HAVEs sent as bitfields.
    pub bitfields: usize,
    /// Blobs looked up in the DHT.
    pub sought: usize,
    /// Topics announced in the DHT.
    pub dht: BTreeMap<Topic, BTreeSet<String>>,
}

impl Net {
    /// Adds a peer that browsers could be.
    pub fn browser(&mut self) -> Host {
        self.add(|config| config.webrtc = true)
    }

    /// Adds a peer without data channels.
    pub fn native(&mut self) -> Host {
        self.add(|_| ())
    }

    /// Adds a relay at `ws://relay/ws`.
    pub fn relay(&mut self) -> Host {
        let host = self.add(|config| config.features = Features::ROOMS);
        self.listen(host, "ws://relay/ws");
        host
    }

    pub fn add(&mut self, adjust: impl FnOnce(&mut Config)) -> Host {
        let number = u8::try_from(self.peers.len()).unwrap();
        let mut config = Config::new(PeerSecret::from_bytes(&[number; 32]));
        adjust(&mut config);
        self.peers.push(Peer {
            swarm: Swarm::new(config, [number; 32]),
            store: BTreeMap::new(),
            events: Vec::new(),
            ice_servers: Vec::new(),
            ledger: BTreeMap::new(),
            lies: false,
            forges: false,
            silent: false,
            room: usize::MAX,
            sent: BTreeMap::new(),
            paths: BTreeMap::new(),
        });
        Host(self.peers.len() - 1)
    }

    /// What a blob is announced under.
    pub fn blob_key(blob: &BlobId) -> Topic {
        Topic::from_bytes(core::array::from_fn(|i| blob.as_bytes()[i]))
    }

    fn look_up(&mut self, host: Host, topic: Topic, key: Topic) {
        let addresses = self.dht.get(&key).into_iter().flatten();
        let addresses = addresses.cloned().collect();
        let found = Input::Found { topic, addresses };
        self.after(DELAY, Happening::Input(host, found));
    }

    pub fn listen(&mut self, host: Host, address: &str) {
        self.listening.insert(address.into(), host);
    }

    pub fn keep(&mut self, host: Host, address: &str) {
        let address = address.into();
        self.input(host, Input::Keep { address });
    }

    pub fn peer(&mut self, host: Host) -> &mut Peer {
        &mut self.peers[host.0]
    }

    /// What two peers send each other on a data channel gets lost from now on.
    pub fn sever(&mut self, a: Host, b: Host) {
        let peers = &self.peers;
        self.links.retain(|(from, connection), (to, _)| {
            let between = [*from, *to] == [a, b] || [*from, *to] == [b, a];
            !between || peers[from.0].paths[connection] != Path::WebRtc
        });
    }

    /// The oldest connection between two ends.
    pub fn cut_first(&mut self, from: Host, to: Host) {
        let mut links = self.links.iter();
        let first = links.find(|((a, _), (b, _))| (*a, *b) == (from, to));
        let (end, _) = first.expect("the two are connected");
        let end = *end;
        self.cut(end);
        let (host, connection) = end;
        let reason = "cut".into();
        self.input(host, Input::Closed { connection, reason });
    }

    /// One peer says something to another it is connected to.
    pub fn say(&mut self, from: Host, to: Host, message: &Message) {
        let mut links = self.links.iter();
        let link = links.find(|((a, _), (b, _))| (*a, *b) == (from, to));
        let (_, end) = link.expect("the two are connected");
        self.tell(*end, message);
    }

    /// Puts a file's blobs into a store and seeds it.
    pub fn seed(&mut self, host: Host, file: &file::File) {
        self.give(host, file.blobs.iter().cloned());
        let target = Target::Entry(file.entry.clone().into(), file.link.clone());
        let transfer = TransferId(1);
        self.input(host, Input::Open { transfer, target });
    }

    pub fn give(&mut self, host: Host, blobs: impl IntoIterator<Item = Blob>) {
        let mut holding = Vec::new();
        for blob in blobs {
            holding.push((blob.id(), u32::try_from(blob.bytes().len()).unwrap()));
            self.peer(host).store.insert(blob.id(), blob.into_bytes());
        }
        self.input(host, Input::Holding(holding));
    }

    pub fn fetch(&mut self, host: Host, link: &Link) {
        let target = Target::Link(link.clone());
        let transfer = TransferId(1);
        self.input(host, Input::Open { transfer, target });
    }

    pub fn push(&mut self, host: Host, copies: u8) {
        let transfer = TransferId(1);
        self.input(host, Input::Push { transfer, copies });
    }

    pub fn has_all(&mut self, host: Host, entry: &FileEntry) -> bool {
        let store = &self.peer(host).store;
        entry
            .chunks()
            .iter()
            .all(|chunk| store.contains_key(&chunk.id))
    }

    pub fn is_done(&mut self, host: Host) -> bool {
        let events = &self.peer(host).events;
        events
            .iter()
            .any(|event| matches!(event, Event::Done { .. }))
    }

    /// Cuts every connection of a host, as when its tab closes.
    pub fn kill(&mut self, host: Host) {
        self.peer(host).silent = true;
        let ends: Vec<_> = self
            .links
            .keys()
            .filter(|(of, _)| *of == host)
            .copied()
            .collect();
        for end in ends {
            self.cut(end);
        }
        self.listening.retain(|_, of| *of != host);
    }

    /// Ends a host without a word on its data channels, as when its tab crashes.
    /// The relay sees its socket close.
    pub fn vanish(&mut self, host: Host) {
        self.peer(host).silent = true;
        self.vanished.insert(host);
        let paths = &self.peers[host.0].paths;
        let ends = self
            .links
            .keys()
            .filter(|(of, connection)| *of == host && paths[connection] == Path::WebSocket);
        for end in ends.copied().collect::<Vec<_>>() {
            self.cut(end);
        }
    }

    /// Runs until nothing happens for `millis`.
    pub fn run(&mut self, millis: u64) {
        let end = self.now + millis;
        loop {
            let event = self.queue.keys().next().map(|(at, _)| *at);
            let wakes = self.peers.iter().filter(|peer| !peer.silent);
            let wake = wakes.filter_map(|peer| peer.swarm.wake_at()).min();
            let wake = wake.map(|Time(at)| at.max(self.now));
            let Some(at) = event.into_iter().chain(wake).min().filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = at;
            if wake == Some(at) {
                for host in (0..self.peers.len()).map(Host) {
                    let due = self.peer(host).swarm.wake_at();
                    if !self.exact || due.is_some_and(|Time(due)| due <= at) {
                        self.input(host, Input::Tick);
                    }
                }
            }
            while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= at) {
                let happening = entry.remove();
                self.happen(happening);
            }
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Input(host, input) => self.input(host, input),
            Happening::Room(relay, from, bytes) => self.on_room_message(relay, from, &bytes),
            Happening::Link(a, b, path, max_message) => {
                self.links.insert(a, b);
                self.links.insert(b, a);
                for (host, connection) in [a, b] {
                    self.peer(host).paths.insert(connection, path);
                }
                let (host, connection) = b;
                let met = path == Path::WebRtc;
                // Both ends know the channel by the same.
                let binding = if met {
                    format!("{a:?} {b:?}").into()
                } else {
                    Bytes::new()
                };
                self.input(
                    host,
                    if met {
                        Input::Connected {
                            connection,
                            path,
                            max_message,
                            binding: binding.clone(),
                        }
                    } else {
                        Input::Accepted {
                            connection,
                            path,
                            max_message,
                            binding: binding.clone(),
                        }
                    },
                );
                let (host, connection) = a;
                self.input(
                    host,
                    Input::Connected {
                        connection,
                        path,
                        max_message,
                        binding,
                    },
                );
            }
        }
    }

    pub fn input(&mut self, host: Host, input: Input) {
        let now = Time(self.now);
        if self.peer(host).silent {
            return;
        }
        self.peer(host).swarm.handle(now, input);
        while let Some(output) = self.peer(host).swarm.poll() {
            self.output(host, output);
        }
    }

    fn after(&mut self, delay: u64, happening: Happening) {
        self.sequence += 1;
        self.queue
            .insert((self.now + delay, self.sequence), happening);
    }

    fn output(&mut self, host: Host, output: Output) {
        match output {
            Output::Send {
                connection,
                message,
            } => self.on_send((host, connection), message),
            Output::Close { connection } => self.cut((host, connection)),
            Output::Dial {
                connection,
                address: Address::WebSocket(url),
            } => {
                self.on_dial((host, connection), &url);
            }
            Output::Dial {
                connection,
                address: Address::WebRtc,
            } => {
                self.offered += 1;
                let offer = format!("{host:?} {connection:?}");
                self.offers.insert(offer.clone(), (host, connection));
                let signal = Signal::Offer(offer);
                self.after(
                    0,
                    Happening::Input(host, Input::Signal { connection, signal }),
                );
            }
            Output::Answer { connection, offer } => self.on_answer((host, connection), &offer),
            Output::Signal { .. } => {}
            Output::IceServers(servers) => self.peer(host).ice_servers = servers,
            Output::Load { blob } => {
                let bytes = self.peer(host).store.get(&blob).cloned();
                self.after(1, Happening::Input(host, Input::Loaded { blob, bytes }));
            }
            Output::Store {
                connection,
                blob,
                bytes,
                durable: _,
            } => {
                let result = self.peer(host).put(blob, bytes);
                let stored = Input::Stored {
                    connection,
                    blob,
                    result,
                };
                self.after(1 + self.slow_stores, Happening::Input(host, stored));
            }
            Output::Hash {
                blob,
                nonce,
                prover,
            } => {
                let nonce_used = if self.peer(host).forges {
                    Nonce::from_bytes([0; 32])
                } else {
                    nonce
                };
                let bytes = self.peer(host).store.get(&blob);
                let evidence = bytes.map(|bytes| Evidence::of(nonce_used, prover, bytes));
                let hashed = Input::Hashed {
                    blob,
                    nonce,
                    prover,
                    evidence,
                };
                self.after(1, Happening::Input(host, hashed));
            }
            Output::Lookup { topic } => self.look_up(host, topic, topic),
            Output::LookupBlob { topic, blob } => {
                self.sought += 1;
                self.look_up(host, topic, Self::blob_key(&blob));
            }
            Output::Announce { topic } => {
                let own = self.listening.iter().filter(|(_, of)| **of == host);
                let own: Vec<_> = own.map(|(address, _)| address.clone()).collect();
                self.dht.entry(topic).or_default().extend(own);
            }
            Output::Ledger(told) => {
                let ledger = &mut self.peer(host).ledger;
                for (peer, more) in told {
                    let known = ledger.entry(peer).or_default();
                    *known = known.plus(more);
                }
            }
            Output::Event(event) => self.peer(host).events.push(event),
        }
    }

    fn on_dial(&mut self, end: End, url: &str) {
        let Some(listener) = self.listening.get(url).copied() else {
            let reason = "connection refused".into();
            let (host, connection) = end;
            return self.after(
                DELAY,
                Happening::Input(host, Input::Closed { connection, reason }),
            );
        };
        let connection = self.peer(listener).swarm.connection();
        let other = (listener, connection);
        self.after(DELAY, Happening::Link(end, other, Path::WebSocket, 2 << 20));
    }

    fn on_answer(&mut self, end: End, offer: &str) {
        let Some(offering) = self.offers.remove(offer) else {
            return;
        };
        if self.blocked.contains(&end.0) || self.blocked.contains(&offering.0) {
            return;
        }
        let message = if self.near {
            MIN_MESSAGE_LEN
        } else {
            CHANNEL_MESSAGE
        };
        let (host, connection) = end;
        let signal = Signal::Answer(offer.into());
        self.after(
            0,
            Happening::Input(host, Input::Signal { connection, signal }),
        );
        self.after(
            3 * DELAY,
            Happening::Link(offering, end, Path::WebRtc, message),
        );
    }

    fn on_send(&mut self, from: End, mut message: Bytes) {
        let (host, connection) = from;
        let bytes = message.len();
        let to = self.links.get(&from).map(|(to, _)| *to);
        if to.is_some_and(|to| self.vanished.contains(&to)) {
            return;
        }
        let leaves = self.leaves_after(from, bytes);
        self.after(
            1 + leaves,
            Happening::Input(host, Input::Drained { connection, bytes }),
        );
        let Some((to, other)) = self.links.get(&from).copied() else {
            return;
        };
        self.count(&message);
        if matches!(message[0], 3 | 8) {
            let peer = self.peer(host);
            let path = peer.paths[&connection];
            *peer.sent.entry(path).or_default() += bytes;
            if peer.lies {
                let mut wrong = message.to_vec();
                *wrong.last_mut().unwrap() ^= 1;
                message = wrong.into();
            }
        }
        let input = if (16..=21).contains(&message[0]) {
            Happening::Room(to, other, message)
        } else {
            let connection = other;
            Happening::Input(
                to,
                Input::Received {
                    connection,
                    message,
                },
            )
        };
        // What the relay itself says about rooms goes to its members' machines.
        let delay = if self.near { 1 } else { DELAY };
        self.after(delay + leaves, input);
    }

    /// How long a message waits for what was sent before it.
    fn leaves_after(&mut self, (host, connection): End, bytes: usize) -> u64 {
        let channel = self.peer(host).paths.get(&connection) == Some(&Path::WebRtc);
        if !channel || self.channel_rate == 0 {
            return 0;
        }
        let now = self.now * 1000;
        let line = (!self.one_line).then_some(connection);
        let until = self.busy_until.entry((host, line)).or_default();
        *until = (*until).max(now) + bytes as u64 * 1_000_000 / self.channel_rate;
        (*until - now) / 1000
    }

    fn count(&mut self, message: &Bytes) {
        match message[..] {
            [4, 1, ..] => self.bitfields += 1,
            [5, ref wants @ ..] => {
                let wants = wants.chunks(33).filter(|want| want[32] != 0);
                self.wants += wants.count();
            }
            _ => {}
        }
    }

    fn cut(&mut self, end: End) {
        let Some(other) = self.links.remove(&end) else {
            return;
        };
        self.links.remove(&other);
        for gone in [end, other] {
            self.leave_rooms(gone);
        }
        let (host, connection) = other;
        let reason = "closed by the other side".into();
        self.after(
            DELAY,
            Happening::Input(host, Input::Closed { connection, reason }),
        );
    }
}

impl Peer {
    fn put(&mut self, id: BlobId, bytes: Bytes) -> Result<(), StoreFailure> {
        let blob = Blob::verify(id, bytes).map_err(|_| StoreFailure::WrongBlob)?;
        let len = blob.bytes().len();
        if len > self.room {
            return Err(StoreFailure::Store("the store is full".into()));
        }
        self.room -= len;
        self.store.insert(id, blob.into_bytes());
        Ok(())
    }

    pub fn sent(&self, path: Path) -> usize {
        self.sent.get(&path).copied().unwrap_or_default()
    }
}
