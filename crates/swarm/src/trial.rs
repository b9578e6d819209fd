//! Trials: how many data channels to have with a source.
//!
//! One channel carries what its own window holds a round trip, and on a path
//! that loses packets that window stays small however wide the path is. How
//! many do better cannot be known beforehand, so it is tried: while a reader
//! waits for a source that is far away and has more to give, it begins several
//! channels more, and keeps them if clearly more comes then. A source that is
//! near is never tried, nor one whose channel is not what bounds it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use samara_core::PeerId;

use crate::Swarm;
use crate::connection::{Connection, Meeting};
use crate::detour::Leaving;
use crate::face::ConnectionId;
use crate::lanes::{NOT_NEEDED, OPENING, channel};
use crate::time::{Millis, Time};

/// A source that answers the handshake sooner is near: one channel fills its
/// path.
const FAR: Millis = Millis(20);

/// Between two looks at what comes. A rate that grows by less than a quarter
/// meanwhile, and does not fall to half, has settled.
const LOOK: Millis = Millis(250);
/// How long new channels have to reach their speed before they are measured.
const SETTLE: Millis = Millis(1000);
/// How long they are measured.
const SPAN: Millis = Millis(1000);
/// How long it may take until they can be: others wait for their trials.
const GIVE_UP: Millis = Millis::seconds(5);

/// Before the next trial after one that failed; doubles each time.
const PAUSE_FIRST: Millis = Millis::seconds(10);
const PAUSE_MOST: Millis = Millis::seconds(10 * 60);

/// How trials go.
#[derive(Default)]
pub(crate) struct Trials {
    pairs: BTreeMap<PeerId, Pair>,
    /// Bytes that came from anybody.
    total: u64,
    look_at: Time,
}

/// What comes from one peer over all channels.
struct Pair {
    stage: Stage,
    /// Channels of the trial.
    fresh: Vec<ConnectionId>,
    /// Where the measurement under way began.
    since: Mark,
    /// Bytes that came from it.
    came: u64,
    /// What the measurement before found, and where that began.
    last: Option<(Rates, Mark)>,
    failures: u32,
    try_at: Time,
    /// It answered a handshake sooner than a far one could.
    near: bool,
}

/// A moment, and how many bytes had come by then from one peer and from all.
#[derive(Clone, Copy)]
struct Mark {
    at: Time,
    came: u64,
    total: u64,
}

/// How far a trial is.
#[derive(Clone, Copy)]
enum Stage {
    /// There is none: it is measured what comes.
    Watching,
    /// Channels are begun beside those it had, which are measured on until the
    /// first new one stands.
    Opening {
        from: Mark,
        before: Rates,
        had: usize,
        until: Time,
    },
    /// They stand, and reach their speed.
    Settling { before: Rates, until: Time },
    /// It is measured what comes with them, if enough is asked for by then.
    Trying { before: Rates, until: Time },
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

impl Trials {
    /// Bytes came that were asked for.
    pub(crate) fn count(&mut self, peer: PeerId, bytes: usize) {
        self.total += bytes as u64;
        if let Some(pair) = self.pairs.get_mut(&peer) {
            pair.came += bytes as u64;
        }
    }

    /// Whether none is under way: what one peer's channels gain shows only
    /// while the others stay as they are.
    fn is_quiet(&self) -> bool {
        let mut pairs = self.pairs.values();
        pairs.all(|pair| matches!(pair.stage, Stage::Watching))
    }
}

impl Pair {
    const fn new(now: Time, total: u64) -> Self {
        Self {
            stage: Stage::Watching,
            fresh: Vec::new(),
            since: Mark {
                at: now,
                came: 0,
                total,
            },
            came: 0,
            last: None,
            failures: 0,
            try_at: now,
            near: false,
        }
    }

    const fn mark(&self, at: Time, total: u64) -> Mark {
        let came = self.came;
        Mark { at, came, total }
    }

    /// What came a second since then.
    fn rates(&self, from: Mark, now: Time, total: u64) -> Rates {
        let took = now.since(from.at).0.max(1);
        let rate = |bytes: u64| bytes.saturating_mul(1000) / took;
        Rates {
            pair: rate(self.came - from.came),
            total: rate(total - from.total),
        }
    }

    /// What was measured and from when on, once it took long enough; the next
    /// measurement begins then.
    fn measured(&mut self, now: Time, total: u64, span: Millis) -> Option<(Rates, Mark)> {
        let from = self.since;
        if now.since(from.at) < span {
            return None;
        }
        self.since = self.mark(now, total);
        Some((self.rates(from, now, total), from))
    }

    /// Since when what comes has settled, if it has: a channel that has just
    /// begun speeds up by itself.
    fn settled(&mut self, now: Time, total: u64) -> Option<Mark> {
        let (rates, from) = self.measured(now, total, LOOK)?;
        let (last, before) = self.last.replace((rates, from))?;
        let grows = rates.pair > last.pair + last.pair / 4;
        let stalls = last.pair == 0 || rates.pair < last.pair / 2;
        (!grows && !stalls).then_some(before)
    }

    fn failed(&mut self, now: Time) {
        self.stage = Stage::Watching;
        self.try_at = now + PAUSE_FIRST.doubled(self.failures, PAUSE_MOST);
        self.failures = (self.failures + 1).min(16);
    }
}

impl Swarm {
    /// Measures, begins and ends trials.
    pub(crate) fn run_trials(&mut self) {
        if self.trials.look_at <= self.now {
            self.trials.look_at = self.now + LOOK;
            self.end_idle_lanes();
            if self.config.limits.channels > 1 {
                self.look();
            }
        }
        if !self.trials.pairs.is_empty() {
            self.arm(self.trials.look_at);
        }
    }

