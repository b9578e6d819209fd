//! Finding the nodes around a place.
//!
//! A walk asks ever nearer nodes until the nearest have all answered. If more
//! keys than one lie there, every node of the region is then asked what it
//! knows around itself, so that the region is known as a whole and serves all
//! its keys.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddrV4};

use super::key::{BITS, Distance, Key, Subtree};
use super::krpc::Contact;
use crate::address::is_public;

/// Nodes that store a key (BEP 5).
pub(super) const STORING: usize = 8;

/// Queries of one exploration under way.
const AT_ONCE: usize = 4;

/// Queries of one exploration in all: whoever names new nodes without end is
/// not followed further.
const QUERIES: usize = 96;

/// Nodes followed at one public address: whoever has one has many ids.
const PER_ADDRESS: u8 = 2;

/// One exploration.
#[derive(Debug)]
pub(super) struct Exploration {
    pub target: Key,
    /// Addresses to begin with where no node is known.
    entry: Vec<SocketAddrV4>,
    candidates: BTreeMap<Distance, Candidate>,
    addresses: HashSet<SocketAddrV4>,
    per_address: HashMap<Ipv4Addr, u8>,
    under_way: usize,
    asked: usize,
}

#[derive(Debug)]
struct Candidate {
    contact: Contact,
    standing: Standing,
    /// Has been asked for what is around itself.
    surveyed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Named,
    Asked,
    Answered,
    /// Silent, or of no use.
    Out,
}

/// Whom a query of an exploration goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    Entry,
    Node(Key),
}

/// What an exploration does next.
#[derive(Debug)]
pub(super) enum Next {
    /// Ask this address for nodes near `target`.
    Ask {
        to: To,
        address: SocketAddrV4,
        target: Key,
    },
    /// Wait for answers.
    Wait,
    /// It is over.
    Found(Region),
}

/// A part of the DHT whose nodes are known.
#[derive(Debug, Clone)]
pub(super) struct Region {
    pub subtree: Subtree,
    pub nodes: Vec<Key>,
}

impl Exploration {
    pub fn new(target: Key, near: Vec<Contact>, entry: Vec<SocketAddrV4>) -> Self {
        let mut new = Self {
            target,
            entry,
            candidates: BTreeMap::new(),
            addresses: HashSet::new(),
            per_address: HashMap::new(),
            under_way: 0,
            asked: 0,
        };
        for contact in near {
            new.named(contact);
        }
        new
    }

    /// Somebody named a node.
    pub fn named(&mut self, contact: Contact) {
        let slot = contact.key.distance(&self.target);
        if self.candidates.contains_key(&slot) || !self.addresses.insert(contact.address) {
            return;
        }
        let ip = *contact.address.ip();
        if is_public(ip.into()) {
            let nodes = self.per_address.entry(ip).or_default();
            if *nodes >= PER_ADDRESS {
                return;
            }
            *nodes += 1;
        }
        let candidate = Candidate {
            contact,
            standing: Standing::Named,
            surveyed: false,
        };
        self.candidates.insert(slot, candidate);
    }

    /// A query was answered by a node, which is fit to store or not.
    pub fn answered(&mut self, to: To, from: Contact, fit: bool) {
        self.under_way = self.under_way.saturating_sub(1);
        if to == To::Entry {
            self.named(from);
        }
        if let Some(candidate) = self.candidate(&from.key) {
            candidate.standing = if fit {
                Standing::Answered
            } else {
                Standing::Out
            };
        }
    }

    /// A query was not answered.
    pub fn silent(&mut self, to: To) {
        self.under_way = self.under_way.saturating_sub(1);
        if let To::Node(key) = to
            && let Some(candidate) = self.candidate(&key)
        {
            candidate.standing = Standing::Out;
        }
    }

