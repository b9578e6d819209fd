//! Nodes that have answered.
//!
//! What others only name is not here, so nobody fills the table with nodes
//! that do not exist.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use super::key::Key;
use super::krpc::{Contact, Token};

/// Nodes remembered at most; the longest silent go. About 12 MB.
const NODES: usize = 1 << 16;

/// How long a token is used. Nodes take them for five to ten minutes.
const TOKEN_LIFE: Duration = Duration::from_mins(4);

/// Queries in a row without an answer, after which a node is forgotten.
const SILENCES: u8 = 2;

/// Refusals of a node's own fresh token, without one announcement that it
/// took, after which it is left out.
const REFUSALS: u8 = 3;

/// Announcements with another key's token that a node left unanswered in a
/// row, after which its tokens are taken to be good for one key only.
const DOUBTS: u8 = 3;

/// A node that has answered.
#[derive(Debug)]
pub(super) struct Node {
    pub address: SocketAddrV4,
    token: Option<Given>,
    answered: Instant,
    silences: u8,
    refusals: u8,
    doubts: u8,
    token_per_key: bool,
}

/// A token, as a node gave it.
#[derive(Debug)]
struct Given {
    token: Token,
    /// The key it was asked for.
    key: Key,
    at: Instant,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    nodes: BTreeMap<Key, Node>,
}

impl Table {
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn get(&self, key: &Key) -> Option<&Node> {
        self.nodes.get(key)
    }

    pub fn get_mut(&mut self, key: &Key) -> Option<&mut Node> {
        self.nodes.get_mut(key)
    }

    /// A node answered a query for nodes near `key`, maybe with a token.
    pub fn gave(&mut self, from: Contact, key: Key, token: Option<Token>, now: Instant) {
        self.answered(from, now);
        if let (Some(token), Some(node)) = (token, self.nodes.get_mut(&from.key)) {
            node.token = Some(Given {
                token,
                key,
                at: now,
            });
        }
    }

    /// A node answered.
    pub fn answered(&mut self, from: Contact, now: Instant) {
        if self.nodes.len() >= NODES && !self.nodes.contains_key(&from.key) {
            self.forget_oldest();
        }
        let node = self.nodes.entry(from.key).or_insert_with(|| Node {
            address: from.address,
            token: None,
            answered: now,
            silences: 0,
            refusals: 0,
            doubts: 0,
            token_per_key: false,
        });
        node.address = from.address;
        node.answered = now;
        node.silences = 0;
    }

    /// A node did not answer; true if it is forgotten now.
    pub fn silent(&mut self, key: &Key) -> bool {
        let Some(node) = self.nodes.get_mut(key) else {
            return true;
        };
        node.silences += 1;
        let gone = node.silences >= SILENCES;
        if gone {
            self.nodes.remove(key);
        }
        gone
    }

    /// A node is not who it was said to be.
    pub fn remove(&mut self, key: &Key) {
        self.nodes.remove(key);
    }

    /// Some nodes near a place, for a walk to begin with.
    pub fn near(&self, target: &Key, most: usize) -> Vec<Contact> {
        // What is nearest by bits is among the nearest by number on either side.
        let above = self.nodes.range(target..).take(most);
        let below = self.nodes.range(..target).rev().take(most);
        let contact = |(key, node): (&Key, &Node)| Contact {
            key: *key,
            address: node.address,
        };
        let mut near: Vec<_> = above.chain(below).map(contact).collect();
        near.sort_by_key(|contact| contact.key.distance(target));
        near.truncate(most);
        near
    }

    fn forget_oldest(&mut self) {
        let mut times: Vec<_> = self.nodes.values().map(|node| node.answered).collect();
        let quarter = times.len() / 4;
        let (_, oldest, _) = times.select_nth_unstable(quarter);
        let oldest = *oldest;
        self.nodes.retain(|_, node| node.answered > oldest);
    }
}

impl Node {
    /// A token that should be good for the key.
    pub fn token(&self, key: &Key, now: Instant) -> Option<&Token> {
        let given = self.token.as_ref()?;
        let fits = !self.token_per_key || given.key == *key;
        (fits && now.duration_since(given.at) < TOKEN_LIFE).then_some(&given.token)
    }

    /// It took an announcement.
    pub fn took(&mut self) {
        (self.refusals, self.doubts) = (0, 0);
    }

    /// It refused another key's token.
    pub fn refused_token(&mut self) {
        self.token_per_key = true;
    }

    /// It left an announcement with another key's token unanswered.
    pub fn ignored_token(&mut self) {
        self.doubts = self.doubts.saturating_add(1);
        if self.doubts >= DOUBTS {
            self.token_per_key = true;
        }
    }

    /// It refused an announcement with a token it had just given.
    pub fn refused(&mut self) {
        self.refusals = self.refusals.saturating_add(1);
    }

    /// Whether announcements are wasted on it.
    pub fn is_useless(&self) -> bool {
        self.refusals >= REFUSALS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(number: u32) -> Contact {
        let mut key = [0; 20];
        key[..4].copy_from_slice(&number.reverse_bits().to_be_bytes());
        Contact {
            key: Key(key),
            address: SocketAddrV4::new(number.into(), 1),
        }
    }

    #[test]
    fn a_flood_of_nodes_displaces_those_longest_silent() {
        let start = Instant::now();
        let mut table = Table::default();
        let second = Duration::from_secs(1);
        for number in 0..100_000 {
            table.answered(contact(number), start + second * number);
        }
        assert!(table.len() <= NODES);
        assert!(table.get(&contact(99_999).key).is_some());
        assert!(table.get(&contact(0).key).is_none());
    }

    #[test]
    fn a_node_that_is_silent_twice_in_a_row_is_forgotten() {
        let now = Instant::now();
        let mut table = Table::default();
        let node = contact(1);
        table.answered(node, now);
        assert!(!table.silent(&node.key));
        table.answered(node, now);
        assert!(!table.silent(&node.key));
        assert!(table.silent(&node.key));
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn the_nearest_come_first() {
        let now = Instant::now();
        let mut table = Table::default();
        for number in 0..1000 {
            table.answered(contact(number), now);
        }
        let target = contact(77).key;
        let mut all: Vec<_> = (0..1000).map(|number| contact(number).key).collect();
        all.sort_by_key(|key| key.distance(&target));
        let near: Vec<_> = table.near(&target, 8).iter().map(|c| c.key).collect();
        assert_eq!(near, all[..8]);
    }
}
