//! Hosts: a machine, its store, and what its driver has to remember. A real
//! driver does the same with sockets and disks.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use samara_core::{BlobId, PeerSecret};

use crate::checks::{Invariant, Observed};
use crate::dice::Dice;
use crate::liar::Liar;
use crate::net::wire::{Side, WireId};
use crate::net::{Event, Life, Net};
use crate::peer::{ConnectionId, Deed, News, Peer};
use crate::plan::{Host, HostPlan, Plan, Role};
use crate::time::{Moment, Span};

/// How late the timers of a hidden tab fire.
const SLEEPY: Span = Span::seconds(60);

/// One host.
pub(crate) struct HostState {
    host: Host,
    pub(super) identity: PeerSecret,
    /// `None` while it is down.
    pub(crate) peer: Option<Peer>,
    lives: u32,
    pub(super) line: LineState,
    pub(super) ends: BTreeMap<ConnectionId, (WireId, Side)>,
    pub(super) dialing: BTreeMap<ConnectionId, String>,
    pub(crate) store: BTreeMap<BlobId, Bytes>,
    /// Bytes the store still takes.
    pub(super) room: u64,
    pub(super) disk_latency: Span,
    pub(super) disk_free: Moment,
    pub(super) url: Option<String>,
    /// When the earliest wake event comes.
    armed: Option<Moment>,
    pub(super) asleep: bool,
    /// What its last machine wanted for others, as a driver keeps it.
    pub(super) favours: Vec<(BlobId, u8)>,
    pub(super) liar: Option<Liar>,
    /// Tasks its user has started and not given up.
    pub(crate) tasks: BTreeMap<usize, Intent>,
}

/// What a user last said about a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Intent {
    Run,
    Pause,
}

/// What is on the line now.
#[derive(Default)]
pub(super) struct LineState {
    /// Wires that wait for their turn.
    pub(super) turns: VecDeque<(WireId, Side)>,
    pub(super) sending: bool,
    pub(super) down_free: Moment,
}

impl HostState {
    pub(super) fn new(plan: &Plan, host: Host, of: &HostPlan) -> Self {
        let mut dice = Dice::new(plan.seed, 0x1000 + host.0 as u64);
        Self {
            host,
            identity: PeerSecret::from_bytes(&dice.bytes()),
            peer: None,
            lives: 0,
            line: LineState::default(),
            ends: BTreeMap::new(),
            dialing: BTreeMap::new(),
            store: BTreeMap::new(),
            room: of.room.unwrap_or(u64::MAX),
            disk_latency: of.disk.latency,
            disk_free: Moment::START,
            url: of.listens().then(|| url(host, 0)),
            armed: None,
            asleep: false,
            favours: Vec::new(),
            liar: of.lie.map(|lie| Liar::new(lie, dice)),
            tasks: BTreeMap::new(),
        }
    }

    pub(crate) const fn host(&self) -> Host {
        self.host
    }

    /// What only a running process has is gone.
    pub(super) fn die(&mut self) {
        self.line = LineState::default();
        self.dialing.clear();
        self.asleep = false;
    }

    /// The next wake event is asked for anew.
    pub(super) const fn forget_alarm(&mut self) {
        self.armed = None;
    }

    pub(super) fn life(&self) -> Option<Life> {
        let (host, number) = (self.host, self.lives);
        self.peer.as_ref().map(|_| Life { host, number })
    }
}

/// Where a host listens after so many changes of address.
pub(super) fn url(host: Host, moves: u32) -> String {
    format!("ws://h{}.{moves}:1/ws", host.0)
}

