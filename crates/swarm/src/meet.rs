//! Meeting: rooms on relays, and whom of a room to meet.
//!
//! A relay says who is in a room; this side picks whom to meet and how: a
//! data channel where both can, else a circuit through the relay. Whoever
//! misses blobs begins, so two complete seeders leave each other alone.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use rand_core::Rng as _;
use samara_core::message::{Features, Reach};
use samara_core::{MemberId, Message, PeerId, Topic};

use crate::Swarm;
use crate::connection::{Carrier, Connection, Meeting, Origin, Peer, Scope, Stage};
use crate::detour::Direct;
use crate::face::{Address, Cause, ConnectionId, Output, Path, TransferId};
use crate::greet::UNEXPECTED;
use crate::lanes;
use crate::time::{Millis, Time};

/// First wait before trying a member again; doubles each time.
const RETRY_FIRST: Millis = Millis::seconds(2);
/// Longest wait before trying a member again.
const RETRY_MOST: Millis = Millis::seconds(60);

/// Between two members left for others.
const SWAP: Millis = Millis::seconds(2);
/// For how long a member may have nothing before it is left for another.
const IDLE: Millis = Millis::seconds(10);

/// One topic's room on one relay.
pub(crate) struct Room {
    pub(crate) you: MemberId,
    pub(crate) members: BTreeMap<MemberId, Member>,
}

impl Room {
    /// Members known here.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }
}

/// Somebody else in a room.
pub(crate) struct Member {
    pub(crate) reach: Reach,
    /// Which peer it turned out to be.
    known: Option<PeerId>,
    /// Data channels to this member do not come about.
    direct_failed: bool,
    pub(crate) direct: Direct,
    failures: u32,
    pub(crate) retry_at: Time,
}

impl Member {
    const fn new(reach: Reach) -> Self {
        Self {
            reach,
            known: None,
            direct_failed: false,
            direct: Direct::new(),
            failures: 0,
            retry_at: Time(0),
        }
    }

    const fn may_be_direct(&self) -> bool {
        self.reach.contains(Reach::WEBRTC) && !self.direct_failed
    }

    /// A data channel came about.
    pub(crate) const fn on_direct(&mut self) {
        self.direct_failed = false;
        self.direct = Direct::new();
    }
}

impl Swarm {
    fn own_reach(&self) -> Reach {
        if self.config.webrtc {
            Reach::WEBRTC
        } else {
            Reach::default()
        }
    }

    /// Enters the rooms of all transfers on a relay.
    pub(crate) fn join_rooms(&mut self, relay: ConnectionId) {
        let mut topics: Vec<_> = self.transfers.values().map(|t| t.topic).collect();
        topics.sort_unstable();
        topics.dedup();
        let reach = self.own_reach();
        for topic in topics {
            self.send(relay, &Message::Join { topic, reach });
        }
    }

    /// Enters one transfer's room on all relays.
    pub(crate) fn join_topic(&mut self, transfer: TransferId) {
        let Some(topic) = self.transfers.get(&transfer).map(|t| t.topic) else {
            return;
        };
        let reach = self.own_reach();
        for relay in self.relays() {
            if !self.rooms.contains_key(&(relay, topic)) {
                self.send(relay, &Message::Join { topic, reach });
            }
        }
        self.meet_all();
    }

