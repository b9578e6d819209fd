//! Rooms: where holders of one link find each other.
//!
//! A room exists while it has members, here or on a relay with a bridge to
//! this one. The relay knows its topic and nothing of what it is about, and
//! tells members only of each other's coming and going, under numbers that mean
//! nothing elsewhere.

mod bridge;
mod mailbox;
mod room;
mod sharing;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::future::join_all;
use metrics::Gauge;
use samara_core::message::Reach;
use samara_core::{MemberId, Message, Topic};
use tokio::time::Instant;

pub(crate) use bridge::{Bridge, Overdrawn};
pub(crate) use mailbox::{Congested, Letter, Letters, Mailbox};
use room::{Member, Room};
pub(crate) use sharing::Delivered;
use sharing::Shares;

use crate::limits::Limits;

/// All rooms of one relay.
pub(crate) struct Rooms {
    state: Mutex<State>,
    count: Gauge,
    members_per_room: usize,
    members_told: usize,
    members_per_bridge: usize,
    members_per_bridged_room: usize,
    bridged_only: usize,
}

#[derive(Default)]
struct State {
    by_topic: HashMap<Topic, Room>,
    /// Rooms with members here.
    occupied: u32,
    /// By the bridge's number.
    bridges: HashMap<u64, Shares>,
}

/// A room has as many members as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RoomFull;

/// How a member is reached.
pub(crate) enum Way {
    /// It is connected to this relay.
    Here(Mailbox),
    /// It is connected to another, or to one of these others.
    There(Vec<Bridge>),
}

impl Rooms {
    pub fn new(limits: &Limits, count: Gauge) -> Self {
        Self {
            state: Mutex::default(),
            count,
            members_per_room: limits.members_per_room,
            members_told: limits.members_told,
            members_per_bridge: limits.members_per_bridge,
            members_per_bridged_room: limits.members_per_bridged_room,
            bridged_only: limits.bridged_rooms,
        }
    }

    /// Rooms with members here.
    pub fn len(&self) -> usize {
        self.lock().occupied as usize
    }

    /// Whether somebody here is in the room.
    pub fn has(&self, topic: &Topic) -> bool {
        let state = self.lock();
        let room = state.by_topic.get(topic);
        room.is_some_and(|room| room.len() > 0)
    }

    /// Enters a room: the newcomer hears of the others, they of it. Who is in
    /// the room already (`known`) hears of the others again.
    pub fn join(
        &self,
        topic: Topic,
        reach: Reach,
        known: Option<MemberId>,
        mailbox: &Mailbox,
    ) -> Result<MemberId, RoomFull> {
        let mut state = self.lock();
        let room = state.by_topic.entry(topic).or_default();
        let (you, first) = if let Some(you) = known {
            room.set_reach(you, reach);
            (you, false)
        } else {
            if room.len() >= self.members_per_room {
                return Err(RoomFull);
            }
            let you = room.free_id();
            let joined = Message::Joined {
                topic,
                member: you,
                reach,
            };
            room.tell_newest(self.members_told, &joined.encode());
            room.tell_bridges(&joined);
            let first = room.len() == 0;
            let mailbox = mailbox.clone();
            room.add(you, Member { reach, mailbox });
            (you, first)
        };
        let members = room.others(you, self.members_told);
        let members = Message::Members {
            topic,
            you,
            members,
        };
        mailbox.notify(members.encode());
        if first {
            self.share_first(&mut state, topic);
            self.occupied(&mut state, 1);
        }
        Ok(you)
    }

    /// Leaves a room; true if nobody here is in it now.
    pub fn leave(&self, topic: Topic, member: MemberId) -> bool {
        let mut state = self.lock();
        let State {
            by_topic, bridges, ..
        } = &mut *state;
        let Some(room) = by_topic.get_mut(&topic) else {
            return true;
        };
        room.remove(member);
        let empty = room.len() == 0;
        // Also those that do not tell of the room any more: somebody it wrote to
        // may have left before it.
        for shares in bridges.values() {
            shares.bridge.forget(topic, member);
        }
        if empty {
            sharing::share_last(&mut state, topic);
            self.occupied(&mut state, -1);
        } else {
            let left = Message::Left { topic, member };
            room.tell_newest(self.members_told, &left.encode());
            room.tell_bridges(&left);
        }
        empty
    }

