//! What honest machines say to each other, opened for the checks: messages on
//! wires, and those inside the circuits of relays.

use bytes::Bytes;
use samara_core::derive::SignalKey;
use samara_core::{MemberId, Message, Topic};

use crate::net::Net;
use crate::net::wire::{Side, WireId};
use crate::plan::{Host, Kind};

/// A connection as the checks know it: a wire, or a session inside one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Talk {
    pub(crate) wire: WireId,
    pub(crate) session: Option<(Topic, MemberId, u32)>,
}

/// Content of a sealed signal that concerns a circuit.
enum Inside {
    Message(u32, Bytes),
    Bye(u32),
}

impl Net {
    pub(super) fn watch_sent(&mut self, host: Host, wire: WireId, side: Side, bytes: &Bytes) {
        if self.plan.host(host).is_honest() {
            self.watch(host, wire, side, bytes, true);
        }
    }

    pub(super) fn watch_heard(&mut self, host: Host, wire: WireId, side: Side, bytes: &Bytes) {
        if self.plan.host(host).is_honest() {
            self.watch(host, wire, side, bytes, false);
        }
    }

    fn watch(&mut self, host: Host, wire: WireId, side: Side, bytes: &Bytes, sent: bool) {
        let Some(far) = self.wires.get(&wire).map(|w| w.end(side.other()).host) else {
            return;
        };
        let Ok(message) = Message::decode(bytes) else {
            return self.checks.on_unreadable(host, self.now, sent);
        };
        match message {
            Message::Signal {
                topic,
                member,
                sealed,
            } if self.plan.host(far).kind == Kind::Relay => {
                self.watch_circuit(host, far, wire, (topic, member), &sealed, sent);
            }
            Message::Left { topic, member } if !sent => {
                self.checks.on_member_left(host, wire, topic, member);
            }
            message => {
                let session = None;
                self.checked(host, far, Talk { wire, session }, &message, sent);
            }
        }
    }

    fn checked(&mut self, host: Host, far: Host, talk: Talk, message: &Message, sent: bool) {
        let (now, store) = (self.now, &self.hosts[host.0].store);
        if sent {
            self.checks.on_said(host, far, talk, now, message, store);
        } else {
            self.checks.on_heard(host, far, talk, message);
        }
    }

    fn watch_circuit(
        &mut self,
        host: Host,
        relay: Host,
        wire: WireId,
        (topic, member): (Topic, MemberId),
        sealed: &[u8],
        sent: bool,
    ) {
        let you = self.rooms.number(relay, topic, wire);
        let far = self.rooms.wire(relay, topic, member);
        let far = far.and_then(|(far, side)| Some(self.wires.get(&far)?.end(side.other()).host));
        // Nothing said comes to a member that left, or from one that did; the
        // relay's word of it may be under way for long.
        if sent && (you.is_none() || far.is_none()) {
            self.checks.on_member_left(host, wire, topic, member);
        }
        let (Some(you), Some(key)) = (you, self.keys.get(&topic)) else {
            return;
        };
        let (from, to) = if sent { (you, member) } else { (member, you) };
        let inside = open(key, topic, from, to, sealed);
        match inside {
            Some(Inside::Message(session, bytes)) => {
                let session = Some((topic, member, session));
                if let (Some(far), Ok(message)) = (far, Message::decode(&bytes)) {
                    self.checked(host, far, Talk { wire, session }, &message, sent);
                }
            }
            Some(Inside::Bye(session)) => {
                let session = Some((topic, member, session));
                self.checks.on_talk_over(host, Talk { wire, session });
            }
            None => {}
        }
    }
}

/// Opens a signal (`docs/protocol.md`, "Signaling").
fn open(
    key: &SignalKey,
    topic: Topic,
    from: MemberId,
    to: MemberId,
    sealed: &[u8],
) -> Option<Inside> {
    const CIRCUIT: u8 = 4;
    const BYE: u8 = 5;
    let context = [
        &topic.as_bytes()[..],
        &from.0.to_be_bytes(),
        &to.0.to_be_bytes(),
    ]
    .concat();
    let plain = key.open(&context, sealed).ok()?;
    let (header, _) = plain.split_first_chunk::<9>()?;
    let [kind, a, b, c, d, ..] = *header;
    let session = u32::from_be_bytes([a, b, c, d]);
    match kind {
        CIRCUIT => Some(Inside::Message(session, Bytes::from(plain).slice(9..))),
        BYE => Some(Inside::Bye(session)),
        _ => None,
    }
}
