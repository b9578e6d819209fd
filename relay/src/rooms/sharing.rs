//! Rooms that have members on several relays.
//!
//! A relay tells another of its own members only, so nothing that is told goes
//! in a circle, whichever relays have bridges.

use std::collections::{HashMap, HashSet};

use samara_core::message::Reach;
use samara_core::{MemberId, Message, Topic};

use super::bridge::{Bridge, Overdrawn};
use super::mailbox::Congested;
use super::room::Room;
use super::{Rooms, State};

/// What rooms have to do with one bridge.
pub(super) struct Shares {
    pub bridge: Bridge,
    /// Another bridge to the same relay took its place: what it still says is
    /// old.
    replaced: bool,
    topics: HashSet<Topic>,
    /// The other relay's members that are known here.
    members: usize,
}

/// What a list of another relay's members is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// So many came or went.
    pub changed: usize,
    /// So many cannot be true.
    pub lies: u32,
}

/// What another relay's word of a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    New,
    /// It said so before.
    Known,
    /// There are too many.
    LeftOut,
    /// Somebody here has the number, which nobody can guess: no relay that
    /// tells the truth says so.
    Ours,
}

/// What became of another relay's signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// It is queued for its receiver.
    Yes,
    /// Its sender or receiver is not known, or left.
    Nobody,
    /// Its receiver takes too little.
    Congested,
}

impl Rooms {
    /// There is a new bridge to another relay; it takes the place of any other.
    pub fn opened(&self, bridge: &Bridge) {
        let mut state = self.lock();
        for other in state.bridges.values_mut() {
            other.replaced |= other.bridge.leads_where(bridge);
        }
        let shares = Shares {
            bridge: bridge.clone(),
            replaced: false,
            topics: HashSet::new(),
            members: 0,
        };
        state.bridges.insert(bridge.number(), shares);
    }

    /// There is none any more: its members are gone.
    pub fn closed(&self, bridge: &Bridge) {
        let mut state = self.lock();
        let State {
            by_topic, bridges, ..
        } = &mut *state;
        let Some(shares) = bridges.remove(&bridge.number()) else {
            return;
        };
        for topic in shares.topics {
            let Some(room) = by_topic.get_mut(&topic) else {
                continue;
            };
            room.told.retain(|told| told != bridge);
            for member in room.away_by(bridge) {
                self.went(room, bridges, topic, member, bridge);
            }
            if room.is_unused() {
                by_topic.remove(&topic);
            }
        }
    }

    /// Whether a room that somebody here is in has to do with the bridge.
    pub fn is_used(&self, bridge: &Bridge) -> bool {
        let state = self.lock();
        let Some(shares) = state.bridges.get(&bridge.number()) else {
            return false;
        };
        let mut rooms = shares
            .topics
            .iter()
            .filter_map(|topic| state.by_topic.get(topic));
        rooms.any(|room| room.len() > 0)
    }

    /// The other relay may have members of this topic: it is told of those
    /// here, if there are any and it does not know.
    pub fn share(&self, topic: Topic, bridge: &Bridge) {
        let mut state = self.lock();
        if !state.hears(bridge) {
            return;
        }
        if let Some(room) = state.by_topic.get_mut(&topic) {
            tell_of(room, topic, bridge, self.members_told);
        }
        settle(&mut state, topic, bridge);
    }

    /// The other relay's members are these and no others; it is told of those
    /// here, if it has any.
    pub fn members_are(
        &self,
        topic: Topic,
        members: &[(MemberId, Reach)],
        bridge: &Bridge,
    ) -> Told {
        let mut told = Told::default();
        let mut state = self.lock();
        if !state.hears(bridge) {
            return told;
        }
        let nobody_here = state.by_topic.len() - state.occupied as usize;
        let full = nobody_here >= self.bridged_only;
        if full && !state.by_topic.contains_key(&topic) {
            return told;
        }
        let State {
            by_topic, bridges, ..
        } = &mut *state;
        let room = by_topic.entry(topic).or_default();
        for gone in room.away_by(bridge) {
            if !members.iter().any(|(id, _)| *id == gone) {
                self.went(room, bridges, topic, gone, bridge);
                told.changed += 1;
            }
        }
        for (member, reach) in members {
            match self.came(room, bridges, topic, (*member, *reach), bridge) {
                Came::New => told.changed += 1,
                Came::Ours => told.lies += 1,
                Came::Known | Came::LeftOut => {}
            }
        }
        if !members.is_empty() {
            tell_of(room, topic, bridge, self.members_told);
        }
        settle(&mut state, topic, bridge);
        told
    }

