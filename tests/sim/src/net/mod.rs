//! The network: machines, the wires between them, and what happens to both.
//!
//! One queue of events in virtual time drives everything. Nothing waits,
//! nothing runs beside it, and whatever is left to chance is drawn from the
//! plan's seed, so a plan always runs the same way.

mod dial;
mod disk;
mod fault;
mod host;
mod rooms;
mod watch;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bytes::Bytes;
use samara_core::derive::SignalKey;
use samara_core::message::Nonce;
use samara_core::{BlobId, PeerId, Topic};

use crate::checks::Checks;
use crate::dice::Dice;
use crate::file::File;
use crate::net::host::HostState;
use crate::net::rooms::Rooms;
use crate::net::wire::{Item, Side, Way, Wire};

use crate::peer::{Channel, ConnectionId};
use crate::plan::{Host, Plan};
use crate::queue::Queue;
use crate::time::{Moment, Span};
use crate::trace::Trace;

pub(crate) use crate::net::watch::Talk;
pub(crate) use crate::net::wire::WireId;

/// One end of a connection, as its host's machine names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct End {
    pub(crate) host: Host,
    pub(crate) connection: ConnectionId,
}

/// One life of a host: what was begun in an earlier one comes to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Life {
    host: Host,
    number: u32,
}

/// What will happen.
#[derive(Debug)]
enum Event {
    /// A host begins to live.
    Start(Host),
    /// A user starts a task.
    Task(Life, usize),
    /// A machine asked to be woken.
    Wake(Life),
    /// A segment left a host.
    Sent(Life, WireId, Side, u64),
    /// Something reaches the far end's line.
    Arrive(WireId, Side, Item),
    /// Something is through the far end's line.
    Deliver(WireId, Side, Item),
    /// A side finds its connection dead.
    Gone(WireId, Side),
    /// A dial reaches the host it is for.
    Dialed(Life, ConnectionId, String),
    /// The dialing side of a new wire hears of it.
    Opened(WireId, Life),
    /// A dial came to nothing.
    Refused(Life, ConnectionId),
    /// A data channel opens between the two.
    Joined(Life, ConnectionId, Life, ConnectionId),
    Loaded(Life, BlobId),
    Stored(Life, ConnectionId, BlobId, Bytes),
    Hashed(Life, BlobId, Nonce, PeerId),
    Looked(Life, Topic),
    /// A fault of the plan begins or ends.
    Fault(usize, bool),
    /// The two sides of a partition take each other for dead.
    Noticed(usize),
    /// What a machine sent is on its way, as far as it knows.
    Drained(Life, ConnectionId, usize),
    /// A liar does something by itself.
    Lie(Life),
}

/// Everything there is in one scenario.
pub(crate) struct Net {
    pub(crate) plan: Rc<Plan>,
    pub(crate) files: Rc<[File]>,
    pub(crate) now: Moment,
    pub(crate) checks: Checks,
    pub(crate) trace: Trace,
    pub(crate) hosts: Vec<HostState>,
    /// Every blob of every file.
    known: BTreeMap<BlobId, Bytes>,
    /// Opens what members of the files' rooms say to each other.
    keys: BTreeMap<Topic, SignalKey>,
    queue: Queue<Event>,
    dice: Dice,
    wires: BTreeMap<WireId, Wire>,
    last_wire: u64,
    /// Who listens where.
    listening: BTreeMap<String, Host>,
    rooms: Rooms,
    /// Announced addresses, and until when they are remembered.
    directory: BTreeMap<Topic, BTreeMap<String, Moment>>,
    /// Groups of hosts that are cut off from all others, by their fault.
    partitions: BTreeMap<usize, BTreeSet<Host>>,
}

