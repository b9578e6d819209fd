//! Playing a script, and what must hold while and after.

use bytes::Bytes;
use chacha20::ChaCha20Rng;
use rand_core::SeedableRng as _;
use samara_core::message::Features;
use samara_core::{MemberId, Message};
use samara_swarm::ConnectionId;

use super::face::Face;
use super::fixture;
use super::script::{Act, Answer, Command, News, Saying, Setting, Way, Whisper};
use super::words::{self, YOU, context};

/// What a transport carries that has no limit of its own worth noting.
const LONGEST: usize = 1 << 20;
/// Most repetitions of one saying.
const MOST_TIMES: u16 = 1024;
/// Memory the machine and the ledger may take at any time under the limits of
/// the fixture.
const MOST_MEMORY: i64 = 2 << 20;
/// Memory they may take when every connection and transfer is gone: lists
/// that keep the room they once needed, bans, addresses to stay connected to.
const REST_MEMORY: i64 = 256 << 10;
/// Wakes with nothing else happening, and how long so many take at least.
const IDLE_WAKES: u64 = 200;
const IDLE_MILLIS: u64 = 10_000;

/// A machine in the middle of a script.
pub(super) struct Play {
    face: Face,
    rng: ChaCha20Rng,
    /// How many signals were whispered to the machine.
    whispered: u32,
    /// Bytes that all acts together took and did not give back.
    memory: i64,
}

impl Play {
    pub(super) fn new(setting: &Setting) -> Self {
        // Made once, and not to be counted.
        fixture::files();
        Self {
            face: Face::new(setting),
            rng: ChaCha20Rng::from_seed([5; 32]),
            whispered: 0,
            memory: 0,
        }
    }

    /// Performs an act and counts the memory that stays in use.
    pub(super) fn act(&mut self, act: &Act) {
        self.counted(|play| play.perform(act));
        let memory = self.memory;
        assert!(memory <= MOST_MEMORY, "{memory} bytes in use");
    }

    /// Nothing more happens, and then everybody leaves.
    pub(super) fn end(mut self) {
        self.counted(Self::idle);
        self.end_at_once();
    }

    /// Everybody leaves.
    pub(super) fn end_at_once(mut self) {
        self.counted(Self::leave);
        let memory = self.memory;
        assert!(memory <= REST_MEMORY, "{memory} bytes are left behind");
    }

    fn counted(&mut self, perform: impl FnOnce(&mut Self)) {
        let used = allocation_counter::measure(|| perform(self));
        self.memory += used.bytes_current;
    }

    fn perform(&mut self, act: &Act) {
        match act {
            Act::Accept { way, longest } => {
                self.face.accept(*way, usize::from(*longest));
            }
            Act::Stranger {
                way,
                peer,
                features,
            } => self.stranger(*way, *peer, *features),
            Act::Relay { address } => self.relay(*address),
            Act::Connect { dial, way, longest } => self.connect(*dial, *way, *longest),
            Act::Close { line } => {
                let lines = &self.face.ledger.lines;
                if let Some(id) = pick(*line, lines.keys().copied()) {
                    self.face.closed(id);
                }
            }
            Act::Say {
                line,
                saying,
                times,
            } => self.say(*line, saying, *times),
            Act::Raw { line, bytes } => {
                if let Some(id) = self.open_line(*line) {
                    self.face.received(id, Bytes::copy_from_slice(bytes));
                }
            }
            Act::Whisper {
                line,
                file,
                member,
                whisper,
            } => self.whisper(*line, *file, *member, whisper),
            Act::Drain { line, bytes } => {
                if let Some(id) = self.open_line(*line) {
                    self.drain(id, usize::from(*bytes));
                }
            }
            Act::DrainAll => self.drain_all(),
            Act::Answer(answer) => self.answer(answer),
            Act::News(news) => self.learn(news),
            Act::Keep { address } => self.face.keep(kept(*address)),
            Act::Open { file, entry } => {
                let files = fixture::files().len();
                let file = usize::from(*file) % files;
                self.face.open(u8::try_from(file).unwrap_or(0), *entry);
            }
            Act::Command { transfer, command } => {
                let transfers = &self.face.ledger.transfers;
                if let Some(id) = pick(*transfer, transfers.keys().copied()) {
                    self.face.command(id, *command);
                }
            }
            Act::Wait { millis } => {
                self.face.now += u64::from(*millis);
                self.face.tick();
            }
            Act::Wake => self.wake(),
        }
    }

    fn answer(&mut self, answer: &Answer) {
        match answer {
            Answer::Local { line, kind, text } => {
                let lines = self.face.ledger.lines.iter();
                let channels = lines.filter(|(_, line)| line.channel).map(|(id, _)| *id);
                if let Some(id) = pick(*line, channels) {
                    self.face.local(id, *kind, text.clone());
                }
            }
            Answer::Loaded { load, lost } => {
                if let Some(at) = pick(*load, 0..self.face.ledger.loads.len()) {
                    self.face.loaded(at, *lost);
                }
            }
            Answer::Stored { store, full } => {
                if let Some(at) = pick(*store, 0..self.face.ledger.stores.len()) {
                    self.face.stored(at, *full);
                }
            }
            Answer::Stray {
                blob,
                connection,
                kind,
            } => {
                let (blob, connection) = (fixture::blob(*blob, 0).0, u64::from(*connection));
                self.face.stray(ConnectionId(connection), blob, *kind);
            }
        }
    }

