//! Circuits where a data channel would be better: why there is one, when a
//! channel is tried again, and how it takes over.
//!
//! A circuit is opened as soon as a channel failed, or takes long. While it
//! lasts, whoever began it tries a channel now and then. Once there is one,
//! nothing more is asked through the circuit; it ends when what was asked
//! through it is answered, so that no blob is asked for twice.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use samara_core::message::{PeerId, Reach};
use samara_core::{MemberId, Topic};

use crate::Swarm;
use crate::connection::{Carrier, Connection, Meeting, Origin, Peer, Scope, Stage};
use crate::face::{ConnectionId, Detour, Pair, Path};
use crate::time::{Millis, Time};

/// How long a data channel may take before a circuit is opened beside it.
const SLOW: Millis = Millis::seconds(5);

/// First wait before a data channel is tried again; doubles each time.
const AGAIN_FIRST: Millis = Millis::seconds(30);
/// Longest wait before a data channel is tried again.
const AGAIN_MOST: Millis = Millis::seconds(10 * 60);

/// A source that left its room, owes something and is silent for so long seems
/// dead.
const SILENT: Millis = Millis::seconds(3);

/// Between two looks at a connection that is to end.
const LOOK: Millis = Millis(250);
/// For how long it stays at least: the other side may have asked for something
/// before it knew.
const LEAVE_LEAST: Millis = Millis::seconds(1);
/// For how long it stays at most.
const LEAVE_MOST: Millis = Millis::seconds(60);
/// The same where the other side should have ended it.
const LEAVE_LONGEST: Millis = Millis::seconds(120);

/// A connection that is to end because there is a better one.
pub(crate) struct Leaving {
    since: Time,
    /// Whether this side ends it: the one that began the better one does.
    ends: bool,
}

/// How data channels to a member of a room went.
pub(crate) struct Direct {
    /// Why there is none.
    why: Option<Detour>,
    /// The other side said something about the last one.
    answered: bool,
    failures: u32,
    again_at: Time,
}

impl Direct {
    pub(crate) const fn new() -> Self {
        Self {
            why: None,
            answered: false,
            failures: 0,
            again_at: Time(0),
        }
    }

    /// A data channel did not come about; `began` if this side offered it.
    pub(crate) fn fail(&mut self, now: Time, began: bool) {
        self.why = Some(if self.answered || !began {
            Detour::NoWay
        } else {
            Detour::Unanswered
        });
        self.answered = false;
        self.again_at = now + AGAIN_FIRST.doubled(self.failures, AGAIN_MOST);
        self.failures = (self.failures + 1).min(16);
    }

    /// Something changed: it may come about now.
    const fn hope(&mut self, now: Time) {
        self.failures = 0;
        self.again_at = now;
    }
}

impl Leaving {
    /// This side ends it.
    pub(crate) const fn ending(since: Time) -> Self {
        Self { since, ends: true }
    }
}

