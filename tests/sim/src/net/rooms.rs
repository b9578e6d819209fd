//! Rooms on relays, as `docs/protocol.md` has them. The relay's own code runs
//! on sockets and threads; this is the same behaviour without either.

use std::collections::BTreeMap;

use bytes::Bytes;
use samara_core::message::{ErrorCode, Reach};
use samara_core::{MemberId, Message, RequestId, Topic};

use crate::dice::Dice;
use crate::net::Net;
use crate::net::wire::{Side, WireId};
use crate::plan::{Host, Kind};
use crate::time::Span;

/// The newest members are listed and told.
const TOLD: usize = 256;
/// Forwarded to one connection and not yet sent, in bytes.
const FORWARDED: u64 = 4 << 20;

/// All rooms of all relays; members in the order of their coming.
pub(crate) struct Rooms {
    dice: Dice,
    by_topic: BTreeMap<(Host, Topic), Vec<Member>>,
}

#[derive(Clone, Copy)]
struct Member {
    id: MemberId,
    reach: Reach,
    /// The relay's end of its connection.
    wire: WireId,
    side: Side,
}

impl Rooms {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed, 2),
            by_topic: BTreeMap::new(),
        }
    }

    fn room(&self, relay: Host, topic: Topic) -> &[Member] {
        self.by_topic.get(&(relay, topic)).map_or(&[], |room| room)
    }

    /// Under what number whoever is at the other end of a relay's connection
    /// is in a room.
    pub(super) fn number(&self, relay: Host, topic: Topic, wire: WireId) -> Option<MemberId> {
        let mut room = self.room(relay, topic).iter();
        let member = room.find(|member| member.wire == wire);
        member.map(|member| member.id)
    }

    /// The connection of a member.
    pub(super) fn wire(&self, relay: Host, topic: Topic, id: MemberId) -> Option<(WireId, Side)> {
        let mut room = self.room(relay, topic).iter();
        let member = room.find(|member| member.id == id);
        member.map(|member| (member.wire, member.side))
    }
}

impl Net {
    /// Something came to an end of a wire.
    pub(super) fn receive(&mut self, id: WireId, side: Side, bytes: Bytes) {
        let Some(wire) = self.wires.get(&id).filter(|wire| wire.is_up(side)) else {
            return;
        };
        let end = wire.end(side);
        self.trace.note(self.now, end.host.0, &bytes);
        let of_rooms = matches!(bytes.first(), Some(16 | 17 | 21));
        if self.plan.host(end.host).kind == Kind::Relay && of_rooms {
            return self.on_room_message(end.host, id, side, &bytes);
        }
        self.watch_heard(end.host, id, side, &bytes);
        if let Some(liar) = &mut self.host(end.host).liar {
            let (pass, said) = liar.hears(end.connection, &bytes);
            for message in said {
                self.send_extra(id, side, message);
            }
            if !pass {
                return;
            }
        }
        self.tell(end.host, |peer| peer.received(end.connection, bytes));
    }

    fn on_room_message(&mut self, relay: Host, wire: WireId, side: Side, bytes: &Bytes) {
        match Message::decode(bytes) {
            Ok(Message::Join { topic, reach }) => self.on_join(relay, topic, reach, wire, side),
            Ok(Message::Leave { topic }) => self.leave_room(relay, topic, wire),
            Ok(Message::Signal {
                topic,
                member,
                sealed,
            }) => {
                self.on_signal(relay, topic, (wire, side), member, sealed);
            }
            // What makes no sense to a relay ends the connection.
            Ok(_) | Err(_) => self.close(wire, side),
        }
    }