    /// A member came to the other relay, which has told of the topic before.
    /// False if that cannot be true.
    pub fn member_came(
        &self,
        topic: Topic,
        member: MemberId,
        reach: Reach,
        bridge: &Bridge,
    ) -> bool {
        let mut state = self.lock();
        if !state.hears(bridge) {
            return true;
        }
        let State {
            by_topic, bridges, ..
        } = &mut *state;
        if let Some(room) = by_topic.get_mut(&topic)
            && room.is_shared_with(bridge)
        {
            let came = self.came(room, bridges, topic, (member, reach), bridge);
            settle(&mut state, topic, bridge);
            return match came {
                Came::New | Came::LeftOut => true,
                Came::Known | Came::Ours => false,
            };
        }
        true
    }

    /// A member left the other relay.
    pub fn member_went(&self, topic: Topic, member: MemberId, bridge: &Bridge) {
        let mut state = self.lock();
        if !state.hears(bridge) {
            return;
        }
        let State {
            by_topic, bridges, ..
        } = &mut *state;
        if let Some(room) = by_topic.get_mut(&topic) {
            self.went(room, bridges, topic, member, bridge);
            settle(&mut state, topic, bridge);
        }
    }

    /// Passes on a signal of one of the other relay's members. Waits for
    /// nothing: all of the other relay's members are behind the same bridge.
    pub fn deliver(
        &self,
        topic: Topic,
        from: MemberId,
        to: MemberId,
        sealed: bytes::Bytes,
        bridge: &Bridge,
    ) -> Result<Delivered, Overdrawn> {
        let receipt = bridge.receipt(topic, from, &sealed)?;
        let mailbox = {
            let state = self.lock();
            let room = state.by_topic.get(&topic).filter(|room| {
                let claims = room.away.get(&bridge.number());
                claims.is_some_and(|claims| claims.members.contains_key(&from))
            });
            let receiver = room.and_then(|room| room.get(to));
            receiver.map(|member| member.mailbox.clone())
        };
        let Some(mailbox) = mailbox else {
            return Ok(Delivered::Nobody);
        };
        let signal = Message::Signal {
            topic,
            member: from,
            sealed,
        };
        let delivered = mailbox.deliver(signal.encode(), receipt);
        Ok(match delivered {
            Ok(()) => Delivered::Yes,
            Err(Congested) => Delivered::Congested,
        })
    }

    /// The first member here came: relays with members of the topic are told.
    pub(super) fn share_first(&self, state: &mut State, topic: Topic) {
        let Some(room) = state.by_topic.get_mut(&topic) else {
            return;
        };
        let claims = room.away.values();
        let bridges: Vec<_> = claims.map(|claims| claims.bridge.clone()).collect();
        for bridge in bridges {
            tell_of(room, topic, &bridge, self.members_told);
        }
    }

    /// Another relay's member, unless there are too many, or somebody here has
    /// the number.
    fn came(
        &self,
        room: &mut Room,
        bridges: &mut HashMap<u64, Shares>,
        topic: Topic,
        (member, reach): (MemberId, Reach),
        bridge: &Bridge,
    ) -> Came {
        let Some(shares) = bridges.get_mut(&bridge.number()) else {
            return Came::LeftOut;
        };
        if room.get(member).is_some() {
            return Came::Ours;
        }
        let known = room.is_away(member);
        let claims = room.away.get(&bridge.number());
        let is_told = claims.is_some_and(|claims| claims.members.contains_key(&member));
        let of_room = claims.map_or(0, |claims| claims.members.len());
        let full =
            of_room >= self.members_per_bridged_room || shares.members >= self.members_per_bridge;
        if full && !is_told {
            return Came::LeftOut;
        }
        if !room.claim(member, reach, bridge) {
            return Came::Known;
        }
        shares.members += 1;
        if !known {
            let joined = Message::Joined {
                topic,
                member,
                reach,
            };
            room.hint_newest(self.members_told, &joined.encode());
        }
        Came::New
    }

    /// A relay does not tell of a member any more.
    fn went(
        &self,
        room: &mut Room,
        bridges: &mut HashMap<u64, Shares>,
        topic: Topic,
        member: MemberId,
        bridge: &Bridge,
    ) {
        let number = bridge.number();
        let Some(claims) = room.away.get_mut(&number) else {
            return;
        };
        if claims.members.remove(&member).is_none() {
            return;
        }
        if claims.members.is_empty() {
            room.away.remove(&number);
        }
        if let Some(shares) = bridges.get_mut(&number) {
            shares.members -= 1;
        }
        if !room.is_away(member) {
            let left = Message::Left { topic, member };
            room.hint_newest(self.members_told, &left.encode());
        }
    }
}

impl State {
    /// Whether what a bridge says counts.
    fn hears(&self, bridge: &Bridge) -> bool {
        let shares = self.bridges.get(&bridge.number());
        shares.is_some_and(|shares| !shares.replaced)
    }
}

