//! One room.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use samara_core::MemberId;
use samara_core::message::Reach;

use super::mailbox::Mailbox;

/// A member, as the relay knows it.
pub(super) struct Member {
    pub reach: Reach,
    pub mailbox: Mailbox,
}

/// Members in the order of their coming.
#[derive(Default)]
pub(super) struct Room {
    came: HashMap<MemberId, u64>,
    members: BTreeMap<u64, (MemberId, Member)>,
    next: u64,
}

impl Room {
    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn get(&self, id: MemberId) -> Option<&Member> {
        let came = self.came.get(&id)?;
        self.members.get(came).map(|(_, member)| member)
    }

    /// An id nobody can guess and nobody here has.
    pub fn free_id(&self) -> MemberId {
        loop {
            let id = getrandom::u64().expect("the system gave random bytes at the start too");
            if !self.came.contains_key(&MemberId(id)) {
                return MemberId(id);
            }
        }
    }

    pub fn add(&mut self, id: MemberId, member: Member) {
        self.came.insert(id, self.next);
        self.members.insert(self.next, (id, member));
        self.next += 1;
    }

    pub fn set_reach(&mut self, id: MemberId, reach: Reach) {
        let member = self.came.get(&id).and_then(|at| self.members.get_mut(at));
        if let Some((_, member)) = member {
            member.reach = reach;
        }
    }

    pub fn remove(&mut self, id: MemberId) {
        if let Some(came) = self.came.remove(&id) {
            self.members.remove(&came);
        }
    }

    /// The newest members but `you`, the newest first.
    pub fn newest_but(&self, you: MemberId, most: usize) -> Vec<(MemberId, Reach)> {
        let newest = self.members.values().rev();
        let others = newest.filter(|(id, _)| *id != you).take(most);
        others.map(|(id, member)| (*id, member.reach)).collect()
    }

    /// Tells the newest members. Older ones, in a room that large, learn of
    /// others when they are met by them.
    pub fn tell_newest(&self, most: usize, message: &Bytes) {
        for (_, member) in self.members.values().rev().take(most) {
            member.mailbox.notify(message.clone());
        }
    }
}
