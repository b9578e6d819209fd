//! What one connection does in rooms.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use samara_core::message::{ErrorCode, Features, Reach};
use samara_core::{MemberId, Message, RequestId, Topic};
use samara_node::Asker;
use tokio::time::{Instant, Interval};

use crate::ending::Ending;
use crate::rates::Rates;
use crate::rooms::{Congested, Mailbox, RoomFull};
use crate::server::{Place, Shared};

/// Type bytes of the messages about rooms.
const ROOM_TYPES: std::ops::RangeInclusive<u8> = 16..=25;

/// A connection as a member of rooms. Dropped, it leaves them.
pub(super) struct Session {
    shared: Arc<Shared>,
    /// On whose behalf rooms are looked up.
    asker: Asker,
    mailbox: Mailbox,
    rates: Rates,
    rooms: HashMap<Topic, MemberId>,
    /// The peer's, as it says.
    features: Features,
    /// Where it comes from.
    host: IpAddr,
}

impl Session {
    pub fn new(shared: Arc<Shared>, place: &Place, mailbox: Mailbox, features: Features) -> Self {
        let rates = Rates::new(&shared.limits);
        Self {
            shared,
            asker: place.asker(),
            mailbox,
            rates,
            rooms: HashMap::new(),
            features,
            host: place.host(),
        }
    }

    /// When to tell the peer of servers again; `None` if it would not understand, or
    /// there are none.
    pub fn ice_turns(&self) -> Option<Interval> {
        let understands = self.features.contains(Features::ICE);
        understands.then(|| self.shared.ice.turns()).flatten()
    }

    /// Tells the peer of servers that help its data channels.
    pub fn tell_ice_servers(&self) {
        match self.shared.ice.message(self.host) {
            Ok(message) => self.mailbox.notify(message),
            Err(error) => tracing::warn!(%error, "a peer gets no TURN credentials"),
        }
    }

    /// Counts a message; true if it is about rooms.
    pub fn admit(&self, message: &[u8]) -> Result<bool, Ending> {
        if !self.rates.message() {
            return Err(Ending::Flood);
        }
        Ok(message
            .first()
            .is_some_and(|kind| ROOM_TYPES.contains(kind)))
    }

    /// Does what a message about rooms asks for. Takes time when what it
    /// forwards is more than may be, or more than its receiver takes.
    pub async fn handle(&mut self, bytes: &Bytes) -> Result<(), Ending> {
        match Message::decode(bytes).map_err(|_| Ending::Malformed)? {
            Message::Join { topic, reach } => self.join(topic, reach),
            Message::Leave { topic } => self.leave(topic),
            Message::Signal {
                topic,
                member,
                sealed,
            } => self.signal(topic, member, sealed).await?,
            Message::Members { .. }
            | Message::Joined { .. }
            | Message::Left { .. }
            | Message::Sources { .. }
            | Message::IceServers { .. }
            | Message::Forward { .. }
            | Message::Taken { .. }
            | Message::Handshake(_)
            | Message::HandshakeAck(..)
            | Message::Proof(_)
            | Message::Request { .. }
            | Message::Response { .. }
            | Message::Have(_)
            | Message::Want(_)
            | Message::NotFound { .. }
            | Message::Error { .. }
            | Message::Part { .. }
            | Message::Cancel { .. }
            | Message::HaveBits { .. }
            | Message::Challenge { .. }
            | Message::Possession { .. } => return Err(Ending::Unexpected),
        }
        Ok(())
    }

    fn join(&mut self, topic: Topic, reach: Reach) {
        let known = self.rooms.get(&topic).copied();
        if !self.rates.join() {
            return self.refuse(ErrorCode::TOO_MANY, "too many rooms in a minute");
        }
        if known.is_none() && self.rooms.len() >= self.shared.limits.rooms_per_connection {
            return self.refuse(ErrorCode::TOO_MANY, "too many rooms at once");
        }
        let rooms = &self.shared.rooms;
        match rooms.join(topic, reach, known, &self.mailbox) {
            Ok(member) => {
                self.rooms.insert(topic, member);
                self.shared.metrics.joins.increment(1);
                if let Some(lookout) = &self.shared.lookout {
                    let may_now = || self.rates.lookup();
                    lookout.joined(topic, &self.mailbox, self.asker, may_now);
                }
            }
            Err(RoomFull) => self.refuse(ErrorCode::TOO_MANY, "the room is full"),
        }
    }

    fn leave(&mut self, topic: Topic) {
        if let Some(member) = self.rooms.remove(&topic) {
            self.shared.leave(topic, member);
        }
    }

    async fn signal(&self, topic: Topic, to: MemberId, sealed: Bytes) -> Result<(), Ending> {
        let limits = &self.shared.limits;
        if sealed.len() > limits.signal {
            return Err(Ending::LongSignal);
        }
        let Some(from) = self.rooms.get(&topic).copied() else {
            self.refuse(ErrorCode::NO_MEMBER, "you are not in that room");
            return Ok(());
        };
        let by_all = self.shared.forwarded.as_deref();
        self.rates.forward(sealed.len(), by_all).await;
        let Some(way) = self.shared.rooms.way(&topic, to) else {
            // The error alone does not say who is gone.
            let left = Message::Left { topic, member: to };
            self.mailbox.notify(left.encode());
            self.refuse(ErrorCode::NO_MEMBER, "that member has left");
            return Ok(());
        };
        let bytes = sealed.len() as u64;
        let until = Instant::now() + limits.forward_wait;
        if way.forward(topic, from, to, sealed, until).await == Err(Congested) {
            self.shared.metrics.signals_dropped.increment(1);
            self.refuse(ErrorCode::TOO_MANY, "that member is too slow");
        } else {
            self.shared.metrics.signal_messages.increment(1);
            self.shared.metrics.signal_bytes.increment(bytes);
        }
        Ok(())
    }

    fn refuse(&self, code: ErrorCode, text: &str) {
        let error = Message::Error {
            request: RequestId(0),
            code,
            text: text.into(),
        };
        self.mailbox.notify(error.encode());
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for (topic, member) in self.rooms.drain() {
            self.shared.leave(topic, member);
        }
    }
}