impl Net {
    pub(crate) fn new(plan: Rc<Plan>, files: Rc<[File]>) -> Self {
        let hosts = plan.hosts.iter().enumerate();
        let hosts = hosts.map(|(number, host)| HostState::new(&plan, Host(number), host));
        let known = files.iter().flat_map(|file| file.blobs.iter().cloned());
        let mut net = Self {
            known: known.collect(),
            keys: files
                .iter()
                .map(|file| (file.link.topic(), file.link.signal_key()))
                .collect(),
            checks: Checks::new(&plan, files.clone()),
            hosts: hosts.collect(),
            now: Moment::START,
            trace: Trace::default(),
            queue: Queue::default(),
            dice: Dice::new(plan.seed, 1),
            wires: BTreeMap::new(),
            last_wire: 0,
            listening: BTreeMap::new(),
            rooms: Rooms::new(plan.seed),
            directory: BTreeMap::new(),
            partitions: BTreeMap::new(),
            plan,
            files,
        };
        for state in &net.hosts {
            net.checks.name(state.host(), state.identity.peer());
        }
        net.schedule();
        net
    }

    fn schedule(&mut self) {
        let plan = self.plan.clone();
        for (host, _) in plan.present() {
            self.queue.push(Moment::START, Event::Start(host));
        }
        for (number, fault) in plan.faults.iter().enumerate() {
            self.schedule_fault(number, fault);
        }
    }

    /// Lets the next thing happen, if it comes by `until`.
    pub(crate) fn step(&mut self, until: Moment) -> bool {
        if self.queue.next_at().is_none_or(|at| at > until) {
            self.now = self.now.max(until);
            return false;
        }
        if let Some((at, event)) = self.queue.pop() {
            self.now = at;
            self.checks.on_event(at);
            self.happen(event);
        }
        true
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Start(host) => self.start(host),
            Event::Task(life, task) => self.start_task(life, task),
            Event::Wake(life) => self.wake(life),
            Event::Sent(life, wire, side, amount) => self.on_segment(life, wire, side, amount),
            Event::Arrive(wire, side, item) => self.on_arrive(wire, side, item),
            Event::Deliver(wire, side, item) => self.on_deliver(wire, side, item),
            Event::Gone(wire, side) => self.on_gone(wire, side, "the connection broke"),
            Event::Dialed(life, connection, url) => self.on_dialed(life, connection, &url),
            Event::Opened(wire, life) => self.on_opened(wire, life),
            Event::Refused(life, connection) => self.on_refused(life, connection),
            Event::Joined(a, offering, b, answering) => {
                self.on_joined(a, offering, b, answering);
            }
            Event::Loaded(life, blob) => self.on_loaded(life, blob),
            Event::Stored(life, connection, blob, bytes) => {
                self.on_stored(life, connection, blob, bytes);
            }
            Event::Hashed(life, blob, nonce, prover) => {
                self.on_hashed(life, blob, nonce, prover);
            }
            Event::Looked(life, topic) => self.on_looked(life, topic),
            Event::Fault(number, begins) => self.on_fault(number, begins),
            Event::Noticed(number) => self.on_noticed(number),
            Event::Drained(life, connection, bytes) => {
                if self.lives(life) {
                    self.tell(life.host, |peer| peer.drained(connection, bytes));
                }
            }
            Event::Lie(life) => self.on_lie(life),
        }
    }

    fn after(&mut self, span: Span, event: Event) {
        self.queue.push(self.now + span, event);
    }

    fn host(&mut self, host: Host) -> &mut HostState {
        &mut self.hosts[host.0]
    }

    /// Whether this life still lasts.
    fn lives(&self, life: Life) -> bool {
        self.hosts[life.host.0].life() == Some(life)
    }

    /// One way between two hosts, now.
    fn delay(&mut self, from: Host, to: Host) -> Span {
        let (from, to) = (self.plan.host(from).line, self.plan.host(to).line);
        let jitter = from.jitter + to.jitter;
        from.delay + to.delay + Span(self.dice.below(jitter.0 + 1))
    }

    /// Whether a partition is between the two.
    fn are_apart(&self, a: Host, b: Host) -> bool {
        let mut groups = self.partitions.values();
        groups.any(|group| group.contains(&a) != group.contains(&b))
    }

    fn add_wire(&mut self, ends: [End; 2], channel: Channel, max_message: usize) -> WireId {
        self.last_wire += 1;
        let id = WireId(self.last_wire);
        let ways = [0, 1].map(|side: usize| {
            let (from, to) = (ends[side].host, ends[1 - side].host);
            Way::new(self.plan.host(from).line, self.plan.host(to).line)
        });
        let wire = Wire::new(ends, channel, max_message, ways);
        self.wires.insert(id, wire);
        id
    }
}