    fn look(&mut self) {
        let seen = self.seen();
        let pairs = self.trials.pairs.keys().copied();
        let gone: Vec<_> = pairs.filter(|peer| !seen.contains_key(peer)).collect();
        for peer in gone {
            // Channels of a trial that nobody ends any more.
            self.end_fresh(peer, |_| true);
            self.trials.pairs.remove(&peer);
        }
        for (peer, seen) in seen {
            self.run_pair(peer, &seen);
        }
    }

    fn run_pair(&mut self, peer: PeerId, seen: &Seen) {
        let (now, total) = (self.now, self.trials.total);
        let quiet = self.trials.is_quiet();
        let opening = self.trials.pairs.get(&peer).map(|pair| self.opening(pair));
        let pair = self.trials.pairs.entry(peer);
        let pair = pair.or_insert_with(|| Pair::new(now, total));
        // Each new channel tells it anew, and a busy machine is late sometimes.
        pair.near |= !seen.far;
        match pair.stage {
            Stage::Watching if pair.near => {}
            _ if pair.near => {
                pair.failed(now);
                self.end_fresh(peer, |_| true);
            }
            // What comes now says nothing.
            Stage::Trying { until, .. } if !seen.busy && until <= now => {
                pair.failed(now);
                self.end_fresh(peer, |_| true);
            }
            Stage::Watching | Stage::Trying { .. } if !seen.busy => {
                pair.since = pair.mark(now, total);
            }
            Stage::Watching => {
                if let Some(from) = pair.settled(now, total)
                    && pair.try_at <= now
                    && quiet
                {
                    self.try_more(peer, seen, from);
                }
            }
            Stage::Opening {
                from, had, until, ..
            } if opening > Some(0) && now < until => {
                if seen.open == had {
                    let before = pair.rates(from, now, total);
                    pair.stage = Stage::Opening {
                        from,
                        before,
                        had,
                        until,
                    };
                }
            }
            Stage::Opening { before, had, .. } if seen.open > had => {
                let until = now + SETTLE;
                pair.stage = Stage::Settling { before, until };
                self.end_fresh(peer, |connection| !is_of_use(connection));
            }
            Stage::Opening { .. } => {
                pair.failed(now);
                self.end_fresh(peer, |_| true);
            }
            Stage::Settling { until, .. } if now < until => {}
            Stage::Settling { before, .. } => {
                let until = now + GIVE_UP;
                pair.stage = Stage::Trying { before, until };
                pair.since = pair.mark(now, total);
            }
            Stage::Trying { before, .. } => {
                let Some((rates, from)) = pair.measured(now, total, SPAN) else {
                    return;
                };
                if before.grew_to(rates) {
                    pair.stage = Stage::Watching;
                    pair.failures = 0;
                    pair.fresh.clear();
                    self.try_more(peer, seen, from);
                } else {
                    pair.failed(now);
                    self.end_fresh(peer, |_| true);
                }
            }
        }
    }

    /// Channels of a trial that are in the making, or have not been told yet
    /// what the peer holds.
    fn opening(&self, pair: &Pair) -> usize {
        let fresh = pair.fresh.iter().filter_map(|id| self.connections.get(id));
        fresh.filter(|connection| !is_of_use(connection)).count()
    }

    /// Begins more channels with a source, if it may have more; what came since
    /// `from` is what they are measured against.
    fn try_more(&mut self, peer: PeerId, seen: &Seen, from: Mark) {
        let had = seen.open;
        let more = next(had, self.config.limits.channels) - had;
        let (Some(meeting), true) = (seen.meeting, more > 0) else {
            return;
        };
        let (now, total) = (self.now, self.trials.total);
        let until = now + OPENING;
        let begun: Vec<_> = (0..more).map_while(|_| self.begin_lane(&meeting)).collect();
        if let Some(pair) = self.trials.pairs.get_mut(&peer) {
            pair.stage = Stage::Opening {
                from,
                before: pair.rates(from, now, total),
                had,
                until,
            };
            pair.fresh = begun;
        }
    }

    fn begin_lane(&mut self, like: &Meeting) -> Option<ConnectionId> {
        let id = self.begin_meeting(like.relay, like.topic, like.member, true)?;
        self.connections.get_mut(&id)?.lane = true;
        Some(id)
    }

    /// Ends channels of a trial: what stands takes what was asked there first.
    fn end_fresh(&mut self, peer: PeerId, which: impl Fn(&Connection) -> bool) {
        let Some(pair) = self.trials.pairs.get_mut(&peer) else {
            return;
        };
        let connections = &self.connections;
        let ends = |id: &mut ConnectionId| connections.get(id).is_none_or(&which);
        let ended: Vec<_> = pair.fresh.extract_if(.., ends).collect();
        if ended.is_empty() {
            return;
        }
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

    /// Every source by data channels.
    fn seen(&self) -> BTreeMap<PeerId, Seen> {
        let mut all: BTreeMap<PeerId, Seen> = BTreeMap::new();
        for connection in self.connections.values() {
            let (Some(id), Some(peer)) = (channel(connection), connection.ready()) else {
                continue;
            };
            let asking = &peer.asking;
            if peer.leaving.is_some() || !is_of_use(connection) {
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

/// Whether something is to be had by a connection.
fn is_of_use(connection: &Connection) -> bool {
    let asking = connection.ready().map(|peer| &peer.asking);
    asking.is_some_and(|asking| !asking.has.is_empty() || !asking.requests.is_empty())
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