    fn learn(&mut self, news: &News) {
        let names = |first: u8, count: u8| first..=first.saturating_add(count);
        match news {
            News::Hold { first, count } => {
                let blobs = names(*first, *count).filter_map(|name| {
                    let (id, bytes) = fixture::blob(name, 0);
                    Some((id, u32::try_from(bytes?.len()).ok()?))
                });
                self.face.hold(blobs.collect());
            }
            News::Evict { first, count } => {
                let blobs = names(*first, *count).map(|name| fixture::blob(name, 0).0);
                self.face.evict(blobs.collect());
            }
            News::Found { file, addresses } => {
                let addresses = addresses.iter().map(|name| kept(*name));
                let addresses = addresses.collect();
                self.face.found(words::file(*file).topic, addresses);
            }
        }
    }

    fn open_line(&self, which: u8) -> Option<ConnectionId> {
        let lines = self.face.ledger.lines.iter();
        let open = lines.filter(|(_, line)| line.open.is_some());
        pick(which, open.map(|(id, _)| *id))
    }

    fn stranger(&mut self, way: Way, peer: u8, features: u8) {
        let id = self.face.accept(way, LONGEST);
        if self.face.ledger.lines.contains_key(&id) {
            let features = Features(features.into());
            self.face.greet(id, way, peer, features);
        }
    }

    fn relay(&mut self, address: u8) {
        let address = kept(address);
        self.face.keep(address.clone());
        let mut lines = self.face.ledger.lines.iter();
        let dialed =
            lines.find(|(_, line)| line.open.is_none() && line.address.as_ref() == Some(&address));
        let Some(id) = dialed.map(|(id, _)| *id) else {
            return;
        };
        self.face.connected(id, Way::WebSocket, LONGEST);
        let features = Features::PARTS.with(Features::ROOMS).with(Features::KEEPS);
        self.face.greet_back(id, 200, features);
    }

    fn connect(&mut self, dial: u8, way: Way, longest: u16) {
        let lines = self.face.ledger.lines.iter();
        let dialing = lines.filter(|(_, line)| line.open.is_none());
        let dialing = dialing.map(|(id, line)| (*id, line.channel));
        if let Some((id, channel)) = pick(dial, dialing) {
            let way = if channel { Way::Channel } else { way };
            self.face.connected(id, way, usize::from(longest));
        }
    }

    fn say(&mut self, line: u8, saying: &Saying, times: u16) {
        for round in 0..=times.min(MOST_TIMES) {
            let Some(id) = self.open_line(line) else {
                return;
            };
            let message = words::message(saying, round.into());
            self.face.received(id, message.encode());
        }
    }

    fn whisper(&mut self, line: u8, file: u8, member: u8, whisper: &Whisper) {
        let Some(id) = self.open_line(line) else {
            return;
        };
        let member = MemberId(member.into());
        let opened = words::file(file);
        let began: Vec<_> = self.face.ledger.sessions.iter().copied().collect();
        self.whispered += 1;
        let plain = words::plain(whisper, &began, self.whispered);
        let (topic, key) = (opened.topic, &opened.signal_key);
        let sealed = key.seal(&mut self.rng, &context(topic, member, YOU), &plain);
        let sealed = sealed.into();
        let message = Message::Signal {
            topic,
            member,
            sealed,
        };
        self.face.received(id, message.encode());
    }

    fn drain(&mut self, id: ConnectionId, most: usize) {
        let line = self.face.ledger.lines.get_mut(&id);
        let bytes = line.map_or(0, |line| line.drain(most));
        self.face.drained(id, bytes);
    }

    fn drain_all(&mut self) {
        let lines: Vec<_> = self.face.ledger.lines.keys().copied().collect();
        for id in lines {
            self.drain(id, usize::MAX);
        }
    }

    fn wake(&mut self) {
        if let Some(at) = self.face.wake_at() {
            self.face.now = at;
        }
        self.face.tick();
    }

    /// Wakes are for timers that run out, not for asking whether they did.
    fn idle(&mut self) {
        let start = self.face.now;
        for _ in 0..IDLE_WAKES {
            if self.face.wake_at().is_none() {
                return;
            }
            self.wake();
        }
        let passed = self.face.now - start;
        assert!(passed >= IDLE_MILLIS, "{IDLE_WAKES} wakes in {passed} ms");
    }

    fn leave(&mut self) {
        let transfers: Vec<_> = self.face.ledger.transfers.keys().copied().collect();
        for transfer in transfers {
            self.face.command(transfer, Command::Drop);
        }
        while let Some(id) = self.face.ledger.lines.keys().next().copied() {
            self.face.closed(id);
        }
        while !self.face.ledger.loads.is_empty() {
            self.face.loaded(0, true);
        }
        while !self.face.ledger.stores.is_empty() {
            self.face.stored(0, true);
        }
        let had = self.face.ledger.had.iter().copied();
        let had = had.collect();
        self.face.evict(had);
    }
}

fn pick<T>(which: u8, of: impl IntoIterator<Item = T>) -> Option<T> {
    let mut of: Vec<_> = of.into_iter().collect();
    let at = usize::from(which).checked_rem(of.len())?;
    Some(of.swap_remove(at))
}

/// One of a few addresses.
fn kept(name: u8) -> String {
    format!("ws://10.1.{}.1/ws", name % 8)
}
