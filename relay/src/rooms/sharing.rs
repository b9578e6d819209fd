//! Rooms that have members on several relays.
//!
//! A relay tells another of its own members only, so nothing that is told goes
//! in a circle, however relays are linked.

use std::collections::{HashMap, HashSet};

use samara_core::message::Reach;
use samara_core::{MemberId, Message, Topic};

use super::link::{Link, Overdrawn};
use super::mailbox::Congested;
use super::room::{Away, Room};
use super::{Rooms, State};

/// What rooms have to do with one link.
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
    /// There is a link to another relay.
    pub fn linked(&self, link: &Link) {
        self.lock().links.insert(link.number(), Shares::default());
    }

    /// There is none any more: its members are gone.
    pub fn unlinked(&self, link: &Link) {
        let mut state = self.lock();
        let Some(shares) = state.links.remove(&link.number()) else {
            return;
        };
        for topic in shares.topics {
            let Some(room) = state.by_topic.get_mut(&topic) else {
                continue;
            };
            room.told.retain(|told| told != link);
            for member in room.away_by(link) {
                self.went(room, topic, member);
            }
            if room.is_unused() {
                state.by_topic.remove(&topic);
            }
        }
    }

    /// Whether anybody's room has to do with the link.
    pub fn is_used(&self, link: &Link) -> bool {
        let state = self.lock();
        let shares = state.links.get(&link.number());
        shares.is_some_and(|shares| !shares.topics.is_empty())
    }

    /// The other relay may have members of this topic: it is told of those
    /// here, if there are any and it does not know.
    pub fn share(&self, topic: Topic, link: &Link) {
        let mut state = self.lock();
        if !state.links.contains_key(&link.number()) {
            return;
        }
        if let Some(room) = state.by_topic.get_mut(&topic) {
            tell_of(room, topic, link, self.members_told);
        }
        settle(&mut state, topic, link);
    }

    /// The other relay's members are these and no others; it is told of those
    /// here, if it has any.
    pub fn has_members(&self, topic: Topic, members: &[(MemberId, Reach)], link: &Link) {
        let mut state = self.lock();
        let State {
            by_topic, links, ..
        } = &mut *state;
        if !links.contains_key(&link.number()) {
            return;
        }
        let room = by_topic.entry(topic).or_default();
        for gone in room.away_by(link) {
            if !members.iter().any(|(id, _)| *id == gone) {
                self.went(room, topic, gone);
                count(links, link, -1);
            }
        }
        for (member, reach) in members {
            self.came(room, links, topic, (*member, *reach), link);
        }
        if !members.is_empty() {
            tell_of(room, topic, link, self.members_told);
        }
        settle(&mut state, topic, link);
    }

    /// A member came to the other relay.
    pub fn has_joined(&self, topic: Topic, member: MemberId, reach: Reach, link: &Link) {
        let mut state = self.lock();
        let State {
            by_topic, links, ..
        } = &mut *state;
        let Some(room) = by_topic.get_mut(&topic) else {
            return;
        };
        self.came(room, links, topic, (member, reach), link);
        settle(&mut state, topic, link);
    }

    /// A member left the other relay.
    pub fn has_left(&self, topic: Topic, member: MemberId, link: &Link) {
        let mut state = self.lock();
        let State {
            by_topic, links, ..
        } = &mut *state;
        let Some(room) = by_topic.get_mut(&topic) else {
            return;
        };
        if room.away.get(&member).is_some_and(|away| away.link == *link) {
            self.went(room, topic, member);
            count(links, link, -1);
        }
        settle(&mut state, topic, link);
    }

    /// Passes on a signal of one of the other relay's members. Waits for
    /// nothing: all of the other relay's members are behind the same link.
    pub fn deliver(
        &self,
        topic: Topic,
        from: MemberId,
        to: MemberId,
        sealed: bytes::Bytes,
        link: &Link,
    ) -> Result<Delivered, Overdrawn> {
        let receipt = link.receipt(topic, from, &sealed)?;
        let mailbox = {
            let state = self.lock();
            let room = state.by_topic.get(&topic).filter(|room| {
                let sender = room.away.get(&from);
                sender.is_some_and(|away| away.link == *link)
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
        let mut links: Vec<Link> = Vec::new();
        for away in room.away.values() {
            if !links.contains(&away.link) {
                links.push(away.link.clone());
            }
        }
        for link in links {
            tell_of(room, topic, &link, self.members_told);
        }
    }

    /// The last member here left.
    pub(super) fn share_last(&self, state: &mut State, topic: Topic) {
        let Some(room) = state.by_topic.get_mut(&topic) else {
            return;
        };
        room.tell_links(&Message::Leave { topic });
        for link in std::mem::take(&mut room.told) {
            settle(state, topic, &link);
        }
        if state.by_topic.get(&topic).is_some_and(Room::is_unused) {
            state.by_topic.remove(&topic);
        }
    }

    /// Another relay's member, unless there are too many. A number that somebody
    /// has stays theirs; where a link takes another's place, its members stay.
    fn came(
        &self,
        room: &mut Room,
        links: &mut HashMap<u64, Shares>,
        topic: Topic,
        (member, reach): (MemberId, Reach),
        link: &Link,
    ) {
        let Some(shares) = links.get(&link.number()) else {
            return;
        };
        if shares.members >= self.members_per_link {
            return;
        }
        if let Some(away) = room.away.get_mut(&member) {
            if away.link.is_to_relay_of(link) && away.link != *link {
                count(links, &away.link, -1);
                count(links, link, 1);
                away.link = link.clone();
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
            link: link.clone(),
        };
        room.away.insert(member, away);
        count(links, link, 1);
    }

    fn went(&self, room: &mut Room, topic: Topic, member: MemberId) {
        room.away.remove(&member);
        let left = Message::Left { topic, member };
        room.tell_newest(self.members_told, &left.encode());
    }
}

/// Tells a relay of the members here, if there are any and it does not know.
fn tell_of(room: &mut Room, topic: Topic, link: &Link, most: usize) {
    if room.len() == 0 || room.told.contains(link) {
        return;
    }
    room.told.push(link.clone());
    let members = room.newest(most);
    // The other relay is no member and has no number.
    let you = MemberId(0);
    link.notify(&Message::Members {
        topic,
        you,
        members,
    });
}

/// So many more of a link's members are known.
fn count(links: &mut HashMap<u64, Shares>, link: &Link, more: isize) {
    if let Some(shares) = links.get_mut(&link.number()) {
        shares.members = shares.members.saturating_add_signed(more);
    }
}

/// Notes whether a room has to do with a link still.
fn settle(state: &mut State, topic: Topic, link: &Link) {
    let room = state.by_topic.get(&topic);
    let shared = room.is_some_and(|room| room.is_shared_with(link));
    if room.is_some_and(Room::is_unused) {
        state.by_topic.remove(&topic);
    }
    if let Some(shares) = state.links.get_mut(&link.number()) {
        if shared {
            shares.topics.insert(topic);
        } else {
            shares.topics.remove(&topic);
        }
    }
}
