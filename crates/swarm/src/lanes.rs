//! Lanes: several data channels with one peer, where one is too slow.
//!
//! How many there are is found by trial ([`crate::trial`]).
//!
//! One channel of a peer is the first, the others are lanes beside it: they
//! carry blobs, and count for nothing else. When the first ends, a lane takes
//! its place.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use samara_core::PeerId;

use crate::Swarm;
use crate::connection::{Carrier, Connection, Peer, Scope};
use crate::face::{ConnectionId, Path, Source, TransferId};
use crate::time::Millis;

/// How long a channel has to come about, and its peer to say what it holds.
pub(crate) const OPENING: Millis = Millis::seconds(5);

/// Why a lane ends, for a person.
pub(crate) const NOT_NEEDED: &str = "fewer data channels do as well";

/// Every channel of each peer that has several.
#[derive(Default)]
pub(crate) struct Lanes(BTreeMap<PeerId, Vec<ConnectionId>>);

impl Swarm {
    /// A peer's handshake is done: if it has a channel, this one is beside it.
    pub(crate) fn join_lanes(&mut self, id: ConnectionId) {
        let Some(peer) = self.connections.get(&id).and_then(channel) else {
            return;
        };
        let mut connections = self.connections.iter();
        let first = connections.find(|(other, connection)| {
            **other != id && !connection.lane && channel(connection) == Some(peer)
        });
        let Some((first, beside)) = first else {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.lane = false;
            }
            return;
        };
        let first = *first;
        let named = beside.ready().map(|peer| peer.shown.named());
        let scope = match &beside.scope {
            Scope::Only(scope) => scope.clone(),
            Scope::Everything => BTreeSet::new(),
        };
        let channels = self.lanes.0.entry(peer);
        channels.or_insert_with(|| [first].into()).push(id);
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.lane = true;
        if let Scope::Only(of) = &mut connection.scope {
            of.extend(scope);
        }
        if let (Some(peer), Some(named)) = (connection.ready_mut(), named) {
            peer.shown.name_all(named);
        }
    }

    /// A peer's channel is gone. If it was the first, another takes its place.
    pub(crate) fn leave_lanes(&mut self, id: ConnectionId, gone: &mut Peer, lane: bool) {
        let Some(channels) = self.lanes.0.get_mut(&gone.id) else {
            return;
        };
        channels.retain(|other| *other != id);
        let first = if lane {
            let first = channels.iter().find(|id| {
                let connection = self.connections.get(id);
                connection.is_some_and(|connection| !connection.lane)
            });
            first.copied()
        } else {
            let leaves = |id: &&ConnectionId| {
                let peer = self.connections.get(id).and_then(Connection::ready);
                peer.is_none_or(|peer| peer.leaving.is_some())
            };
            channels.iter().min_by_key(leaves).copied()
        };
        let left = channels.clone();
        if left.len() < 2 {
            self.lanes.0.remove(&gone.id);
        }
        let Some(first) = first else {
            return;
        };
        if let Some(connection) = self.connections.get_mut(&first) {
            connection.lane = false;
            if let Some(peer) = connection.ready_mut() {
                for (transfer, bytes) in core::mem::take(&mut gone.asking.gave) {
                    *peer.asking.gave.entry(transfer).or_default() += bytes;
                }
                if !lane {
                    for blob in peer.asking.has.keys() {
                        self.wanted.gain_holder(blob);
                    }
                }
            }
        }
        // It may have waited for them all.
        for id in left {
            self.wait_again(id);
        }
    }

    /// Whether a peer has as many channels as it may have. One more is for a
    /// peer that comes from another address before the old ones ended.
    pub(crate) fn has_all_lanes(&self, new: ConnectionId, peer: &Peer) -> bool {
        let most = self.config.limits.channels;
        let channels = self.lanes.0.get(&peer.id);
        let met = self.connections.get(&new).map(Connection::meeting);
        met.flatten().is_some() && channels.is_some_and(|channels| channels.len() > most)
    }

    /// The channels of a connection's peer, from behind this one on; empty if
    /// it is the only one.
    pub(crate) fn siblings(&self, id: ConnectionId) -> impl Iterator<Item = ConnectionId> {
        let peer = self.connections.get(&id).and_then(Connection::ready);
        let channels = peer.and_then(|peer| self.lanes.0.get(&peer.id));
        let channels = channels.map_or(&[][..], Vec::as_slice);
        let at = channels.iter().position(|other| *other == id);
        let (before, behind) = channels.split_at(at.unwrap_or_default());
        let others = behind.iter().chain(before).copied();
        others.filter(move |other| *other != id)
    }

    /// Transfers whose holdings are shown on the channel that a lane is beside:
    /// nothing else need be said of them on the lane.
    pub(crate) fn shown_beside(&self, id: ConnectionId) -> Vec<TransferId> {
        if !self.connections.get(&id).is_some_and(|c| c.lane) {
            return Vec::new();
        }
        let siblings = self.siblings(id).filter_map(|id| self.connections.get(&id));
        let first = siblings.filter(|connection| !connection.lane);
        let first = first.filter_map(Connection::ready);
        first.flat_map(|peer| peer.shown.mutual()).collect()
    }

    /// Sources with the lanes of each as one.
    pub(crate) fn united(&self, sources: impl Iterator<Item = Source>) -> Vec<Source> {
        let mut united: Vec<Source> = Vec::new();
        for source in sources {
            if !self.lanes.0.contains_key(&source.peer) {
                united.push(source);
                continue;
            }
            let same = |of: &&mut Source| (of.peer, of.path) == (source.peer, source.path);
            match united.iter_mut().find(same) {
                None => united.push(source),
                Some(of) => {
                    of.channels += source.channels;
                    of.bytes += source.bytes;
                    of.rate += source.rate;
                    of.sent += source.sent;
                    of.requests += source.requests;
                    of.round_trip = match (of.round_trip, source.round_trip) {
                        (Some(one), Some(other)) => Some(one.min(other)),
                        (one, other) => one.or(other),
                    };
                }
            }
        }
        united
    }

    /// Ends lanes that were begun here once nothing is to be had by them.
    pub(crate) fn end_idle_lanes(&mut self) {
        // What it holds may not have been said yet.
        let idle = |peer: &Peer| peer.is_idle() && peer.since + OPENING <= self.now;
        let ends = |id: &&ConnectionId| {
            let lane = self.connections.get(id).filter(|connection| {
                let began = connection.meeting().is_some_and(|meeting| meeting.began);
                connection.lane && began
            });
            lane.and_then(Connection::ready).is_some_and(idle)
        };
        let channels = self.lanes.0.values().flatten();
        for id in channels.filter(ends).copied().collect::<Vec<_>>() {
            self.close(id, NOT_NEEDED);
        }
    }
}

/// Whose data channel a connection is, if it is one that stands.
pub(crate) fn channel(connection: &Connection) -> Option<PeerId> {
    let peer = connection.ready()?;
    let met = connection.meeting().is_some() && connection.carrier == Carrier::Driver;
    (met && peer.path == Path::WebRtc).then_some(peer.id)
}