    /// What to do next. `alone` says whether no other key than the target lies
    /// in a subtree; `small` whether the whole network may be a few nodes.
    pub fn next(&mut self, alone: impl FnOnce(&Subtree) -> bool, small: bool) -> Next {
        if self.asked >= QUERIES {
            return match self.under_way {
                0 => Next::Found(self.found(false, small)),
                _ => Next::Wait,
            };
        }
        if self.under_way >= AT_ONCE {
            return Next::Wait;
        }
        if let Some(address) = self.entry.pop() {
            self.begin();
            return Next::Ask {
                to: To::Entry,
                address,
                target: self.target,
            };
        }
        if let Some(key) = self.next_of_walk() {
            return self.ask(key, self.target);
        }
        if self.is_walking() {
            return Next::Wait;
        }
        let subtree = self.subtree(small);
        let alone = alone(&subtree);
        if !alone && let Some(key) = self.next_of_survey(&subtree) {
            return self.ask(key, key);
        }
        if self.under_way > 0 {
            return Next::Wait;
        }
        Next::Found(self.found(alone, small))
    }

    /// Whether answers under way may name nearer nodes than are known.
    fn is_walking(&self) -> bool {
        let alive = self.candidates.values();
        let mut nearest = alive
            .filter(|candidate| candidate.standing != Standing::Out)
            .take(STORING);
        let asked = nearest.any(|candidate| candidate.standing == Standing::Asked);
        asked || self.under_way > 0 && self.answering().count() < STORING
    }

    fn begin(&mut self) {
        self.under_way += 1;
        self.asked += 1;
    }

    fn ask(&mut self, key: Key, target: Key) -> Next {
        let slot = key.distance(&self.target);
        let candidate = self.candidates.get_mut(&slot).expect("it was just found");
        // Who has answered stays known while it is asked again.
        if candidate.standing == Standing::Named {
            candidate.standing = Standing::Asked;
        }
        candidate.surveyed = target == key;
        let address = candidate.contact.address;
        self.begin();
        Next::Ask {
            to: To::Node(key),
            address,
            target,
        }
    }

    fn next_of_walk(&self) -> Option<Key> {
        let alive = self.candidates.values();
        let mut nearest = alive
            .filter(|candidate| candidate.standing != Standing::Out)
            .take(STORING);
        nearest
            .find(|candidate| candidate.standing == Standing::Named)
            .map(|candidate| candidate.contact.key)
    }

    fn next_of_survey(&self, subtree: &Subtree) -> Option<Key> {
        let alive = self.candidates.values();
        let mut there = alive
            .take_while(|candidate| subtree.contains(&candidate.contact.key))
            .filter(|candidate| candidate.standing != Standing::Out);
        there
            .find(|candidate| !candidate.surveyed)
            .map(|candidate| candidate.contact.key)
    }

    /// The smallest subtree around the target with enough nodes to store: the
    /// nodes nearest to any key in it are in it too.
    fn subtree(&self, small: bool) -> Subtree {
        let mut depths: Vec<_> = self.answering().map(|(depth, _)| depth).collect();
        depths.sort_unstable_by(|a, b| b.cmp(a));
        match depths.get(STORING - 1) {
            Some(depth) => self.target.subtree(*depth),
            // Few nodes are no region, unless there are no others.
            None if small && self.candidates.len() < 2 * STORING => self.target.subtree(0),
            None => self.target.subtree(BITS),
        }
    }

    fn found(&self, alone: bool, small: bool) -> Region {
        let subtree = self.subtree(small);
        if alone || subtree.depth == BITS {
            // Not surveyed: what is known is around the target only.
            let nodes = self.answering().map(|(_, key)| key);
            return Region {
                subtree: self.target.subtree(BITS),
                nodes: nodes.take(2 * STORING).collect(),
            };
        }
        let nodes = self.answering().map(|(_, key)| key);
        Region {
            subtree,
            nodes: nodes.filter(|key| subtree.contains(key)).collect(),
        }
    }

    /// Who has answered, nearest first, with the bits it shares with the target.
    fn answering(&self) -> impl Iterator<Item = (u32, Key)> {
        let candidates = self.candidates.iter();
        candidates
            .filter(|(_, candidate)| candidate.standing == Standing::Answered)
            .map(|(distance, candidate)| (distance.shared_bits(), candidate.contact.key))
    }