    fn on_join(&mut self, relay: Host, topic: Topic, reach: Reach, wire: WireId, side: Side) {
        let room = self.rooms.by_topic.entry((relay, topic)).or_default();
        let known = room.iter_mut().find(|member| member.wire == wire);
        let you = if let Some(known) = known {
            known.reach = reach;
            known.id
        } else {
            let id = MemberId(self.rooms.dice.below(u64::MAX));
            let newest = room.iter().rev().take(TOLD);
            let told: Vec<_> = newest.map(|member| (member.wire, member.side)).collect();
            room.push(Member {
                id,
                reach,
                wire,
                side,
            });
            let member = id;
            let joined = Message::Joined {
                topic,
                member,
                reach,
            };
            self.tell_members(told, &joined);
            id
        };
        let room = self.rooms.room(relay, topic).iter().rev();
        let others = room.filter(|member| member.id != you).take(TOLD);
        let members = others.map(|member| (member.id, member.reach)).collect();
        let members = Message::Members {
            topic,
            you,
            members,
        };
        self.send_extra(wire, side, members.encode());
        self.send_sources(topic, wire, side);
    }

    /// A relay looks its rooms' topics up; here it finds them at once.
    fn send_sources(&mut self, topic: Topic, wire: WireId, side: Side) {
        let urls = self.announced(topic);
        let addresses: Vec<_> = urls
            .iter()
            .filter_map(|url| url.strip_prefix("ws://")?.strip_suffix("/ws"))
            .map(String::from)
            .collect();
        if !addresses.is_empty() {
            let sources = Message::Sources { topic, addresses };
            self.send_extra(wire, side, sources.encode());
        }
    }

    fn leave_room(&mut self, relay: Host, topic: Topic, wire: WireId) {
        let Some(room) = self.rooms.by_topic.get_mut(&(relay, topic)) else {
            return;
        };
        let Some(at) = room.iter().position(|member| member.wire == wire) else {
            return;
        };
        let member = room.remove(at).id;
        let newest = room.iter().rev().take(TOLD);
        let told: Vec<_> = newest.map(|member| (member.wire, member.side)).collect();
        if room.is_empty() {
            self.rooms.by_topic.remove(&(relay, topic));
        }
        self.tell_members(told, &Message::Left { topic, member });
    }

    /// A connection ended at one side; if that is a relay's, its rooms are
    /// left.
    pub(super) fn leave_rooms(&mut self, wire: WireId, side: Side) {
        let rooms = self.rooms.by_topic.iter();
        let is_it = |member: &Member| (member.wire, member.side) == (wire, side);
        let inside = rooms.filter(|(_, room)| room.iter().any(is_it));
        let inside: Vec<_> = inside.map(|(key, _)| *key).collect();
        for (relay, topic) in inside {
            self.leave_room(relay, topic, wire);
        }
    }

    fn on_signal(
        &mut self,
        relay: Host,
        topic: Topic,
        from: (WireId, Side),
        to: MemberId,
        sealed: Bytes,
    ) {
        let (wire, side) = from;
        let sender = self.rooms.number(relay, topic, wire);
        let receiver = self.rooms.wire(relay, topic, to);
        let (Some(member), Some((far, far_side))) = (sender, receiver) else {
            if sender.is_some() {
                let left = Message::Left { topic, member: to };
                self.send_extra(wire, side, left.encode());
            }
            return self.refuse(from, ErrorCode::NO_MEMBER, "no such member");
        };
        if self.backlog(far, far_side) > FORWARDED {
            return self.refuse(from, ErrorCode::TOO_MANY, "the member takes too little");
        }
        let signal = Message::Signal {
            topic,
            member,
            sealed,
        };
        self.send_extra(far, far_side, signal.encode());
    }

    fn refuse(&mut self, (wire, side): (WireId, Side), code: ErrorCode, text: &str) {
        let error = Message::Error {
            request: RequestId(0),
            code,
            text: text.into(),
        };
        self.send_extra(wire, side, error.encode());
    }

    fn tell_members(&mut self, told: Vec<(WireId, Side)>, message: &Message) {
        let message = message.encode();
        for (wire, side) in told {
            self.send_extra(wire, side, message.clone());
        }
    }

    /// A liar's machine believes its message sent.
    pub(super) fn tell_later(
        &mut self,
        host: Host,
        connection: crate::peer::ConnectionId,
        bytes: usize,
    ) {
        if let Some(life) = self.host(host).life() {
            let event = super::Event::Drained(life, connection, bytes);
            self.after(Span::millis(1), event);
        }
    }
}
