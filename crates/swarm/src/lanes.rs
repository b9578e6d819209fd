//! Lanes: several data channels with one peer, where one is too slow.
//!
//! One channel carries what its own window holds a round trip, and on a path
//! that loses packets that window stays small however wide the path is. How
//! many do better cannot be known beforehand, so it is tried: while a reader
//! waits for a source that is far away and has more to give, it begins several
//! channels more, and keeps them if clearly more comes then. A
//! source that is near is never tried, nor one whose channel is not what bounds
//! it.
//!
//! One channel of a peer is the first, the others are lanes beside it: they
//! carry blobs, and count for nothing else. When the first ends, a lane takes
//! its place.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use samara_core::PeerId;

use crate::Swarm;
use crate::connection::{Carrier, Connection, Meeting, Peer, Scope};
use crate::detour::Leaving;
use crate::face::{ConnectionId, Path, Source, TransferId};
use crate::time::{Millis, Time};

/// A source that answers the handshake sooner is near: one channel fills its
/// path.
const FAR: Millis = Millis(10);

/// One measurement takes so long.
const SPAN: Millis = Millis(1000);
/// How long new channels have to reach their speed before they are measured.
const SETTLE: Millis = Millis(1000);
/// How long they have to come about.
const OPENING: Millis = Millis::seconds(5);

/// Before the next trial after one that failed; doubles each time.
const PAUSE_FIRST: Millis = Millis::seconds(10);
const PAUSE_MOST: Millis = Millis::seconds(10 * 60);

/// Why a lane ends, for a person.
const NOT_NEEDED: &str = "fewer data channels do as well";

/// Peers with more than one channel, and how trials go.
#[derive(Default)]
pub(crate) struct Lanes {
    /// Every channel of a peer that has several.
    channels: BTreeMap<PeerId, Vec<ConnectionId>>,
    pairs: BTreeMap<PeerId, Pair>,
    /// Bytes that came from anybody.
    total: u64,
}

/// What comes from one peer over all channels.
struct Pair {
    trial: Trial,
    /// Channels of the trial.
    fresh: Vec<ConnectionId>,
    /// The measurement under way: since when, and how many bytes came then.
    since: Time,
    bytes: u64,
    total: u64,
    /// Bytes that came from it.
    came: u64,
    /// Bytes a second of the measurement before.
    last: Option<u64>,
    failures: u32,
    try_at: Time,
}

/// How far a trial is.
#[derive(Clone, Copy)]
enum Trial {
    /// There is none: it is measured what comes.
    None,
    /// Channels are begun beside those it had.
    Opening {
        before: Rates,
        had: usize,
        until: Time,
    },
    /// They stand, and reach their speed.
    Settling { before: Rates, until: Time },
    /// It is measured what comes with them.
    Trying { before: Rates },
}

/// Bytes a second, from one peer and from all.
#[derive(Clone, Copy)]
struct Rates {
    pair: u64,
    total: u64,
}

impl Rates {
    /// Whether so many are clearly more, and not only taken from others.
    const fn grew_to(self, now: Self) -> bool {
        let grown = now.pair.saturating_sub(self.pair);
        let all = now.total.saturating_sub(self.total);
        grown >= self.pair / 4 && all >= grown / 2
    }
}

/// A source as it is now.
struct Seen {
    /// How it can be met once more.
    meeting: Option<Meeting>,
    /// Channels that stand.
    open: usize,
    /// All of them owe something, and it has more.
    busy: bool,
    far: bool,
    /// Blobs it has that are wanted, and those asked for.
    has: usize,
    asked: usize,
}

impl Lanes {
    /// Bytes came that were asked for.
    pub(crate) fn count(&mut self, peer: PeerId, bytes: usize) {
        self.total += bytes as u64;
        if let Some(pair) = self.pairs.get_mut(&peer) {
            pair.came += bytes as u64;
        }
    }
}

impl Pair {
    const fn new(now: Time, total: u64) -> Self {
        Self {
            trial: Trial::None,
            fresh: Vec::new(),
            since: now,
            bytes: 0,
            total,
            came: 0,
            last: None,
            failures: 0,
            try_at: now,
        }
    }

    const fn measure_from(&mut self, at: Time, total: u64) {
        (self.since, self.bytes, self.total) = (at, self.came, total);
    }