impl Net {
    /// A host begins a life: with its store, and with nothing else.
    pub(super) fn start(&mut self, host: Host) {
        let plan = self.plan.clone();
        let of = plan.host(host);
        let state = self.host(host);
        state.lives += 1;
        let mut dice = Dice::new(plan.seed, 0x2000 + host.0 as u64);
        let mut seed: [u8; 32] = dice.bytes();
        seed[0] ^= u8::try_from(state.lives).expect("few crashes");
        state.peer = Some(Peer::new(state.identity.clone(), of, seed));
        state.armed = None;
        let life = Life {
            host,
            number: state.lives,
        };
        if let Some(url) = &state.url {
            let url = url.clone();
            self.listening.insert(url, host);
        }
        self.checks.on_born(host);
        self.refill(host, life);
        for to in &of.keeps {
            self.tell(host, |peer| peer.keep(url(*to, 0)));
        }
        for (task, of) in of.tasks.iter().enumerate() {
            let at = of.at.max(self.now);
            self.queue.push(at, Event::Task(life, task));
        }
        if self.host(host).liar.is_some() {
            self.after(Span::seconds(1), Event::Lie(life));
        }
    }

    /// A machine learns what is in its store; at first, what the plan says.
    fn refill(&mut self, host: Host, life: Life) {
        let (plan, files) = (self.plan.clone(), self.files.clone());
        if life.number == 1 {
            for task in &plan.host(host).tasks {
                let blobs = files[task.file].blobs.iter().enumerate();
                let held = blobs.filter(|(index, _)| task.role.holds(*index));
                let held = held.map(|(_, (id, bytes))| (*id, bytes.clone()));
                self.host(host).store.extend(held);
            }
        }
        let store = self.host(host).store.iter();
        let held = store.map(|(id, bytes)| (*id, len32(bytes))).collect();
        self.tell(host, |peer| peer.holding(held));
        let favours = std::mem::take(&mut self.host(host).favours);
        self.tell(host, |peer| peer.remember(favours));
    }

    pub(super) fn start_task(&mut self, life: Life, task: usize) {
        if !self.lives(life) {
            return;
        }
        let plan = self.plan.clone();
        let of = plan.host(life.host).tasks[task];
        if self.checks.was_dropped(life.host, task) {
            return;
        }
        let intent = self.host(life.host).tasks.get(&task).copied();
        let intent = intent.unwrap_or(Intent::Run);
        self.host(life.host).tasks.insert(task, intent);
        let file = &self.files[of.file];
        let store = &self.hosts[life.host.0].store;
        self.checks.on_task(life.host, task, self.now, file, store);
        let (entry, link) = (file.entry.clone(), file.link.clone());
        self.tell(life.host, |peer| match of.role {
            Role::Seed => peer.seed(task, entry, link),
            Role::Part { .. } | Role::Read => peer.fetch(task, link),
        });
        if intent == Intent::Pause {
            self.tell(life.host, |peer| peer.pause(task));
        }
    }

    /// Gives a living machine an input, and does what it says.
    pub(super) fn tell(&mut self, host: Host, input: impl FnOnce(&mut Peer)) {
        let now = self.now;
        let Some(peer) = self.host(host).peer.as_mut() else {
            return;
        };
        input(peer.at(now));
        while let Some(deed) = self.host(host).peer.as_mut().and_then(Peer::poll) {
            self.act(host, deed);
        }
        self.arm(host);
        self.observe(host);
    }

    fn observe(&mut self, host: Host) {
        let state = &self.hosts[host.0];
        if let Some(peer) = &state.peer {
            self.checks.on_handled(&Observed {
                host,
                now: self.now,
                peer,
            });
        }
    }

    /// Asks for a wake event, unless one comes early enough.
    fn arm(&mut self, host: Host) {
        let now = self.now;
        let state = self.host(host);
        let wake = state.peer.as_ref().and_then(Peer::wake_at);
        let (Some(wake), Some(life)) = (wake, state.life()) else {
            return;
        };
        // A timer never fires at once, however late it is set.
        let mut at = wake.max(now + Span::millis(1));
        if state.asleep {
            at = next_minute(at);
        }
        if state.armed.is_none_or(|armed| armed <= now || at < armed) {
            state.armed = Some(at);
            self.queue.push(at, Event::Wake(life));
        }
    }