    fn candidate(&mut self, key: &Key) -> Option<&mut Candidate> {
        self.candidates.get_mut(&key.distance(&self.target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(number: u32, ip: Ipv4Addr) -> Contact {
        let mut key = [0; 20];
        key[..4].copy_from_slice(&number.wrapping_mul(2_654_435_761).to_be_bytes());
        let port = u16::try_from(number % 60_000).unwrap() + 1;
        Contact {
            key: Key(key),
            address: SocketAddrV4::new(ip, port),
        }
    }

    /// Runs an exploration among nodes that each know the eight around a place.
    fn explore(nodes: &[Contact], target: Key, alone: bool) -> (Region, usize) {
        let mut exploration = Exploration::new(target, nodes[..1].to_vec(), Vec::new());
        let mut queries = 0;
        loop {
            match exploration.next(|_| alone, false) {
                Next::Ask { to, target, .. } => {
                    queries += 1;
                    let To::Node(key) = to else {
                        panic!("no entry")
                    };
                    let from = *nodes.iter().find(|node| node.key == key).unwrap();
                    exploration.answered(to, from, true);
                    let mut near = nodes.to_vec();
                    near.sort_by_key(|node| node.key.distance(&target));
                    for node in near.into_iter().take(STORING) {
                        exploration.named(node);
                    }
                }
                Next::Wait => panic!("every query was answered"),
                Next::Found(region) => return (region, queries),
            }
        }
    }

    #[test]
    fn a_region_is_complete_and_serves_every_key_in_it() {
        let nodes: Vec<_> = (0..1000)
            .map(|number| contact(number, Ipv4Addr::LOCALHOST))
            .collect();
        for place in [3, 500, 999_999, 123_456] {
            let target = contact(place, Ipv4Addr::LOCALHOST).key;
            let (region, queries) = explore(&nodes, target, false);
            let there = nodes
                .iter()
                .filter(|node| region.subtree.contains(&node.key));
            let there: HashSet<_> = there.map(|node| node.key).collect();
            assert!(there.len() >= STORING);
            assert_eq!(there, region.nodes.into_iter().collect::<HashSet<_>>());
            assert!(queries <= 60, "{queries}");
        }
    }

    #[test]
    fn a_lone_key_costs_a_walk_and_no_survey() {
        let nodes: Vec<_> = (0..1000)
            .map(|number| contact(number, Ipv4Addr::LOCALHOST))
            .collect();
        let target = contact(77_777, Ipv4Addr::LOCALHOST).key;
        let (region, queries) = explore(&nodes, target, true);
        let mut nearest: Vec<_> = nodes.iter().map(|node| node.key).collect();
        nearest.sort_by_key(|key| key.distance(&target));
        assert_eq!(region.nodes[..STORING], nearest[..STORING]);
        assert_eq!(region.subtree.first, target);
        assert!(queries <= 12, "{queries}");
    }

    #[test]
    fn whoever_names_nearer_nodes_without_end_is_not_followed_for_ever() {
        let target = contact(1, Ipv4Addr::LOCALHOST).key;
        let begin = contact(2, Ipv4Addr::LOCALHOST);
        let mut exploration = Exploration::new(target, vec![begin], Vec::new());
        let mut queries = 0_u32;
        while let Next::Ask { to, address, .. } = exploration.next(|_| false, false) {
            let To::Node(key) = to else {
                panic!("no entry")
            };
            exploration.answered(to, Contact { key, address }, true);
            queries += 1;
            for number in 0..16 {
                let mut near = target;
                near.0[10..14].copy_from_slice(&(queries * 16 + number).to_be_bytes());
                near.0[4] ^= u8::try_from(200 - queries.min(200)).unwrap();
                let address =
                    SocketAddrV4::new(Ipv4Addr::from(0x0a00_0000 + queries * 16 + number), 1);
                exploration.named(Contact { key: near, address });
            }
        }
        assert_eq!(queries as usize, QUERIES);
    }

    #[test]
    fn one_public_address_is_few_nodes() {
        let target = contact(1, Ipv4Addr::LOCALHOST).key;
        let mut exploration = Exploration::new(target, Vec::new(), Vec::new());
        for number in 0..100 {
            exploration.named(contact(number, Ipv4Addr::new(9, 9, 9, 9)));
        }
        let mut queries = 0;
        while let Next::Ask { to, .. } = exploration.next(|_| false, false) {
            exploration.silent(to);
            queries += 1;
        }
        assert_eq!(queries, usize::from(PER_ADDRESS));
    }
}
