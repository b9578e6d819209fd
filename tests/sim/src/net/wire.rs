//! Wires: ordered, reliable, and as slow as the lines at their ends.
//!
//! A host's line sends one segment at a time and takes its wires in turn, so
//! no wire keeps another waiting for long. Loss is what a reliable transport
//! makes of it: the segment, and all behind it, come later.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::liar::Lie;
use crate::net::{End, Event, Life, Net};
use crate::peer::Channel;
use crate::plan::{Host, Line};
use crate::time::{Moment, Span};

/// Sent of one wire before the next one's turn, in bytes.
const SEGMENT: u64 = 16 << 10;
/// Least and most that may be on its way on one wire, as with a transport's
/// window.
const WINDOW: (u64, u64) = (32 << 10, 4 << 20);
/// What sending a lost segment again takes beyond a round trip.
const RETRANSMIT: Span = Span::millis(200);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct WireId(pub(crate) u64);

/// Which end of a wire: 0 dialed, 1 was dialed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Side(pub(crate) usize);

impl Side {
    pub(crate) const DIALED: Self = Self(0);
    pub(crate) const ACCEPTED: Self = Self(1);

    pub(crate) const fn other(self) -> Self {
        Self(1 - self.0)
    }
}

pub(crate) struct Wire {
    pub(crate) ends: [End; 2],
    pub(crate) channel: Channel,
    pub(crate) max_message: usize,
    /// Whether each side still uses it.
    up: [bool; 2],
    /// Cut: what is sent is lost.
    dead: bool,
    /// From each side to the other.
    ways: [Way; 2],
}

/// One direction of a wire.
pub(crate) struct Way {
    queue: VecDeque<Item>,
    /// Bytes of all items in the queue.
    queued: u64,
    /// Bytes of the first item that are sent already.
    begun: u64,
    /// Whether it waits for its turn on the line.
    listed: bool,
    /// Bytes on their way.
    flying: u64,
    window: u64,
    last_arrival: Moment,
    /// What a partition holds back.
    held: Vec<Item>,
    /// The far side takes nothing more.
    stuck: bool,
}

/// Something on a wire.
#[derive(Debug)]
pub(crate) struct Item {
    what: What,
    /// Bytes it takes on the line.
    cost: u64,
}

#[derive(Debug)]
enum What {
    /// A machine's message.
    Message(Bytes),
    /// What a relay says of its rooms, or a liar by itself: no machine counts
    /// it as its own.
    Extra(Bytes),
    /// The sending side closed.
    End,
}

impl Wire {
    pub(crate) const fn new(
        ends: [End; 2],
        channel: Channel,
        max_message: usize,
        ways: [Way; 2],
    ) -> Self {
        Self {
            ends,
            channel,
            max_message,
            up: [true, true],
            dead: false,
            ways,
        }
    }

    pub(crate) const fn end(&self, side: Side) -> End {
        self.ends[side.0]
    }

    pub(crate) const fn is_up(&self, side: Side) -> bool {
        self.up[side.0]
    }

    const fn way(&mut self, side: Side) -> &mut Way {
        &mut self.ways[side.0]
    }
}

impl Way {
    pub(crate) fn new(from: Line, to: Line) -> Self {
        let round_trip = (from.delay + to.delay).times(2);
        let rate = from.up.min(to.down);
        let product = rate.saturating_mul(round_trip.0) / 1_000_000;
        Self {
            queue: VecDeque::new(),
            queued: 0,
            begun: 0,
            listed: false,
            flying: 0,
            window: (2 * product).clamp(WINDOW.0, WINDOW.1),
            last_arrival: Moment::START,
            held: Vec::new(),
            stuck: false,
        }
    }

    fn may_send(&self) -> bool {
        !self.queue.is_empty() && self.flying < self.window
    }

    /// Bytes waiting to be sent.
    const fn waiting(&self) -> u64 {
        self.queued.saturating_sub(self.begun)
    }

    fn push(&mut self, item: Item) {
        self.queued += item.cost;
        self.queue.push_back(item);
    }

    /// Takes what is sent completely, `amount` bytes further on.
    fn advance(&mut self, amount: u64) -> Vec<Item> {
        let mut out = Vec::new();
        self.begun += amount;
        while let Some(item) = self.queue.pop_front_if(|first| first.cost <= self.begun) {
            self.begun -= item.cost;
            self.queued -= item.cost;
            self.flying += item.cost;
            out.push(item);
        }
        out
    }

