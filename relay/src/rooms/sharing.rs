//! Rooms that have members on several relays.
//!
//! A relay tells another of its own members only, so nothing that is told goes
//! in a circle, whichever relays have bridges.

use std::collections::{HashMap, HashSet};

use samara_core::message::Reach;
use samara_core::{MemberId, Message, Topic};

use super::bridge::{Bridge, Overdrawn};
use super::mailbox::Congested;
use super::room::{Away, Room};
use super::{Rooms, State};

/// What rooms have to do with one bridge.
#[derive(Default)]
pub(super) struct Shares {
    topics: HashSet<Topic>,
    /// The other relay's members that are known here.
    members: usize,
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
    /// There is a new bridge to another relay.
    pub fn opened(&self, bridge: &Bridge) {
        self.lock()
            .bridges
            .insert(bridge.number(), Shares::default());
    }

    /// There is none any more: its members are gone.
    pub fn closed(&self, bridge: &Bridge) {
        let mut state = self.lock();
        let Some(shares) = state.bridges.remove(&bridge.number()) else {
            return;
        };
        for topic in shares.topics {
            let Some(room) = state.by_topic.get_mut(&topic) else {
                continue;
            };
            room.told.retain(|told| told != bridge);
            for member in room.away_by(bridge) {
                self.went(room, topic, member);
            }
            if room.is_unused() {
                state.by_topic.remove(&topic);
            }
        }
    }

    /// Whether anybody's room has to do with the bridge.
    pub fn is_used(&self, bridge: &Bridge) -> bool {
        let state = self.lock();
        let shares = state.bridges.get(&bridge.number());
        shares.is_some_and(|shares| !shares.topics.is_empty())
    }

    /// The other relay may have members of this topic: it is told of those
    /// here, if there are any and it does not know.
    pub fn share(&self, topic: Topic, bridge: &Bridge) {
        let mut state = self.lock();
        if !state.bridges.contains_key(&bridge.number()) {
            return;
        }
        if let Some(room) = state.by_topic.get_mut(&topic) {
            tell_of(room, topic, bridge, self.members_told);
        }
        settle(&mut state, topic, bridge);
    }

    /// The other relay's members are these and no others; it is told of those
    /// here, if it has any.
    pub fn has_members(&self, topic: Topic, members: &[(MemberId, Reach)], bridge: &Bridge) {
        let mut state = self.lock();
        let State {
            by_topic, bridges, ..
        } = &mut *state;
        if !bridges.contains_key(&bridge.number()) {
            return;
        }
        let room = by_topic.entry(topic).or_default();
        for gone in room.away_by(bridge) {
            if !members.iter().any(|(id, _)| *id == gone) {
                self.went(room, topic, gone);
                count(bridges, bridge, -1);
            }
        }
        for (member, reach) in members {
            self.came(room, bridges, topic, (*member, *reach), bridge);
        }
        if !members.is_empty() {
            tell_of(room, topic, bridge, self.members_told);
        }
        settle(&mut state, topic, bridge);
    }

    /// A member came to the other relay.
    pub fn has_joined(&self, topic: Topic, member: MemberId, reach: Reach, bridge: &Bridge) {
        let mut state = self.lock();
        let State {
            by_topic, bridges, ..
        } = &mut *state;
        let Some(room) = by_topic.get_mut(&topic) else {
            return;
        };
        self.came(room, bridges, topic, (member, reach), bridge);
        settle(&mut state, topic, bridge);
    }

    /// A member left the other relay.
    pub fn has_left(&self, topic: Topic, member: MemberId, bridge: &Bridge) {
        let mut state = self.lock();
        let State {
            by_topic, bridges, ..
        } = &mut *state;
        let Some(room) = by_topic.get_mut(&topic) else {
            return;
        };
        if room
            .away
            .get(&member)
            .is_some_and(|away| away.bridge == *bridge)
        {
            self.went(room, topic, member);
            count(bridges, bridge, -1);
        }
        settle(&mut state, topic, bridge);
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
                let sender = room.away.get(&from);
                sender.is_some_and(|away| away.bridge == *bridge)
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
        let mut bridges: Vec<Bridge> = Vec::new();
        for away in room.away.values() {
            if !bridges.contains(&away.bridge) {
                bridges.push(away.bridge.clone());
            }
        }
        for bridge in bridges {
            tell_of(room, topic, &bridge, self.members_told);
        }
    }

    /// Another relay's member, unless there are too many. A number that somebody
    /// has stays theirs; where a bridge takes another's place, its members stay.
    fn came(
        &self,
        room: &mut Room,
        bridges: &mut HashMap<u64, Shares>,
        topic: Topic,
        (member, reach): (MemberId, Reach),
        bridge: &Bridge,
    ) {
        let Some(shares) = bridges.get(&bridge.number()) else {
            return;
        };
        if shares.members >= self.members_per_bridge {
            return;
        }
        if let Some(away) = room.away.get_mut(&member) {
            if away.bridge.leads_where(bridge) && away.bridge != *bridge {
                count(bridges, &away.bridge, -1);
                count(bridges, bridge, 1);
                away.bridge = bridge.clone();
            }
            return;
        }
        if room.has(member) || room.away.len() >= self.members_told {
            return;
        }
        let joined = Message::Joined {
            topic,
            member,
            reach,
        };
        room.tell_newest(self.members_told, &joined.encode());
        let away = Away {
            reach,
            bridge: bridge.clone(),
        };
        room.away.insert(member, away);
        count(bridges, bridge, 1);
    }

    fn went(&self, room: &mut Room, topic: Topic, member: MemberId) {
        room.away.remove(&member);
        let left = Message::Left { topic, member };
        room.tell_newest(self.members_told, &left.encode());
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

/// So many more of a bridge's members are known.
fn count(bridges: &mut HashMap<u64, Shares>, bridge: &Bridge, more: isize) {
    if let Some(shares) = bridges.get_mut(&bridge.number()) {
        shares.members = shares.members.saturating_add_signed(more);
    }
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
        let limits = Limits::default();
        let (mailbox, letters) = Mailbox::new(&limits);
        let bridge = Bridge::new(relay, mailbox, &limits);
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
    fn members_stay_where_one_link_takes_another_s_place() {
        let rooms = rooms();
        let (here, mut heard) = Mailbox::new(&Limits::default());
        rooms.join(TOPIC, Reach(0), None, &here).unwrap();
        let (old, _old) = bridge(&rooms, RELAY);
        let (new, mut told) = bridge(&rooms, RELAY);
        rooms.has_members(TOPIC, &[AWAY], &old);
        rooms.has_members(TOPIC, &[AWAY], &new);
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
        rooms.has_members(TOPIC, &[AWAY], &bridge);
        assert!(rooms.is_used(&bridge));
        assert!(!rooms.has(&TOPIC));
        let (here, _heard) = Mailbox::new(&Limits::default());
        let you = rooms.join(TOPIC, Reach(0), None, &here).unwrap();
        rooms.leave(TOPIC, you);
        let told = said(&mut told);
        assert!(matches!(
            told[..],
            [Message::Members { .. }, Message::Leave { .. }]
        ));
        rooms.has_left(TOPIC, AWAY.0, &bridge);
        assert!(!rooms.is_used(&bridge));
        assert!(rooms.lock().by_topic.is_empty());
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
            rooms.has_members(topic, &[AWAY], &bridge);
        }
        assert_eq!(rooms.lock().by_topic.len(), 3);
    }
}