    pub(crate) fn leave_topic(&mut self, topic: Topic) {
        for relay in self.relays() {
            self.rooms.remove(&(relay, topic));
            self.send(relay, &Message::Leave { topic });
        }
        let met = self.connections.iter().filter(|(_, connection)| {
            connection
                .meeting()
                .is_some_and(|meeting| meeting.topic == topic)
        });
        for id in met.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.close(id, "the transfer was dropped");
        }
    }

    fn relays(&self) -> Vec<ConnectionId> {
        let connections = self.connections.iter();
        let relays = connections.filter(|(_, connection)| connection.ready().is_some_and(is_relay));
        relays.map(|(id, _)| *id).collect()
    }

    pub(crate) fn on_members(
        &mut self,
        relay: ConnectionId,
        topic: Topic,
        you: MemberId,
        members: Vec<(MemberId, Reach)>,
    ) {
        if !self.check_relay(relay) || self.transfer_of(topic).is_none() {
            return;
        }
        let most = self.config.limits.members_per_room;
        let room = self.rooms.remove(&(relay, topic));
        // What is known of members stays known, or a relay that says it again
        // would have whoever failed met again at once.
        let mut known = room.map(|room| room.members).unwrap_or_default();
        let others = members.into_iter().take(most);
        let others = others.filter(|(member, _)| *member != you);
        let members = others.map(|(id, reach)| {
            let known = known.remove(&id);
            let member = known.map(|member| Member { reach, ..member });
            (id, member.unwrap_or_else(|| Member::new(reach)))
        });
        let members = members.collect();
        self.rooms.insert((relay, topic), Room { you, members });
        self.meet_all();
    }

    pub(crate) fn on_joined(
        &mut self,
        relay: ConnectionId,
        topic: Topic,
        member: MemberId,
        reach: Reach,
    ) {
        let most = self.config.limits.members_per_room;
        if !self.check_relay(relay) {
            return;
        }
        if let Some(room) = self.rooms.get_mut(&(relay, topic))
            && member != room.you
        {
            if let Some(known) = room.members.get_mut(&member) {
                known.reach = reach;
            } else if room.members.len() < most {
                room.members.insert(member, Member::new(reach));
            }
        }
        self.meet_all();
    }

    pub(crate) fn on_left(&mut self, relay: ConnectionId, topic: Topic, member: MemberId) {
        if !self.check_relay(relay) {
            return;
        }
        if let Some(room) = self.rooms.get_mut(&(relay, topic)) {
            room.members.remove(&member);
        }
        // A circuit ends with its member; a data channel lives on by itself.
        let gone = self.connections.iter().filter(|(_, connection)| {
            let of_member = connection.meeting().is_some_and(|meeting| {
                (meeting.relay, meeting.topic, meeting.member) == (relay, topic, member)
            });
            let needs_relay =
                connection.carrier == Carrier::Circuit || connection.ready().is_none();
            of_member && needs_relay
        });
        for id in gone.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.drop_connection(id, "the member left");
        }
    }

    /// Whoever the DHT names, or connects, can say that it is a relay, and would
    /// have this peer knock anywhere in its own network.
    pub(crate) fn on_sources(
        &mut self,
        relay: ConnectionId,
        topic: Topic,
        found: Vec<alloc::string::String>,
    ) {
        if !self.check_relay(relay) {
            return;
        }
        let named_by_user = self.connections.get(&relay).is_some_and(|connection| {
            let dialed = matches!(connection.origin, Origin::Dialed(_));
            dialed && matches!(connection.scope, Scope::Everything)
        });
        if !named_by_user {
            return;
        }
        let addresses = found
            .into_iter()
            .map(|found| alloc::format!("ws://{found}/ws"));
        self.on_found(topic, addresses.collect());
    }

    pub(crate) fn check_relay(&mut self, id: ConnectionId) -> bool {
        let relay = self
            .connections
            .get(&id)
            .and_then(|c| c.ready())
            .is_some_and(is_relay);
        if !relay {
            self.misbehaved(
                id,
                UNEXPECTED,
                "a room's message from a peer that is no relay",
            );
        }
        relay
    }

    pub(crate) fn transfer_of(&self, topic: Topic) -> Option<TransferId> {
        let mut transfers = self.transfers.iter();
        transfers
            .find(|(_, transfer)| transfer.topic == topic)
            .map(|(id, _)| *id)
    }

    /// Dials members of rooms for every transfer that misses blobs.
    pub(crate) fn meet_all(&mut self) {
        let rooms: Vec<_> = self.rooms.keys().copied().collect();
        for (relay, topic) in rooms {
            let transfer = self.transfer_of(topic);
            let Some(transfer) = transfer.and_then(|id| self.transfers.get(&id)) else {
                continue;
            };
            if transfer.is_incomplete() && !transfer.paused {
                self.meet(relay, topic);
            }
        }
        self.run_detours();
    }

    fn meet(&mut self, relay: ConnectionId, topic: Topic) {
        let firsts = self.connections.values().filter(|of| !of.lane);
        let meetings = firsts.filter_map(Connection::meeting);
        let met: Vec<_> = meetings.filter(|m| m.topic == topic).copied().collect();
        let most = self.config.limits.dials_per_transfer;
        let Some(room) = self.rooms.get(&(relay, topic)) else {
            return;
        };
        let met_here = |id| met.iter().any(|m| (m.relay, m.member) == (relay, id));
        let needless = |known: PeerId| known == self.peer() || self.has_direct(known, topic);
        let new = room.members.iter().filter(|(id, member)| {
            let needless = member.known.is_some_and(needless);
            !needless && !met_here(**id)
        });
        let now = self.now;
        let (due, later): (Vec<_>, Vec<_>) = new.partition(|(_, member)| member.retry_at <= now);
        let retry_at = later.iter().map(|(_, member)| member.retry_at).min();
        let webrtc = self.config.webrtc;
        let mut due: Vec<_> = due
            .into_iter()
            .map(|(id, member)| (*id, webrtc && member.may_be_direct()))
            .collect();
        let dials = most.saturating_sub(met.len()).min(due.len());
        let crowded = dials < due.len();
        // Everybody begins with others, or all would meet the same few.
        for chosen in 0..dials {
            let among = self.rng.next_u32() as usize % (due.len() - chosen);
            due.swap(chosen, chosen + among);
        }
        for (member, direct) in due.into_iter().take(dials) {
            self.begin_meeting(relay, topic, member, direct);
        }
        if let Some(at) = retry_at {
            self.arm(at);
        }
        if crowded {
            self.leave_idle(topic);
        }
    }

    /// A member turned out to be a peer: the same one may be in other rooms,
    /// and in one of another relay again.
    pub(crate) fn know_member(&mut self, id: ConnectionId, peer: PeerId) {
        let Some(meeting) = self.connections.get(&id).and_then(|c| c.meeting().copied()) else {
            return;
        };
        let room = self.rooms.get_mut(&(meeting.relay, meeting.topic));
        if let Some(member) = room.and_then(|room| room.members.get_mut(&meeting.member)) {
            member.known = Some(peer);
        }
    }

    /// Whether a peer has a data channel that serves a topic's transfer.
    fn has_direct(&self, peer: PeerId, topic: Topic) -> bool {
        let Some(transfer) = self.transfer_of(topic) else {
            return false;
        };
        self.connections.values().any(|connection| {
            lanes::channel(connection) == Some(peer)
                && connection.scope.includes(transfer)
                && !self.seems_dead(connection)
        })
    }

    /// Leaves a member that is of no use either way, for the sake of one not
    /// met yet; now and then, so that a crowd of waiting readers finds whoever
    /// comes with something.
    fn leave_idle(&mut self, topic: Topic) {
        let (now, Some(transfer)) = (self.now, self.transfer_of(topic)) else {
            return;
        };
        let Some(transfer) = self.transfers.get_mut(&transfer) else {
            return;
        };
        // Who gets something from those it met needs nobody else.
        let at = transfer.swap_at.max(transfer.call_at);
        if at > now {
            return self.arm(at);
        }
        transfer.swap_at = now + SWAP;
        self.arm(now + SWAP);
        let mut connections = self.connections.iter();
        let idle = connections.find(|(_, connection)| {
            let met = connection.meeting().is_some_and(|m| m.topic == topic);
            let idle = |peer: &Peer| peer.since + IDLE <= now && peer.is_idle();
            met && connection.ready().is_some_and(idle)
        });
        if let Some(id) = idle.map(|(id, _)| *id) {
            self.close(id, "left for somebody not met yet");
        }
    }

    pub(crate) fn begin_meeting(
        &mut self,
        relay: ConnectionId,
        topic: Topic,
        member: MemberId,
        direct: bool,
    ) -> Option<ConnectionId> {
        if self.connections.len() >= self.config.limits.connections {
            return None;
        }
        let session = self.rng.next_u32();
        let began = true;
        let meeting = Meeting {
            relay,
            topic,
            member,
            session,
            began,
        };
        if direct {
            let id = self.insert_meeting(Carrier::Driver, meeting);
            let address = Address::WebRtc;
            self.outputs.push_back(Output::Dial {
                connection: id,
                address,
            });
            Some(id)
        } else {
            let id = self.insert_meeting(Carrier::Circuit, meeting);
            self.on_connected(id, Path::Circuit, self.config.limits.circuit_message, &[]);
            Some(id)
        }
    }

    pub(crate) fn insert_meeting(&mut self, carrier: Carrier, meeting: Meeting) -> ConnectionId {
        let id = self.connection();
        let until = self.now + self.config.limits.dial;
        self.arm(until);
        let scope = self.transfer_of(meeting.topic).into_iter().collect();
        let connection = Connection::new(
            carrier,
            Origin::Met(meeting),
            Stage::Dialing { until },
            Scope::Only(scope),
        );
        self.connections.insert(id, connection);
        id
    }

    /// A connection that the other side ended.
    pub(crate) fn drop_connection(&mut self, id: ConnectionId, reason: &str) {
        if self
            .connections
            .get(&id)
            .is_some_and(|c| c.carrier == Carrier::Driver)
        {
            self.outputs.push_back(Output::Close { connection: id });
        }
        self.on_closed(id, Cause::Unreachable, reason);
    }

    pub(crate) fn on_meeting_over(&mut self, meeting: Meeting, carrier: Carrier, failed: bool) {
        let now = self.now;
        let channel_failed = failed && carrier == Carrier::Driver;
        let jitter = Millis(u64::from(self.rng.next_u32() % 1000));
        let room = self.rooms.get_mut(&(meeting.relay, meeting.topic));
        if let Some(member) = room.and_then(|room| room.members.get_mut(&meeting.member)) {
            if channel_failed {
                member.direct.fail(now, meeting.began);
            }
            // A data channel that failed is answered by a circuit at once;
            // whatever fails after that waits.
            if channel_failed && meeting.began {
                member.direct_failed = true;
            } else {
                member.retry_at = now + RETRY_FIRST.doubled(member.failures, RETRY_MOST) + jitter;
                member.failures = (member.failures + 1).min(16);
            }
        }
        self.meet_all();
    }

    /// A connection is gone; if it was a relay's, its rooms and circuits are
    /// gone with it.
    pub(crate) fn leave_rooms_of(&mut self, relay: ConnectionId) {
        self.rooms.retain(|(of, _), _| *of != relay);
        let hanging = self.connections.iter().filter(|(_, connection)| {
            let of_relay = connection.meeting().is_some_and(|m| m.relay == relay);
            of_relay && (connection.carrier == Carrier::Circuit || connection.ready().is_none())
        });
        for id in hanging.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.drop_connection(id, "the relay is gone");
        }
    }
}

/// Rooms are spoken of on WebSockets only (`docs/protocol.md`, "Transports"):
/// else circuits could be nested, and the driver knows nothing of circuits.
pub(crate) fn is_relay(peer: &Peer) -> bool {
    peer.path == Path::WebSocket && peer.features.contains(Features::ROOMS)
}