    /// How to reach a member.
    pub fn way(&self, topic: &Topic, member: MemberId) -> Option<Way> {
        let state = self.lock();
        let room = state.by_topic.get(topic)?;
        if let Some(member) = room.get(member) {
            return Some(Way::Here(member.mailbox.clone()));
        }
        let bridges = room.ways_to(member);
        (!bridges.is_empty()).then_some(Way::There(bridges))
    }

    /// Tells the members here something.
    pub fn tell(&self, topic: &Topic, message: &Bytes) {
        if let Some(room) = self.lock().by_topic.get(topic) {
            room.tell_newest(self.members_told, message);
        }
    }

    fn occupied(&self, state: &mut State, more: i32) {
        state.occupied = state.occupied.saturating_add_signed(more);
        self.count.set(state.occupied);
    }

    /// Every change is complete before a panic could come, so a poisoned lock
    /// guards sound rooms.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Way {
    /// Sends a member's signal; waits for room until then. To several relays it
    /// goes at once, so that none holds up what is for another.
    pub async fn forward(
        &self,
        topic: Topic,
        from: MemberId,
        to: MemberId,
        sealed: Bytes,
        until: Instant,
    ) -> Result<(), Congested> {
        match self {
            Self::Here(mailbox) => {
                let signal = Message::Signal {
                    topic,
                    member: from,
                    sealed,
                };
                mailbox.forward(signal.encode(), until).await
            }
            Self::There(bridges) => {
                let sent = bridges
                    .iter()
                    .map(|bridge| bridge.forward(topic, from, to, sealed.clone(), until));
                let sent = join_all(sent).await;
                sent.into_iter().fold(Err(Congested), Result::or)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: Topic = Topic::from_bytes([7; 20]);

    fn rooms() -> Rooms {
        let limits = Limits {
            members_per_room: 3,
            members_told: 2,
            ..Limits::default()
        };
        Rooms::new(&limits, Gauge::noop())
    }

    fn mailbox() -> (Mailbox, Letters) {
        Mailbox::new(&Limits::default())
    }

    fn next(letters: &mut Letters) -> Option<Message> {
        let letter = letters.try_recv()?;
        Some(Message::decode(&letter.message).unwrap())
    }

    #[test]
    fn members_hear_of_each_other() {
        let rooms = rooms();
        let (a, mut to_a) = mailbox();
        let (b, mut to_b) = mailbox();
        let a = rooms.join(TOPIC, Reach(0), None, &a).unwrap();
        let b = rooms.join(TOPIC, Reach::WEBRTC, None, &b).unwrap();
        let members = |you, members| Message::Members {
            topic: TOPIC,
            you,
            members,
        };
        assert_eq!(next(&mut to_a), Some(members(a, vec![])));
        let joined = Message::Joined {
            topic: TOPIC,
            member: b,
            reach: Reach::WEBRTC,
        };
        assert_eq!(next(&mut to_a), Some(joined));
        assert_eq!(next(&mut to_b), Some(members(b, vec![(a, Reach(0))])));

        assert!(!rooms.leave(TOPIC, a));
        let left = Message::Left {
            topic: TOPIC,
            member: a,
        };
        assert_eq!(next(&mut to_b), Some(left));
        assert_eq!(next(&mut to_a), None);
        assert!(rooms.way(&TOPIC, a).is_none());
        assert!(rooms.leave(TOPIC, b));
        assert_eq!(rooms.len(), 0);
    }

    #[test]
    fn the_newest_are_listed_first_and_no_more_than_the_limit() {
        let rooms = rooms();
        let boxes: Vec<_> = std::iter::repeat_with(mailbox).take(3).collect();
        let ids: Vec<_> = boxes
            .iter()
            .map(|(mailbox, _)| rooms.join(TOPIC, Reach(0), None, mailbox).unwrap())
            .collect();
        let (again, mut letters) = mailbox();
        let same = rooms.join(TOPIC, Reach(0), Some(ids[0]), &again).unwrap();
        assert_eq!(same, ids[0]);
        let members = Message::Members {
            topic: TOPIC,
            you: ids[0],
            members: vec![(ids[2], Reach(0)), (ids[1], Reach(0))],
        };
        assert_eq!(next(&mut letters), Some(members));
        assert_eq!(rooms.join(TOPIC, Reach(0), None, &again), Err(RoomFull));
    }
}