    /// What was measured, once it took long enough.
    fn measured(&self, now: Time, total: u64) -> Option<Rates> {
        let took = now.since(self.since);
        let rate = |bytes: u64| bytes.saturating_mul(1000) / took.0.max(1);
        (took >= SPAN).then(|| Rates {
            pair: rate(self.came - self.bytes),
            total: rate(total - self.total),
        })
    }

    fn failed(&mut self, now: Time) {
        self.trial = Trial::None;
        self.try_at = now + PAUSE_FIRST.doubled(self.failures, PAUSE_MOST);
        self.failures = (self.failures + 1).min(16);
    }
}

impl Swarm {
    /// A peer's handshake is done: if it has a channel, this one is beside it.
    pub(crate) fn join_lanes(&mut self, id: ConnectionId) {
        let Some(peer) = self.connections.get(&id).and_then(channel) else {
            return;
        };
        let mut connections = self.connections.iter();
        let first = connections.find(|(other, connection)| {
            **other != id && !connection.lane && channel(connection) == Some(peer)
        });
        let Some((first, beside)) = first else {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.lane = false;
            }
            return;
        };
        let first = *first;
        let named = beside.ready().map(|peer| peer.shown.named());
        let scope = match &beside.scope {
            Scope::Only(scope) => scope.clone(),
            Scope::Everything => BTreeSet::new(),
        };
        let channels = self.lanes.channels.entry(peer);
        channels.or_insert_with(|| [first].into()).push(id);
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.lane = true;
        if let Scope::Only(of) = &mut connection.scope {
            of.extend(scope);
        }
        if let (Some(peer), Some(named)) = (connection.ready_mut(), named) {
            peer.shown.name_all(named);
        }
    }

    /// A peer's channel is gone. If it was the first, another takes its place.
    pub(crate) fn leave_lanes(&mut self, id: ConnectionId, gone: &mut Peer, lane: bool) {
        let Some(channels) = self.lanes.channels.get_mut(&gone.id) else {
            return;
        };
        channels.retain(|other| *other != id);
        let first = if lane {
            let first = channels.iter().find(|id| {
                let connection = self.connections.get(id);
                connection.is_some_and(|connection| !connection.lane)
            });
            first.copied()
        } else {
            let leaves = |id: &&ConnectionId| {
                let peer = self.connections.get(id).and_then(Connection::ready);
                peer.is_none_or(|peer| peer.leaving.is_some())
            };
            channels.iter().min_by_key(leaves).copied()
        };
        let left = channels.clone();
        if left.len() < 2 {
            self.lanes.channels.remove(&gone.id);
        }
        let Some(first) = first else {
            return;
        };
        if let Some(connection) = self.connections.get_mut(&first) {
            connection.lane = false;
            if let Some(peer) = connection.ready_mut() {
                for (transfer, bytes) in core::mem::take(&mut gone.asking.gave) {
                    *peer.asking.gave.entry(transfer).or_default() += bytes;
                }
                if !lane {
                    for blob in peer.asking.has.keys() {
                        self.wanted.gain_holder(blob);
                    }
                }
            }
        }
        // It may have waited for them all.
        for id in left {
            self.wait_again(id);
        }
    }

    /// Whether a peer has as many channels as it may have. One more is for a
    /// peer that comes from another address before the old ones ended.
    pub(crate) fn has_all_lanes(&self, new: ConnectionId, peer: &Peer) -> bool {
        let most = self.config.limits.channels;
        let channels = self.lanes.channels.get(&peer.id);
        let met = self.connections.get(&new).map(Connection::meeting);
        met.flatten().is_some() && channels.is_some_and(|channels| channels.len() > most)
    }

    /// The channels of a connection's peer, from behind this one on; empty if
    /// it is the only one.
    pub(crate) fn siblings(&self, id: ConnectionId) -> impl Iterator<Item = ConnectionId> {
        let peer = self.connections.get(&id).and_then(Connection::ready);
        let channels = peer.and_then(|peer| self.lanes.channels.get(&peer.id));
        let channels = channels.map_or(&[][..], Vec::as_slice);
        let at = channels.iter().position(|other| *other == id);
        let (before, behind) = channels.split_at(at.unwrap_or_default());
        let others = behind.iter().chain(before).copied();
        others.filter(move |other| *other != id)
    }

    /// Transfers whose holdings are shown on the channel that a lane is beside:
    /// nothing else need be said of them on the lane.
    pub(crate) fn shown_beside(&self, id: ConnectionId) -> Vec<TransferId> {
        if !self.connections.get(&id).is_some_and(|c| c.lane) {
            return Vec::new();
        }
        let siblings = self.siblings(id).filter_map(|id| self.connections.get(&id));
        let first = siblings.filter(|connection| !connection.lane);
        let first = first.filter_map(Connection::ready);
        first.flat_map(|peer| peer.shown.mutual()).collect()
    }

    /// Sources with the lanes of each as one.
    pub(crate) fn united(&self, sources: impl Iterator<Item = Source>) -> Vec<Source> {
        let mut united: Vec<Source> = Vec::new();
        for source in sources {
            if !self.lanes.channels.contains_key(&source.peer) {
                united.push(source);
                continue;
            }
            let same = |of: &&mut Source| (of.peer, of.path) == (source.peer, source.path);
            match united.iter_mut().find(same) {
                None => united.push(source),
                Some(of) => {
                    of.channels += source.channels;
                    of.bytes += source.bytes;
                    of.rate += source.rate;
                    of.sent += source.sent;
                    of.requests += source.requests;
                    of.round_trip = match (of.round_trip, source.round_trip) {
                        (Some(one), Some(other)) => Some(one.min(other)),
                        (one, other) => one.or(other),
                    };
                }
            }
        }
        united
    }

    /// Measures, begins and ends trials.
    pub(crate) fn run_lanes(&mut self) {
        self.end_idle_lanes();
        if self.config.limits.channels < 2 {
            return;
        }
        let seen = self.seen();
        self.lanes.pairs.retain(|peer, _| seen.contains_key(peer));
        for (peer, seen) in seen {
            self.run_pair(peer, &seen);
        }
    }

    fn run_pair(&mut self, peer: PeerId, seen: &Seen) {
        let (now, total) = (self.now, self.lanes.total);
        let mut pairs = self.lanes.pairs.values();
        let alone = pairs.all(|pair| matches!(pair.trial, Trial::None));
        let dialing = self.lanes.pairs.get(&peer).map(|pair| self.dialing(pair));
        let most = self.config.limits.channels;
        let pair = self.lanes.pairs.entry(peer);
        let pair = pair.or_insert_with(|| Pair::new(now, total));
        match pair.trial {
            // What comes now says nothing.
            Trial::None | Trial::Trying { .. } if !seen.busy => pair.measure_from(now, total),
            Trial::None => {
                let Some(before) = pair.measured(now, total) else {
                    return;
                };
                pair.measure_from(now, total);
                // A channel that has just begun speeds up by itself.
                let last = pair.last.replace(before.pair);
                if last.is_none_or(|last| before.pair > last + last / 2) {
                    return;
                }
                let more = next(seen.open, most) - seen.open;
                if let Some(meeting) = seen.meeting
                    && seen.far
                    && alone
                    && pair.try_at <= now
                    && more > 0
                {
                    let (until, had) = (now + OPENING, seen.open);
                    pair.trial = Trial::Opening { before, had, until };
                    self.begin_lanes(peer, meeting, more);
                }
            }
            Trial::Opening { until, .. } if dialing > Some(0) && now < until => {}
            Trial::Opening { before, had, .. } => {
                if seen.open > had {
                    let until = now + SETTLE;
                    pair.trial = Trial::Settling { before, until };
                } else {
                    pair.failed(now);
                }
                self.end_fresh(peer, |connection| connection.ready().is_none());
            }
            Trial::Settling { until, .. } if now < until => {}
            Trial::Settling { before, .. } => {
                pair.trial = Trial::Trying { before };
                pair.measure_from(now, total);
            }
            Trial::Trying { before } => {
                let Some(rates) = pair.measured(now, total) else {
                    return;
                };
                pair.measure_from(now, total);
                if before.grew_to(rates) {
                    pair.trial = Trial::None;
                    pair.failures = 0;
                    pair.fresh.clear();
                } else {
                    pair.failed(now);
                    self.end_fresh(peer, |_| true);
                }
            }
        }
    }

    /// Channels of a trial that are in the making.
    fn dialing(&self, pair: &Pair) -> usize {
        let fresh = pair.fresh.iter().filter_map(|id| self.connections.get(id));
        fresh
            .filter(|connection| connection.ready().is_none())
            .count()
    }

    fn begin_lanes(&mut self, peer: PeerId, like: Meeting, count: usize) {
        let Meeting {
            relay,
            topic,
            member,
            ..
        } = like;
        for _ in 0..count {
            let Some(id) = self.begin_meeting(relay, topic, member, true) else {
                return;
            };
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.lane = true;
            }
            if let Some(pair) = self.lanes.pairs.get_mut(&peer) {
                pair.fresh.push(id);
            }
        }
    }

    /// Ends channels of a trial: what stands takes what was asked there first.
    fn end_fresh(&mut self, peer: PeerId, which: impl Fn(&Connection) -> bool) {
        let Some(pair) = self.lanes.pairs.get_mut(&peer) else {
            return;
        };
        let connections = &self.connections;
        let ends = |id: &mut ConnectionId| connections.get(id).is_none_or(&which);
        let ended: Vec<_> = pair.fresh.extract_if(.., ends).collect();
        let since = self.now;
        for id in ended {
            let Some(peer) = self.peer_mut(id) else {
                self.close(id, NOT_NEEDED);
                continue;
            };
            peer.leaving = Some(Leaving::ending(since));
            let requests = peer.asking.requests.iter();
            let waiting = requests.filter(|(_, asked)| !asked.has_begun());
            for request in waiting.map(|(request, _)| *request).collect::<Vec<_>>() {
                self.cancel(id, request);
            }
        }
        self.ask_all();
    }

    /// Ends lanes that were begun here once nothing is to be had by them.
    fn end_idle_lanes(&mut self) {
        let channels = self.lanes.channels.values().flatten();
        let idle = channels.filter(|id| {
            let connection = self.connections.get(id);
            connection.is_some_and(|connection| {
                let began = connection.meeting().is_some_and(|meeting| meeting.began);
                connection.lane && began && connection.ready().is_some_and(Peer::is_idle)
            })
        });
        let idle = idle.filter(|id| {
            // What it holds may not have been said yet.
            let ready = self.connections.get(id).and_then(Connection::ready);
            ready.is_some_and(|peer| peer.since + OPENING <= self.now)
        });
        for id in idle.copied().collect::<Vec<_>>() {
            self.close(id, NOT_NEEDED);
        }
    }

    /// Every source by data channels.
    fn seen(&self) -> BTreeMap<PeerId, Seen> {
        let mut all: BTreeMap<PeerId, Seen> = BTreeMap::new();
        for connection in self.connections.values() {
            let (Some(id), Some(peer)) = (channel(connection), connection.ready()) else {
                continue;
            };
            let asking = &peer.asking;
            if peer.leaving.is_some() || asking.has.is_empty() && asking.requests.is_empty() {
                continue;
            }
            let seen = all.entry(id).or_insert(Seen {
                meeting: None,
                open: 0,
                busy: !self.asks_wait,
                far: true,
                has: 0,
                asked: 0,
            });
            seen.open += 1;
            seen.busy &= !asking.requests.is_empty();
            let round = peer.greeted_in.or(asking.pace.round_trip());
            seen.far &= round.is_none_or(|round| round >= FAR);
            seen.has = seen.has.max(asking.has.len());
            seen.asked += asking.requests.len();
            let meeting = connection.meeting().copied();
            seen.meeting = seen.meeting.or(meeting.filter(|of| self.may_meet(of)));
        }
        for seen in all.values_mut() {
            seen.busy &= seen.has > seen.asked;
        }
        all
    }

    /// Whether the peer of a meeting can be met there once more.
    fn may_meet(&self, meeting: &Meeting) -> bool {
        let room = self.rooms.get(&(meeting.relay, meeting.topic));
        room.is_some_and(|room| room.members.contains_key(&meeting.member))
    }
}

/// How many channels to try where there are so many: half of the most, then
/// all. One more would not show against how much the rate of a path that loses
/// packets varies by itself.
fn next(open: usize, most: usize) -> usize {
    if open < most / 2 {
        most / 2
    } else {
        most.max(open)
    }
}

/// Whose data channel a connection is, if it is one that stands.
fn channel(connection: &Connection) -> Option<PeerId> {
    let peer = connection.ready()?;
    let met = connection.meeting().is_some() && connection.carrier == Carrier::Driver;
    (met && peer.path == Path::WebRtc).then_some(peer.id)
}