impl Swarm {
    /// The driver knows what a data channel goes through.
    pub(crate) fn on_selected(&mut self, id: ConnectionId, pair: Pair) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.pair = Some(pair);
        }
    }

    /// Why a connection is not direct.
    pub(crate) fn detour_of(&self, connection: &Connection) -> Option<Detour> {
        // ICE takes a TURN server only where nothing else came through.
        if connection.pair == Some(Pair::Turn) {
            return Some(Detour::NoWay);
        }
        let meeting = connection.meeting()?;
        if connection.carrier != Carrier::Circuit {
            return None;
        }
        if !self.config.webrtc {
            return Some(Detour::OffHere);
        }
        let room = self.rooms.get(&(meeting.relay, meeting.topic))?;
        let member = room.members.get(&meeting.member)?;
        if !member.reach.contains(Reach::WEBRTC) {
            return Some(Detour::OffThere);
        }
        let tried = self.is_tried(meeting).then_some(Detour::Slow);
        member.direct.why.or(tried)
    }

    /// The other side of a data channel in the making said something.
    pub(crate) fn on_answered(&mut self, relay: ConnectionId, topic: Topic, member: MemberId) {
        let room = self.rooms.get_mut(&(relay, topic));
        if let Some(member) = room.and_then(|room| room.members.get_mut(&member)) {
            member.direct.answered = true;
        }
    }

    /// Data channels may come about that did not: servers that help are known,
    /// or this machine is elsewhere.
    pub(crate) fn look_again(&mut self) {
        let now = self.now;
        let members = self.rooms.values_mut();
        for member in members.flat_map(|room| room.members.values_mut()) {
            member.direct.hope(now);
        }
        self.arm(now);
    }

    /// This machine is elsewhere, or seen from elsewhere. What hangs on an
    /// address that it `lost` is dead, and nobody would say so.
    pub(crate) fn on_moved(&mut self, lost: bool) {
        self.look_again();
        if !lost {
            return;
        }
        self.redial_kept();
        let dead = self.connections.iter().filter(|(_, connection)| {
            let own = connection.carrier == Carrier::Driver;
            own && !matches!(connection.origin, Origin::Accepted)
        });
        for id in dead.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.close(id, "this machine has another address now");
        }
    }

    /// A peer's handshake is done: worse connections to it are to end.
    pub(crate) fn take_over(&mut self, new: ConnectionId) {
        let Some(connection) = self.connections.get(&new) else {
            return;
        };
        let (Some(meeting), Some(peer)) = (connection.meeting().copied(), connection.ready())
        else {
            return;
        };
        let (id, path) = (peer.id, peer.path);
        if path == Path::WebRtc {
            let room = self.rooms.get_mut(&(meeting.relay, meeting.topic));
            if let Some(member) = room.and_then(|room| room.members.get_mut(&meeting.member)) {
                member.on_direct();
            }
        }
        let since = self.now;
        let dead = self.connections.iter().filter(|(other, connection)| {
            let same = connection.ready().is_some_and(|peer| peer.id == id);
            same && **other != new && self.seems_dead(connection)
        });
        for other in dead.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.close(other, "the peer came from another address");
        }
        // The two are connected for all that they met for.
        let mut purposes = BTreeSet::new();
        for connection in self.connections.values_mut() {
            let worse = connection.meeting().is_some()
                && connection
                    .ready()
                    .is_some_and(|peer| peer.id == id && peer.path > path);
            if !worse {
                continue;
            }
            if let Scope::Only(scope) = &connection.scope {
                purposes.extend(scope.iter().copied());
            }
            let ends = meeting.began;
            if let Some(peer) = connection.ready_mut() {
                peer.leaving.get_or_insert(Leaving { since, ends });
            }
        }
        if purposes.is_empty() {
            return;
        }
        self.arm(since + LOOK);
        let scope = self.connections.get_mut(&new).map(|new| &mut new.scope);
        if let Some(Scope::Only(scope)) = scope {
            scope.extend(purposes);
        }
    }

    /// A peer is gone from one connection: others to it are of use again.
    pub(crate) fn give_back(&mut self, gone: &Peer) {
        let stays = |peer: &mut Peer| peer.leaving.is_none() && peer.path <= gone.path;
        if gone.leaving.is_none() && !self.met_as(gone.id).any(stays) {
            for peer in self.met_as(gone.id) {
                peer.leaving = None;
            }
        }
    }

    /// A peer on each connection to it through a room.
    fn met_as(&mut self, id: PeerId) -> impl Iterator<Item = &mut Peer> {
        let met = self.connections.values_mut().filter_map(move |connection| {
            connection.meeting()?;
            connection.ready_mut()
        });
        met.filter(move |peer| peer.id == id)
    }

    /// Ends what is to end, opens circuits beside channels that take long, and
    /// tries channels beside circuits.
    pub(crate) fn run_detours(&mut self) {
        self.run_leaving();
        let (mut slow, mut again, mut next) = (Vec::new(), Vec::new(), Vec::new());
        for connection in self.connections.values() {
            let Some(meeting) = connection.meeting().filter(|meeting| meeting.began) else {
                continue;
            };
            if !self.is_needed(meeting.topic) || connection.lane {
                continue;
            }
            match (&connection.stage, connection.carrier) {
                (Stage::Dialing { until }, Carrier::Driver) => {
                    let began = Time(until.0.saturating_sub(self.config.limits.dial.0));
                    let room = self.rooms.get(&(meeting.relay, meeting.topic));
                    let member = room.and_then(|room| room.members.get(&meeting.member));
                    // A circuit that failed is not tried again at once either.
                    let retry_at = member.map_or(began, |member| member.retry_at);
                    let at = retry_at.max(began + SLOW);
                    if self.has_circuit(meeting) {
                        // Nothing is to be done.
                    } else if at > self.now {
                        next.push(at);
                    } else {
                        slow.push(*meeting);
                    }
                }
                (Stage::Ready(peer), Carrier::Circuit) if peer.leaving.is_none() => {
                    match self.again_at(meeting) {
                        Some(at) if at > self.now => next.push(at),
                        Some(_) => again.push(*meeting),
                        None => {}
                    }
                }
                (Stage::Dialing { .. } | Stage::Greeting { .. } | Stage::Ready(_), _) => {}
            }
        }
        for at in next {
            self.arm(at);
        }
        for Meeting {
            relay,
            topic,
            member,
            ..
        } in slow
        {
            self.begin_meeting(relay, topic, member, false);
        }
        for Meeting {
            relay,
            topic,
            member,
            ..
        } in again
        {
            self.begin_meeting(relay, topic, member, true);
        }
    }

    fn run_leaving(&mut self) {
        let now = self.now;
        let (mut over, mut waits) = (Vec::new(), false);
        for (id, connection) in &self.connections {
            let Some(peer) = connection.ready() else {
                continue;
            };
            let Some(leaving) = &peer.leaving else {
                continue;
            };
            let stays = now.since(leaving.since);
            let most = if leaving.ends {
                LEAVE_MOST
            } else {
                LEAVE_LONGEST
            };
            let done = leaving.ends
                && peer.owes_nothing()
                && connection.queued == 0
                && stays >= LEAVE_LEAST;
            if done || stays >= most {
                over.push(*id);
            } else {
                waits = true;
            }
        }
        if waits {
            self.arm(now + LOOK);
        }
        for id in over {
            self.close(id, "connected in a better way");
        }
    }

    /// Whether something is missing of a topic's file.
    fn is_needed(&self, topic: Topic) -> bool {
        let transfer = self.transfer_of(topic);
        let transfer = transfer.and_then(|id| self.transfers.get(&id));
        transfer.is_some_and(|transfer| transfer.is_incomplete() && !transfer.paused)
    }

    /// Whether the peer of a data channel left the room where it was met, owes
    /// something and has not been heard of for a while.
    pub(crate) fn seems_dead(&self, connection: &Connection) -> bool {
        let Some(peer) = connection.ready() else {
            return false;
        };
        let owes = peer.path == Path::WebRtc && !peer.asking.requests.is_empty();
        let silent = self.now.since(peer.asking.last_heard) >= SILENT;
        owes && silent && self.has_left(connection)
    }

    /// Whether a peer left the room where it was met.
    pub(crate) fn has_left(&self, connection: &Connection) -> bool {
        connection.meeting().is_some_and(|meeting| {
            let room = self.rooms.get(&(meeting.relay, meeting.topic));
            room.is_some_and(|room| !room.members.contains_key(&meeting.member))
        })
    }

    /// When to try a data channel beside a circuit; `None` if there is none to
    /// try, or it is being tried.
    fn again_at(&self, circuit: &Meeting) -> Option<Time> {
        if !self.config.webrtc || self.is_tried(circuit) {
            return None;
        }
        let room = self.rooms.get(&(circuit.relay, circuit.topic))?;
        let member = room.members.get(&circuit.member)?;
        let reaches = member.reach.contains(Reach::WEBRTC);
        reaches.then_some(member.direct.again_at)
    }

    fn is_tried(&self, circuit: &Meeting) -> bool {
        self.is_met(circuit, Carrier::Driver)
    }

    fn has_circuit(&self, channel: &Meeting) -> bool {
        self.is_met(channel, Carrier::Circuit)
    }

    /// Whether there is a data channel to a member.
    pub(crate) fn has_channel(&self, like: &Meeting) -> bool {
        self.is_met(like, Carrier::Driver)
    }

    fn is_met(&self, like: &Meeting, carrier: Carrier) -> bool {
        self.connections.values().any(|connection| {
            let same = |meeting: &Meeting| {
                (meeting.relay, meeting.topic, meeting.member)
                    == (like.relay, like.topic, like.member)
            };
            connection.carrier == carrier && connection.meeting().is_some_and(same)
        })
    }
}

impl Peer {
    /// Whether nothing is on its way to or from it that was asked for.
    fn owes_nothing(&self) -> bool {
        self.asking.requests.is_empty() && self.serving.is_idle()
    }
}
