//! Signaling: what members of a room say to each other, sealed against the
//! relay that carries it. Offers, answers and candidates become data channels;
//! circuits are whole connections made of signals.

use alloc::string::String;

use bytes::Bytes;
use samara_core::derive::SignalKey;
use samara_core::{MemberId, Message, Topic};

use crate::Swarm;
use crate::connection::{Carrier, Connection, Meeting};
use crate::face::{ConnectionId, Output, Path, Signal};
use crate::signal::{Whisper, context};

/// Channels to one member in the making beside those it may have: an attempt
/// that failed over there is not known to have failed here.
const ATTEMPTS: usize = 4;

impl Swarm {
    /// The driver's end of a data channel has something to say to the other.
    pub(crate) fn on_local_signal(&mut self, id: ConnectionId, signal: Signal) {
        let Some(meeting) = self.connections.get(&id).and_then(|c| c.meeting().copied()) else {
            return;
        };
        self.whisper(id, meeting, &Whisper::WebRtc(signal), 0);
    }

    /// Seals something for a member and sends it through the relay, counted
    /// for `owner` until it is on its way. `served` bytes of it are of a blob.
    fn whisper(&mut self, owner: ConnectionId, meeting: Meeting, whisper: &Whisper, served: usize) {
        let Meeting {
            relay,
            topic,
            member,
            session,
            ..
        } = meeting;
        let you = self.rooms.get(&(relay, topic)).map(|room| room.you);
        let (Some(you), Some(key)) = (you, self.signal_key(topic)) else {
            return;
        };
        let context = context(topic, you, member);
        let sealed = key.seal(&mut self.rng, &context, &whisper.encode(session));
        let sealed = Bytes::from(sealed);
        let message = Message::Signal {
            topic,
            member,
            sealed,
        };
        self.carry(relay, owner, message.encode(), served);
    }

    pub(crate) fn send_in_circuit(&mut self, id: ConnectionId, message: Bytes, served: usize) {
        if let Some(meeting) = self.connections.get(&id).and_then(|c| c.meeting().copied()) {
            self.whisper(id, meeting, &Whisper::Circuit(message), served);
        }
    }

    pub(crate) fn send_bye(&mut self, id: ConnectionId) {
        if let Some(meeting) = self.connections.get(&id).and_then(|c| c.meeting().copied()) {
            self.whisper(id, meeting, &Whisper::Bye, 0);
        }
    }

    /// A sealed signal came through a relay. One that does not open is
    /// dropped: anybody who guesses a topic can send such.
    pub(crate) fn on_signal(
        &mut self,
        relay: ConnectionId,
        topic: Topic,
        member: MemberId,
        sealed: &[u8],
    ) {
        if !self.check_relay(relay) {
            return;
        }
        let you = self.rooms.get(&(relay, topic)).map(|room| room.you);
        let (Some(you), Some(key)) = (you, self.signal_key(topic)) else {
            return;
        };
        let opened = key.open(&context(topic, member, you), sealed).ok();
        let Some((session, whisper)) = opened.and_then(Whisper::decode) else {
            return;
        };
        let began = false;
        let meeting = Meeting {
            relay,
            topic,
            member,
            session,
            began,
        };
        let known = self.find_meeting(&meeting);
        match (whisper, known) {
            (Whisper::WebRtc(Signal::Offer(offer)), None) => self.on_offer(meeting, offer, you),
            (Whisper::WebRtc(signal), Some((connection, Carrier::Driver))) => {
                self.on_answered(relay, topic, member);
                self.outputs
                    .push_back(Output::Signal { connection, signal });
            }
            (Whisper::Circuit(message), Some((id, Carrier::Circuit))) => {
                self.on_received(id, &message);
            }
            (Whisper::Circuit(message), None) => self.on_circuit(meeting, &message),
            (Whisper::Bye, Some((id, _))) => self.drop_connection(id, "the peer ended the session"),
            (Whisper::WebRtc(_), None | Some((_, Carrier::Circuit)))
            | (Whisper::Circuit(_), Some((_, Carrier::Driver)))
            | (Whisper::Bye, None) => {}
        }
    }

    fn find_meeting(&self, wanted: &Meeting) -> Option<(ConnectionId, Carrier)> {
        let mut connections = self.connections.iter();
        let found = connections.find(|(_, connection)| {
            connection.meeting().is_some_and(|meeting| {
                let began = wanted.began;
                Meeting { began, ..*meeting } == *wanted
            })
        });
        found.map(|(id, connection)| (*id, connection.carrier))
    }

    /// Two members may offer at once: the offer of the lower id stands.
    fn on_offer(&mut self, meeting: Meeting, offer: String, you: MemberId) {
        let mut connections = self.connections.iter();
        let crossing = connections.find(|(_, connection)| {
            connection.ready().is_none()
                && connection.carrier == Carrier::Driver
                && connection.meeting().is_some_and(|own| {
                    own.began
                        && (own.relay, own.topic, own.member)
                            == (meeting.relay, meeting.topic, meeting.member)
                })
        });
        if let Some(id) = crossing.map(|(id, _)| *id) {
            if you < meeting.member {
                return;
            }
            self.connections.remove(&id);
            self.outputs.push_back(Output::Close { connection: id });
        }
        let like = |own: &&Meeting| {
            (own.relay, own.topic, own.member) == (meeting.relay, meeting.topic, meeting.member)
        };
        let channels = self.connections.values();
        let channels = channels.filter(|of| of.carrier == Carrier::Driver);
        let channels = channels.filter_map(Connection::meeting).filter(like);
        let few = channels.count() <= self.config.limits.channels + ATTEMPTS;
        if few && self.has_room_for_others() && self.config.webrtc {
            let id = self.insert_meeting(Carrier::Driver, meeting);
            self.outputs.push_back(Output::Answer {
                connection: id,
                offer,
            });
        }
    }

    fn on_circuit(&mut self, meeting: Meeting, message: &Bytes) {
        let begins = matches!(Message::decode(message), Ok(Message::Handshake(_)));
        if begins && self.has_room_for_others() {
            let id = self.insert_meeting(Carrier::Circuit, meeting);
            self.on_connected(id, Path::Circuit, self.config.limits.circuit_message, &[]);
            self.on_received(id, message);
        }
    }

    fn signal_key(&self, topic: Topic) -> Option<SignalKey> {
        let transfer = self.transfers.get(&self.transfer_of(topic)?)?;
        Some(transfer.signal_key.clone())
    }
}
