//! Seeking: what others want is looked up in the DHT by those who can.
//!
//! A browser asks the peers it has, and those ask theirs. What none of them
//! holds may be kept by a host somewhere that knows no more than the blob, and
//! announced it ([`Output::LookupBlob`]). One lookup at a time, so that no asker
//! makes this peer flood the DHT; whoever is found is asked for that blob, and
//! once it has that one, for what the same askers want besides.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use rand_core::Rng as _;
use samara_core::{BlobId, PeerId, Topic};

use crate::Swarm;
use crate::connection::{Connection, Peer, Scope};
use crate::face::{ConnectionId, Output};
use crate::time::{Millis, Time};
use crate::wanted::FOR_OTHERS;

/// Between two lookups, for whomever.
const EVERY: Millis = Millis::seconds(2);

/// How long whoever was found has to say that it holds the blob, and how long
/// it may give nothing after.
const PATIENCE: Millis = Millis::seconds(60);

/// What is looked for, and who was found.
#[derive(Default)]
pub(crate) struct Seeking {
    seek_at: Option<Time>,
    /// When the next lookup may be for a peer that asks.
    turns: BTreeMap<PeerId, Time>,
    /// Peers dialed because the DHT named them.
    found: BTreeMap<ConnectionId, Found>,
}

/// A peer that is said to hold a blob.
struct Found {
    blob: BlobId,
    /// It held it.
    held: bool,
    until: Time,
}

impl Seeking {
    /// Peers remembered.
    pub(crate) fn len(&self) -> usize {
        self.turns.len() + self.found.len()
    }
}

impl Swarm {
    /// A want of others stands: it is looked up if nobody has it for long.
    pub(crate) fn seek_later(&mut self) {
        if self.config.lookup {
            let at = self.now + self.config.limits.lookup_blobs_after;
            let at = *self.seeking.seek_at.get_or_insert(at);
            self.arm(at);
        }
    }

    /// Looks one blob up, and leaves those who are of no use any more.
    pub(crate) fn run_seeking(&mut self) {
        let Some(at) = self.seeking.seek_at else {
            return;
        };
        if at > self.now {
            return self.arm(at);
        }
        self.leave_found();
        self.seeking.seek_at = None;
        if self.has_favours() || !self.seeking.found.is_empty() {
            let next = self.now + EVERY;
            self.seeking.seek_at = Some(next);
            self.arm(next);
        } else {
            self.seeking.turns.clear();
        }
        if let Some((asker, blob)) = self.next_to_seek() {
            let next = self.now + self.config.limits.lookup_every;
            self.seeking.turns.insert(asker, next);
            let topic = key_of(&blob);
            self.outputs.push_back(Output::LookupBlob { topic, blob });
        }
    }

    /// What is looked up next, and for whom; of those whose turn it is, by
    /// chance.
    fn next_to_seek(&mut self) -> Option<(PeerId, BlobId)> {
        let now = self.now;
        self.seeking.turns.retain(|_, at| *at > now);
        let mut from = [0; 32];
        self.rng.fill_bytes(&mut from);
        let due = |peer| !self.seeking.turns.contains_key(&peer);
        self.long_favour(BlobId::from_bytes(from), due)
    }

    /// The DHT named peers that announced a blob which others want.
    pub(crate) fn on_found_for_others(&mut self, key: Topic, addresses: Vec<String>) {
        let Some(blob) = self.favour_of(key) else {
            return;
        };
        let until = self.now + PATIENCE;
        let found = Found {
            blob,
            held: false,
            until,
        };
        let most = self.config.limits.dials_per_transfer;
        for address in addresses {
            if self.seeking.found.len() >= most {
                return;
            }
            let scope = Scope::Only([FOR_OTHERS].into());
            if !self.is_dialed(&address)
                && let Some(id) = self.dial(address, scope)
            {
                self.seeking.found.insert(id, Found { ..found });
            }
        }
    }

    /// A peer's handshake is done: if it was found, it is asked for the blob.
    pub(crate) fn ask_found(&mut self, id: ConnectionId) {
        if let Some(found) = self.seeking.found.get(&id) {
            let blob = found.blob;
            self.pass_to(id, [blob].into());
        }
    }

    /// A peer holds blobs: one that was found and holds what it was found for
    /// is asked for all that the same askers want.
    pub(crate) fn on_found_have(&mut self, id: ConnectionId, blobs: &[BlobId]) {
        let until = self.now + PATIENCE;
        let Some(found) = self.seeking.found.get_mut(&id) else {
            return;
        };
        found.until = until;
        let blob = found.blob;
        if found.held || !blobs.contains(&blob) {
            return;
        }
        found.held = true;
        let besides = self.wanted_beside(&blob);
        self.pass_to(id, besides);
    }

    /// Ends connections to those who were found and have nothing to give.
    fn leave_found(&mut self) {
        let now = self.now;
        let mut left = Vec::new();
        let connections = &self.connections;
        self.seeking.found.retain(|id, found| {
            let Some(connection) = connections.get(id) else {
                return false;
            };
            let busy = connection.ready().is_some_and(|peer| !peer.is_idle());
            if busy {
                found.until = now + PATIENCE;
            }
            let over = found.until <= now;
            // It may have become of use to more than others by now.
            if over && is_for_others(connection) {
                left.push(*id);
            }
            !over
        });
        for id in left {
            self.close(id, "nothing is wanted of the peer any more");
        }
    }

    /// Tells a peer of wants of others, whatever it makes of such.
    fn pass_to(&mut self, id: ConnectionId, blobs: BTreeSet<BlobId>) {
        let most = self.config.limits.wants_per_peer / 2;
        let mut wants = Vec::new();
        for blob in blobs {
            let told = |peer: &Peer| peer.telling.passed.len() < most;
            if !self.peer_mut(id).is_some_and(|peer| told(peer)) {
                break;
            }
            let Some(hops) = self.tell_favour(id, &blob) else {
                continue;
            };
            wants.push((blob, hops));
        }
        self.send_wants(id, wants);
    }
}

/// Whether a connection serves wants of others alone.
fn is_for_others(connection: &Connection) -> bool {
    match &connection.scope {
        Scope::Everything => false,
        Scope::Only(scope) => scope.iter().all(|of| *of == FOR_OTHERS),
    }
}

/// What a blob is announced under (`docs/protocol.md`, "DHT").
fn key_of(blob: &BlobId) -> Topic {
    let (key, _) = blob.as_bytes().split_first_chunk().expect("20 of 32 bytes");
    Topic::from_bytes(*key)
}

/// The least id whose key is this.
pub(crate) fn least_of(key: Topic) -> BlobId {
    let mut least = [0; 32];
    least[..20].copy_from_slice(key.as_bytes());
    BlobId::from_bytes(least)
}
