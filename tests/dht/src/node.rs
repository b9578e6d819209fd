//! One node: what it knows, what it stores, what it answers.

use std::collections::HashMap;
use std::net::SocketAddrV4;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_bytes::ByteBuf;
use sha2::{Digest as _, Sha256};

use crate::message::{Answer, Query, Reply};
use crate::{Key, STORING, Tokens, distance};

/// Nodes in one bucket of a routing table.
const BUCKET: usize = 8;

/// Addresses named for one key.
const VALUES: usize = 20;

pub struct Node {
    key: Key,
    address: SocketAddrV4,
    table: Vec<(Key, SocketAddrV4)>,
    secret: [u8; 20],
    tokens: Tokens,
    stored: Mutex<HashMap<Key, Vec<SocketAddrV4>>>,
}

impl Node {
    /// A node whose routing table was filled from all there are.
    pub fn new(key: Key, all: &[(Key, SocketAddrV4)], secret: [u8; 20], tokens: Tokens) -> Self {
        let own = all.iter().find(|(other, _)| *other == key);
        let (_, address) = *own.expect("a node is one of all");
        let mut buckets: HashMap<u32, Vec<(Key, SocketAddrV4)>> = HashMap::new();
        let mut others: Vec<_> = all.iter().filter(|(other, _)| *other != key).collect();
        // Each node has met others in an order of its own.
        others.sort_by_key(|(other, _)| Sha256::digest([secret, *other].concat()));
        for other in others {
            let bucket = buckets.entry(shared_bits(&key, &other.0)).or_default();
            if bucket.len() < BUCKET {
                bucket.push(*other);
            }
        }
        Self {
            key,
            address,
            table: buckets.into_values().flatten().collect(),
            secret,
            tokens,
            stored: Mutex::default(),
        }
    }

    pub fn key(&self) -> &Key {
        &self.key
    }

    pub fn address(&self) -> SocketAddrV4 {
        self.address
    }

    pub fn stored(&self) -> Vec<Key> {
        self.lock().keys().copied().collect()
    }

    /// The answer to a packet; `None` to what is no query.
    pub fn answer(&self, from: SocketAddrV4, packet: &[u8]) -> Option<Vec<u8>> {
        let query: Query = serde_bencode::from_bytes(packet).ok()?;
        let mut values = Reply {
            id: ByteBuf::from(self.key),
            ..Reply::default()
        };
        let key = query.a.key();
        match (query.q.as_str(), key) {
            ("ping", _) => {}
            ("find_node", Some(key)) => values.nodes = Some(self.nearest(&key)),
            // Values of BEP 44 are not kept here; whoever asks gets a token.
            ("get_peers" | "get", Some(key)) => {
                values.nodes = Some(self.nearest(&key));
                values.token = Some(ByteBuf::from(self.token(from, &key)));
                values.values = self.values(&key);
            }
            ("announce_peer", Some(key)) => {
                let token = query.a.token.unwrap_or_default();
                if token.as_slice() != self.token(from, &key) {
                    return Some(encode(None, Some((203, "bad token")), query.t));
                }
                let port = match query.a.implied_port {
                    Some(1..) => from.port(),
                    Some(0) | None => query.a.port?,
                };
                self.store(key, SocketAddrV4::new(*from.ip(), port));
            }
            _ => return Some(encode(None, Some((204, "unknown method")), query.t)),
        }
        Some(encode(Some(values), None, query.t))
    }

    fn nearest(&self, target: &Key) -> ByteBuf {
        let mut nearest: Vec<_> = self.table.iter().collect();
        if nearest.len() > STORING {
            nearest.select_nth_unstable_by_key(STORING, |(key, _)| distance(key, target));
            nearest.truncate(STORING);
        }
        let mut compact = Vec::new();
        for (key, address) in nearest {
            compact.extend(key);
            compact.extend(self::compact(*address));
        }
        compact.into()
    }

    fn token(&self, from: SocketAddrV4, key: &Key) -> [u8; 8] {
        let mut hash = Sha256::new();
        hash.update(self.secret);
        hash.update(from.ip().octets());
        if self.tokens == Tokens::PerKey {
            hash.update(key);
        }
        let hash: [u8; 32] = hash.finalize().into();
        std::array::from_fn(|i| hash[i])
    }

    fn values(&self, key: &Key) -> Option<Vec<ByteBuf>> {
        let stored = self.lock();
        let values = stored.get(key)?.iter().take(VALUES);
        Some(values.map(|address| compact(*address).into()).collect())
    }

    fn store(&self, key: Key, address: SocketAddrV4) {
        let mut stored = self.lock();
        let addresses = stored.entry(key).or_default();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Vec<SocketAddrV4>>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn encode(r: Option<Reply>, e: Option<(u16, &'static str)>, t: ByteBuf) -> Vec<u8> {
    let y = if r.is_some() { "r" } else { "e" };
    serde_bencode::to_bytes(&Answer { e, r, t, y }).expect("byte strings can be written")
}

fn compact(address: SocketAddrV4) -> Vec<u8> {
    let mut compact = address.ip().octets().to_vec();
    compact.extend(address.port().to_be_bytes());
    compact
}

fn shared_bits(a: &Key, b: &Key) -> u32 {
    let distance = distance(a, b);
    let zeros = distance.iter().take_while(|byte| **byte == 0).count();
    let rest = distance.get(zeros).map_or(0, |byte| byte.leading_zeros());
    u32::try_from(zeros * 8).expect("a key has 160 bits") + rest
}