/// The last member here left.
pub(super) fn share_last(state: &mut State, topic: Topic) {
    let Some(room) = state.by_topic.get_mut(&topic) else {
        return;
    };
    room.tell_bridges(&Message::Leave { topic });
    for bridge in std::mem::take(&mut room.told) {
        settle(state, topic, &bridge);
    }
    if state.by_topic.get(&topic).is_some_and(Room::is_unused) {
        state.by_topic.remove(&topic);
    }
}

/// Tells a relay of the members here, if there are any and it does not know.
fn tell_of(room: &mut Room, topic: Topic, bridge: &Bridge, most: usize) {
    if room.len() == 0 || room.told.contains(bridge) {
        return;
    }
    room.told.push(bridge.clone());
    let members = room.newest(most);
    // The other relay is no member and has no number.
    let you = MemberId(0);
    bridge.notify(&Message::Members {
        topic,
        you,
        members,
    });
}

/// Notes whether a room has to do with a bridge still.
fn settle(state: &mut State, topic: Topic, bridge: &Bridge) {
    let room = state.by_topic.get(&topic);
    let shared = room.is_some_and(|room| room.is_shared_with(bridge));
    if room.is_some_and(Room::is_unused) {
        state.by_topic.remove(&topic);
    }
    if let Some(shares) = state.bridges.get_mut(&bridge.number()) {
        if shared {
            shares.topics.insert(topic);
        } else {
            shares.topics.remove(&topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use metrics::Gauge;
    use samara_core::PeerId;

    use super::super::Way;
    use super::super::mailbox::{Letters, Mailbox};
    use super::*;
    use crate::limits::Limits;

    const TOPIC: Topic = Topic::from_bytes([7; 20]);
    const AWAY: (MemberId, Reach) = (MemberId(1), Reach::WEBRTC);
    const RELAY: PeerId = PeerId::from_bytes([1; 32]);

    fn rooms() -> Rooms {
        Rooms::new(&Limits::default(), Gauge::noop())
    }

    fn bridge(rooms: &Rooms, relay: PeerId) -> (Bridge, Letters) {
        bridge_at([127, 0, 0, 1], rooms, relay)
    }

    fn bridge_at(host: [u8; 4], rooms: &Rooms, relay: PeerId) -> (Bridge, Letters) {
        let limits = Limits::default();
        let (mailbox, letters) = Mailbox::new(&limits);
        let bridge = Bridge::new(relay, host.into(), mailbox, &limits);
        rooms.opened(&bridge);
        (bridge, letters)
    }

    fn said(letters: &mut Letters) -> Vec<Message> {
        let letters = std::iter::from_fn(|| letters.try_recv());
        letters
            .map(|letter| Message::decode(&letter.message).unwrap())
            .collect()
    }

    /// Both relays may have dialed at once; of two bridges one stays.
    #[test]
    fn members_stay_where_one_bridge_takes_another_s_place() {
        let rooms = rooms();
        let (here, mut heard) = Mailbox::new(&Limits::default());
        rooms.join(TOPIC, Reach(0), None, &here).unwrap();
        let (old, _old) = bridge(&rooms, RELAY);
        rooms.members_are(TOPIC, &[AWAY], &old);
        let (new, mut told) = bridge(&rooms, RELAY);
        rooms.members_are(TOPIC, &[AWAY], &new);
        // What was still on its way on the old one counts no more.
        rooms.member_went(TOPIC, AWAY.0, &old);
        rooms.members_are(TOPIC, &[], &old);
        rooms.closed(&old);
        let joined = said(&mut heard);
        assert!(matches!(
            joined[..],
            [Message::Members { .. }, Message::Joined { .. }]
        ));
        assert!(matches!(said(&mut told)[..], [Message::Members { .. }]));
        rooms.closed(&new);
        assert!(matches!(said(&mut heard)[..], [Message::Left { .. }]));
        assert!(rooms.way(&TOPIC, AWAY.0).is_none());
    }

    /// Or else a relay's word would keep rooms for ever.
    #[test]
    fn a_room_is_gone_with_its_last_member_wherever_that_was() {
        let rooms = rooms();
        let (bridge, mut told) = bridge(&rooms, RELAY);
        rooms.members_are(TOPIC, &[AWAY], &bridge);
        assert!(!rooms.has(&TOPIC) && !rooms.is_used(&bridge));
        let (here, _heard) = Mailbox::new(&Limits::default());
        let you = rooms.join(TOPIC, Reach(0), None, &here).unwrap();
        assert!(rooms.is_used(&bridge));
        rooms.leave(TOPIC, you);
        let told = said(&mut told);
        assert!(matches!(
            told[..],
            [Message::Members { .. }, Message::Leave { .. }]
        ));
        rooms.member_went(TOPIC, AWAY.0, &bridge);
        assert!(!rooms.is_used(&bridge));
        assert!(rooms.lock().by_topic.is_empty());
    }

    /// Or else each signal costs as many as there are liars.
    #[test]
    fn signals_go_to_the_relays_that_told_of_a_member_first() {
        let rooms = rooms();
        let here = Mailbox::new(&Limits::default());
        rooms.join(TOPIC, Reach(0), None, &here.0).unwrap();
        let relays = (1..=20).map(|relay| PeerId::from_bytes([relay; 32]));
        let bridges: Vec<_> = relays.map(|relay| bridge(&rooms, relay).0).collect();
        // Not in the order in which the bridges came about.
        for bridge in bridges.iter().rev() {
            rooms.members_are(TOPIC, &[AWAY], bridge);
            rooms.members_are(TOPIC, &[AWAY], &bridges[19]);
        }
        let Some(Way::There(ways)) = rooms.way(&TOPIC, AWAY.0) else {
            panic!("no way to another relay's member");
        };
        let first: Vec<_> = bridges.into_iter().rev().take(4).collect();
        assert_eq!(ways, first);
    }

    /// Or else one host keeps a member's signals from its relay.
    #[test]
    fn of_one_host_one_relay_that_tells_of_a_member_gets_its_signals() {
        let rooms = rooms();
        let here = Mailbox::new(&Limits::default());
        rooms.join(TOPIC, Reach(0), None, &here.0).unwrap();
        let mut bridges = Vec::new();
        for (host, relay) in [(7, 1), (7, 2), (7, 3), (7, 4), (7, 5), (8, 6), (7, 1)] {
            let relay = PeerId::from_bytes([relay; 32]);
            let (bridge, _) = bridge_at([192, 0, 2, host], &rooms, relay);
            rooms.members_are(TOPIC, &[AWAY], &bridge);
            bridges.push(bridge);
        }
        let Some(Way::There(ways)) = rooms.way(&TOPIC, AWAY.0) else {
            panic!("no way to another relay's member");
        };
        // One relay may have an old bridge and a new one.
        assert_eq!(ways, [0, 5, 6].map(|index: usize| bridges[index].clone()));
    }

    /// Whoever took in what it sent may have left before it.
    #[tokio::test]
    async fn a_member_that_left_leaves_nothing_on_any_bridge() {
        let rooms = rooms();
        let here = Mailbox::new(&Limits::default());
        let you = rooms.join(TOPIC, Reach(0), None, &here.0).unwrap();
        let (bridge, _told) = bridge(&rooms, RELAY);
        rooms.members_are(TOPIC, &[AWAY], &bridge);
        let way = rooms.way(&TOPIC, AWAY.0).unwrap();
        let now = tokio::time::Instant::now();
        let sealed = bytes::Bytes::from_static(b"sealed");
        let sent = way.forward(TOPIC, you, AWAY.0, sealed, now).await;
        assert_eq!((sent, bridge.senders()), (Ok(()), 1));
        rooms.member_went(TOPIC, AWAY.0, &bridge);
        rooms.leave(TOPIC, you);
        assert_eq!(bridge.senders(), 0);
    }

    #[test]
    fn what_cannot_be_true_is_told_apart() {
        let rooms = rooms();
        let here = Mailbox::new(&Limits::default());
        let you = rooms.join(TOPIC, Reach(0), None, &here.0).unwrap();
        let (bridge, _told) = bridge(&rooms, RELAY);
        let told = rooms.members_are(TOPIC, &[AWAY, (you, Reach(0))], &bridge);
        let (changed, lies) = (1, 1);
        assert_eq!(told, Told { changed, lies });
        assert!(!rooms.member_came(TOPIC, you, Reach(0), &bridge));
        assert!(!rooms.member_came(TOPIC, AWAY.0, AWAY.1, &bridge));
        // What was told before may be told again in a list.
        assert_eq!(rooms.members_are(TOPIC, &[AWAY], &bridge), Told::default());
        rooms.member_went(TOPIC, AWAY.0, &bridge);
        assert!(rooms.member_came(TOPIC, AWAY.0, AWAY.1, &bridge));
    }

    #[test]
    fn a_link_names_so_many_members_and_no_more() {
        let limits = Limits {
            members_per_bridge: 3,
            ..Limits::default()
        };
        let rooms = Rooms::new(&limits, Gauge::noop());
        let (bridge, _told) = bridge(&rooms, RELAY);
        for topic in 0..5 {
            let topic = Topic::from_bytes([topic; 20]);
            rooms.members_are(topic, &[AWAY], &bridge);
        }
        assert_eq!(rooms.lock().by_topic.len(), 3);
    }
}