    pub(super) fn wake(&mut self, life: Life) {
        let now = self.now;
        if !self.lives(life) || self.host(life.host).armed != Some(now) {
            return;
        }
        self.host(life.host).armed = None;
        self.checks.on_wake(life.host, now);
        self.trace.note(now, life.host.0, b"wake");
        self.tell(life.host, Peer::tick);
    }

    fn act(&mut self, host: Host, deed: Deed) {
        match deed {
            Deed::Send(connection, message) => self.on_send(host, connection, message),
            Deed::Close(connection) => self.on_close(host, connection),
            Deed::Dial(connection, url) => self.on_dial(host, connection, url),
            Deed::Offer(connection) => self.on_offer(host, connection),
            Deed::Answer(connection, offer) => self.on_answer(host, connection, &offer),
            Deed::Load(blob) => self.on_load(host, blob),
            Deed::Store(connection, blob, bytes) => self.on_store(host, connection, blob, bytes),
            Deed::Hash(blob, nonce, prover) => self.on_hash(host, blob, nonce, prover),
            Deed::Lookup(topic) => self.on_lookup(host, topic),
            Deed::Announce(topic) => self.on_announce(host, topic),
            Deed::Tell(news) => {
                if let News::Pushed(task, kept) = news {
                    self.check_copies(host, task, kept.proven);
                }
                let state = &self.hosts[host.0];
                self.checks.on_news(host, self.now, &news, &state.store);
            }
        }
    }

    fn on_send(&mut self, host: Host, connection: ConnectionId, message: Bytes) {
        let Some((wire, side)) = self.hosts[host.0].ends.get(&connection).copied() else {
            return;
        };
        self.watch_sent(host, wire, side, &message);
        if let Some(liar) = &mut self.host(host).liar {
            let len = message.len();
            let said = liar.says(connection, message);
            for message in said {
                self.send_extra(wire, side, message);
            }
            // The machine's message is gone, whatever was made of it.
            return self.tell_later(host, connection, len);
        }
        self.send(wire, side, message);
    }

    /// A liar says what it says by itself, on every connection.
    pub(super) fn on_lie(&mut self, life: Life) {
        if !self.lives(life) {
            return;
        }
        let ends: Vec<_> = self.host(life.host).ends.clone().into_iter().collect();
        for (connection, (wire, side)) in ends {
            let liar = self.host(life.host).liar.as_mut();
            let said = liar.map(|liar| liar.volunteers(connection));
            for message in said.into_iter().flatten() {
                self.send_extra(wire, side, message);
            }
        }
        self.after(Span::seconds(1), Event::Lie(life));
    }

    /// No more copies are counted as proven than there are.
    fn check_copies(&mut self, host: Host, task: usize, proven: u32) {
        let file = &self.files[self.plan.host(host).tasks[task].file];
        let others = self.hosts.iter().filter(|other| other.host != host);
        let copies = others.map(|other| {
            let blobs = file.blobs.iter();
            blobs.filter(|(id, _)| other.store.contains_key(id)).count()
        });
        let copies: usize = copies.sum();
        if proven as usize > copies {
            let what = format!("{host:?} counts {proven} copies where there are {copies}");
            self.checks
                .breached(Invariant::OnlyVerified, self.now, what);
        }
    }

    fn on_close(&mut self, host: Host, connection: ConnectionId) {
        self.host(host).dialing.remove(&connection);
        if let Some((wire, side)) = self.host(host).ends.get(&connection).copied() {
            self.close(wire, side);
        }
    }
}

fn next_minute(at: Moment) -> Moment {
    Moment(at.0.next_multiple_of(SLEEPY.0))
}

pub(super) fn len32(bytes: &Bytes) -> u32 {
    u32::try_from(bytes.len()).expect("a blob is short")
}