    /// Drops what is not begun.
    fn forget(&mut self) {
        self.queue.truncate(usize::from(self.begun > 0));
        self.queued = self.queue.iter().map(|item| item.cost).sum();
    }
}

impl Net {
    /// A machine's message.
    pub(super) fn send(&mut self, id: WireId, side: Side, message: Bytes) {
        self.enqueue(id, side, What::Message(message));
    }

    /// A message that no machine sent.
    pub(super) fn send_extra(&mut self, id: WireId, side: Side, message: Bytes) {
        self.enqueue(id, side, What::Extra(message));
    }

    /// Bytes one side has not sent yet.
    pub(super) fn backlog(&self, id: WireId, side: Side) -> u64 {
        let wire = self.wires.get(&id);
        wire.map_or(0, |wire| wire.ways[side.0].waiting())
    }

    fn enqueue(&mut self, id: WireId, side: Side, what: What) {
        let weight = self.plan.weight;
        let Some(wire) = self.wires.get_mut(&id).filter(|wire| wire.is_up(side)) else {
            return;
        };
        let cost = match &what {
            What::Message(bytes) | What::Extra(bytes) => cost(bytes, weight),
            What::End => 1,
        };
        wire.way(side).push(Item { what, cost });
        self.list(id, side);
    }

    /// Gives a direction its turn, if it has anything to send.
    fn list(&mut self, id: WireId, side: Side) {
        let Some(wire) = self.wires.get_mut(&id) else {
            return;
        };
        let host = wire.end(side).host;
        let way = wire.way(side);
        if way.listed || !way.may_send() {
            return;
        }
        way.listed = true;
        let line = &mut self.host(host).line;
        line.turns.push_back((id, side));
        if !line.sending {
            self.send_segment(host);
        }
    }

    fn send_segment(&mut self, host: Host) {
        let Some(life) = self.host(host).life() else {
            return;
        };
        while let Some((id, side)) = self.host(host).line.turns.pop_front() {
            let Some(wire) = self.wires.get_mut(&id) else {
                continue;
            };
            let way = wire.way(side);
            way.listed = false;
            if !way.may_send() {
                continue;
            }
            let amount = way.waiting().min(SEGMENT);
            let span = Span::to_move(amount, self.plan.host(host).line.up);
            self.host(host).line.sending = true;
            return self.after(span, Event::Sent(life, id, side, amount));
        }
    }

    /// A segment is out: what is complete flies, and the next wire has its
    /// turn.
    pub(super) fn on_segment(&mut self, life: Life, id: WireId, side: Side, amount: u64) {
        if !self.lives(life) {
            return;
        }
        self.host(life.host).line.sending = false;
        let wire = self.wires.get_mut(&id);
        let out = wire.map(|wire| wire.way(side).advance(amount));
        let out = out.unwrap_or_default();
        let drained = out.iter().map(Item::drained).sum();
        for item in out {
            self.fly(id, side, item);
        }
        self.list(id, side);
        if !self.host(life.host).line.sending {
            self.send_segment(life.host);
        }
        self.drain(id, side, drained);
    }

    fn drain(&mut self, id: WireId, side: Side, bytes: usize) {
        let wire = self.wires.get(&id).filter(|wire| wire.is_up(side));
        let Some(end) = wire.map(|wire| wire.end(side)) else {
            return;
        };
        if bytes > 0 {
            self.tell(end.host, |peer| peer.drained(end.connection, bytes));
        }
    }

    fn fly(&mut self, id: WireId, side: Side, item: Item) {
        let Some(wire) = self.wires.get(&id).filter(|wire| !wire.dead) else {
            return;
        };
        let (from, to) = (wire.end(side).host, wire.end(side.other()).host);
        if self.are_apart(from, to) {
            if let Some(wire) = self.wires.get_mut(&id) {
                wire.way(side).held.push(item);
            }
            return;
        }
        let mut span = self.delay(from, to);
        let loss = self.plan.host(from).line.loss + self.plan.host(to).line.loss;
        while self.dice.chance(loss) {
            span = span + RETRANSMIT + span;
        }
        let at = self.now + span;
        let Some(wire) = self.wires.get_mut(&id) else {
            return;
        };
        let way = wire.way(side);
        way.last_arrival = way.last_arrival.max(at);
        let at = way.last_arrival;
        self.queue.push(at, Event::Arrive(id, side, item));
    }

