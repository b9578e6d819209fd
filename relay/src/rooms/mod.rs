//! Rooms: where holders of one link find each other.
//!
//! A room exists while it has members. The relay knows its topic and nothing
//! of what it is about, and tells members only of each other's coming and
//! going, under numbers that mean nothing elsewhere.

mod mailbox;
mod room;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use metrics::Gauge;
use samara_core::message::Reach;
use samara_core::{MemberId, Message, Topic};

pub(crate) use mailbox::{Congested, Letter, Letters, Mailbox};
use room::{Member, Room};

use crate::limits::Limits;

/// All rooms of one relay.
pub(crate) struct Rooms {
    by_topic: Mutex<HashMap<Topic, Room>>,
    count: Gauge,
    members_per_room: usize,
    members_told: usize,
}

/// A room has as many members as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RoomFull;

impl Rooms {
    pub fn new(limits: &Limits, count: Gauge) -> Self {
        Self {
            by_topic: Mutex::default(),
            count,
            members_per_room: limits.members_per_room,
            members_told: limits.members_told,
        }
    }

    /// Rooms with members.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether somebody is in the room.
    pub fn has(&self, topic: &Topic) -> bool {
        self.lock().contains_key(topic)
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
        let mut rooms = self.lock();
        let room = rooms.entry(topic).or_default();
        let you = if let Some(you) = known {
            room.set_reach(you, reach);
            you
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
            let mailbox = mailbox.clone();
            room.add(you, Member { reach, mailbox });
            you
        };
        let members = room.newest_but(you, self.members_told);
        let members = Message::Members {
            topic,
            you,
            members,
        };
        mailbox.notify(members.encode());
        self.counted(&rooms);
        Ok(you)
    }

    /// Leaves a room; true if nobody is in it now.
    pub fn leave(&self, topic: Topic, member: MemberId) -> bool {
        let mut rooms = self.lock();
        let Some(room) = rooms.get_mut(&topic) else {
            return true;
        };
        room.remove(member);
        let empty = room.len() == 0;
        if empty {
            rooms.remove(&topic);
        } else {
            let left = Message::Left { topic, member };
            room.tell_newest(self.members_told, &left.encode());
        }
        self.counted(&rooms);
        empty
    }

    /// Where to send what is for a member.
    pub fn mailbox(&self, topic: &Topic, member: MemberId) -> Option<Mailbox> {
        let rooms = self.lock();
        let member = rooms.get(topic)?.get(member)?;
        Some(member.mailbox.clone())
    }

    /// Tells the members something.
    pub fn tell(&self, topic: &Topic, message: &Bytes) {
        if let Some(room) = self.lock().get(topic) {
            room.tell_newest(self.members_told, message);
        }
    }

    fn counted(&self, rooms: &HashMap<Topic, Room>) {
        let count = u32::try_from(rooms.len()).unwrap_or(u32::MAX);
        self.count.set(count);
    }

    /// Every change is complete before a panic could come, so a poisoned lock
    /// guards sound rooms.
    fn lock(&self) -> MutexGuard<'_, HashMap<Topic, Room>> {
        self.by_topic.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert!(rooms.mailbox(&TOPIC, a).is_none());
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
