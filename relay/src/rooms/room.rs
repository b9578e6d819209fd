//! One room.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use samara_core::message::Reach;
use samara_core::{MemberId, Message};

use super::bridge::Bridge;
use super::mailbox::Mailbox;

/// A member, as the relay knows it.
pub(super) struct Member {
    pub reach: Reach,
    pub mailbox: Mailbox,
}

/// What one relay tells of its members. Another may tell of the same: one of
/// the two lies, or is the same relay on a new bridge.
pub(super) struct Claims {
    pub bridge: Bridge,
    pub members: BTreeMap<MemberId, Claim>,
}

/// A member of another relay, as that says.
#[derive(Clone, Copy)]
pub(super) struct Claim {
    pub reach: Reach,
    /// Smaller than that of any later claim in the room.
    since: u64,
}

/// So many relays that tell of a member get its signals. More would make many
/// of one signal.
const WAYS: usize = 4;

/// Members in the order of their coming.
#[derive(Default)]
pub(super) struct Room {
    came: HashMap<MemberId, u64>,
    members: BTreeMap<u64, (MemberId, Member)>,
    next: u64,
    claims: u64,
    /// Members of other relays, by the bridge's number.
    pub away: BTreeMap<u64, Claims>,
    /// Relays that are told of the members here.
    pub told: Vec<Bridge>,
}

impl Room {
    /// Members here.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn get(&self, id: MemberId) -> Option<&Member> {
        let came = self.came.get(&id)?;
        self.members.get(came).map(|(_, member)| member)
    }

    /// Whether nobody here or elsewhere is known to be in it.
    pub fn is_unused(&self) -> bool {
        self.members.is_empty() && self.away.is_empty()
    }

    /// Whether somebody is in it under this number.
    pub fn has(&self, id: MemberId) -> bool {
        self.came.contains_key(&id) || self.is_away(id)
    }

    /// Whether any relay tells of a member under this number.
    pub fn is_away(&self, id: MemberId) -> bool {
        let mut claims = self.away.values();
        claims.any(|claims| claims.members.contains_key(&id))
    }

    /// Whether a relay is told of it, or told of members.
    pub fn is_shared_with(&self, bridge: &Bridge) -> bool {
        self.told.contains(bridge) || self.away.contains_key(&bridge.number())
    }

    /// The members that a relay told of.
    pub fn away_by(&self, bridge: &Bridge) -> Vec<MemberId> {
        let claims = self.away.get(&bridge.number());
        claims.map_or(Vec::new(), |claims| {
            claims.members.keys().copied().collect()
        })
    }

    /// The bridges to relays that tell of a member, so that a lie is told in
    /// vain; the first to do so, where they are many: nobody can guess a number,
    /// so a liar mostly tells of it later than the relay that gave it. One host
    /// has many ids for nothing, and is one of them.
    pub fn ways_to(&self, id: MemberId) -> Vec<Bridge> {
        let claims = self.away.values();
        let of_member = claims.filter_map(|claims| Some((claims.members.get(&id)?, claims)));
        let mut of_member: Vec<_> = of_member.collect();
        of_member.sort_by_key(|(claim, _)| claim.since);
        let mut ways: Vec<Bridge> = Vec::new();
        for (_, claims) in of_member {
            if ways.len() < WAYS && !ways.iter().any(|way| way.is_beside(&claims.bridge)) {
                ways.push(claims.bridge.clone());
            }
        }
        ways
    }

    /// Another relay tells of a member; false if it did already.
    pub fn claim(&mut self, id: MemberId, reach: Reach, bridge: &Bridge) -> bool {
        let claims = self.away.entry(bridge.number());
        let claims = claims.or_insert_with(|| Claims {
            bridge: bridge.clone(),
            members: BTreeMap::new(),
        });
        match claims.members.entry(id) {
            Entry::Occupied(mut known) => {
                known.get_mut().reach = reach;
                false
            }
            Entry::Vacant(new) => {
                let since = self.claims;
                self.claims += 1;
                new.insert(Claim { reach, since });
                true
            }
        }
    }

    /// An id nobody can guess and nobody here has.
    pub fn free_id(&self) -> MemberId {
        loop {
            let id = getrandom::u64().expect("the system gave random bytes at the start too");
            if !self.has(MemberId(id)) {
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

    /// The newest members here.
    pub fn newest(&self, most: usize) -> Vec<(MemberId, Reach)> {
        let newest = self.members.values().rev().take(most);
        newest.map(|(id, member)| (*id, member.reach)).collect()
    }

    /// The newest members but `you`, the newest first, and then members of
    /// other relays, for whom at least half of the places are.
    pub fn others(&self, you: MemberId, most: usize) -> Vec<(MemberId, Reach)> {
        let away = self.away.values().map(|claims| claims.members.len());
        let here = most - away.sum::<usize>().min(most / 2);
        let mut others = self.newest(here + 1);
        others.retain(|(id, _)| *id != you);
        others.truncate(here);
        self.add_away(&mut others, most);
        others
    }

    /// Members of other relays: one of each before a second of any.
    fn add_away(&self, others: &mut Vec<(MemberId, Reach)>, most: usize) {
        let mut known: HashSet<_> = others.iter().map(|(id, _)| *id).collect();
        let mut turns: Vec<_> = self
            .away
            .values()
            .map(|claims| claims.members.iter())
            .collect();
        while !turns.is_empty() {
            turns.retain_mut(|turn| {
                let Some((id, claim)) = turn.next() else {
                    return false;
                };
                if others.len() < most && known.insert(*id) {
                    others.push((*id, claim.reach));
                }
                others.len() < most
            });
        }
    }

    /// Tells the newest members. Older ones, in a room that large, learn of
    /// others when they are met by them.
    pub fn tell_newest(&self, most: usize, message: &Bytes) {
        for (_, member) in self.members.values().rev().take(most) {
            member.mailbox.notify(message.clone());
        }
    }

    /// Tells the newest members of one of another relay, if they take it.
    pub fn hint_newest(&self, most: usize, message: &Bytes) {
        for (_, member) in self.members.values().rev().take(most) {
            member.mailbox.hint(message.clone());
        }
    }

    /// Tells the relays that are told of the members here.
    pub fn tell_bridges(&self, message: &Message) {
        for bridge in &self.told {
            bridge.notify(message);
        }
    }
}