    /// Partitions have changed: what they held back is sent again.
    pub(super) fn release_held(&mut self) {
        let ids: Vec<_> = self.wires.keys().copied().collect();
        for (id, side) in ids
            .into_iter()
            .flat_map(|id| [(id, Side::DIALED), (id, Side::ACCEPTED)])
        {
            let wire = self.wires.get_mut(&id);
            let held = wire.map(|wire| std::mem::take(&mut wire.way(side).held));
            for item in held.into_iter().flatten() {
                self.fly(id, side, item);
            }
        }
    }

    pub(super) fn on_arrive(&mut self, id: WireId, side: Side, item: Item) {
        let Some(wire) = self.wires.get(&id) else {
            return;
        };
        let host = wire.end(side.other()).host;
        let rate = self.plan.host(host).line.down;
        let now = self.now;
        let line = &mut self.host(host).line;
        line.down_free = line.down_free.max(now) + Span::to_move(item.cost, rate);
        let at = line.down_free;
        self.queue.push(at, Event::Deliver(id, side, item));
    }

    pub(super) fn on_deliver(&mut self, id: WireId, side: Side, item: Item) {
        let Some(wire) = self.wires.get_mut(&id) else {
            return;
        };
        let reader = wire.end(side.other()).host;
        let way = wire.way(side);
        let reads = self.plan.host(reader).lie != Some(Lie::NeverReads);
        way.stuck |= !reads && item.is_of_a_blob();
        if way.stuck {
            return;
        }
        way.flying = way.flying.saturating_sub(item.cost);
        self.list(id, side);
        match item.what {
            What::Message(bytes) | What::Extra(bytes) => self.receive(id, side.other(), bytes),
            What::End => self.on_gone(id, side.other(), "closed by the other side"),
        }
    }

    /// A side closes: what it has said is still delivered, except on a data
    /// channel, which drops what waits.
    pub(super) fn close(&mut self, id: WireId, side: Side) {
        let Some(wire) = self.wires.get_mut(&id).filter(|wire| wire.is_up(side)) else {
            return;
        };
        if wire.channel == Channel::Data {
            wire.way(side).forget();
        }
        self.enqueue(id, side, What::End);
        self.hang_up(id, side);
    }

    /// Nothing more gets through.
    pub(super) fn silence(&mut self, id: WireId) {
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.dead = true;
        }
    }

    /// A side uses the wire no longer.
    pub(super) fn hang_up(&mut self, id: WireId, side: Side) {
        let Some(wire) = self.wires.get_mut(&id).filter(|wire| wire.is_up(side)) else {
            return;
        };
        wire.up[side.0] = false;
        let end = wire.end(side);
        if !wire.is_up(side.other()) {
            self.wires.remove(&id);
        }
        self.host(end.host).ends.remove(&end.connection);
        self.leave_rooms(id, side);
        self.checks.on_hung_up(end.host, id);
    }

    /// A side's connection is dead, and its machine hears of it.
    pub(super) fn on_gone(&mut self, id: WireId, side: Side, why: &str) {
        let wire = self.wires.get(&id).filter(|wire| wire.is_up(side));
        let Some(end) = wire.map(|wire| wire.end(side)) else {
            return;
        };
        self.hang_up(id, side);
        self.tell(end.host, |peer| peer.closed(end.connection, why));
    }
}

impl Item {
    fn is_of_a_blob(&self) -> bool {
        match &self.what {
            What::Message(bytes) | What::Extra(bytes) => matches!(bytes.first(), Some(3 | 8)),
            What::End => false,
        }
    }

    /// Bytes of a machine's own message.
    fn drained(&self) -> usize {
        match &self.what {
            What::Message(bytes) => bytes.len(),
            What::Extra(_) | What::End => 0,
        }
    }
}

/// Bytes a message takes on a line, headers of the transport included.
fn cost(message: &Bytes, weight: u64) -> u64 {
    const HEADERS: u64 = 40;
    let len = message.len() as u64;
    match message.first() {
        // RESPONSE, PART, and SIGNAL where it carries one of these.
        Some(3 | 8) => HEADERS + len * weight,
        Some(21) if len > 512 => HEADERS + len * weight,
        Some(_) | None => HEADERS + len,
    }
}
