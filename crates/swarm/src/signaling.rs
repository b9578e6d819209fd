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
use crate::signal::{Place, Whisper, context};

/// Channels to one member in the making beside those it may have: an attempt
/// that failed over there is not known to have failed here.
const ATTEMPTS: usize = 4;

/// Circuits with one member: a new one may come before the old one is known to
/// have ended.
const CIRCUITS: usize = 2;

/// The longest candidate; RFC 8839 has names and addresses in it.
const CANDIDATE_LEN: usize = 1024;

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
        let Some(connection) = self.connections.get_mut(&owner) else {
            return;
        };
        // A circuit would take centuries to use them up.
        let number = connection.signals.sent.saturating_add(1);
        connection.signals.sent = number;
        let context = context(topic, you, member);
        let plain = whisper.encode(Place { session, number });
        let sealed = key.seal(&mut self.rng, &context, &plain);
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
        let Some((place, whisper)) = opened.and_then(Whisper::decode) else {
            return;
        };
        let session = place.session;
        let began = false;
        let meeting = Meeting {
            relay,
            topic,
            member,
            session,
            began,
        };
        let known = self.find_meeting(&meeting);
        if known.is_some_and(|(id, _)| !self.hears(id, place.number)) {
            return;
        }
        match (whisper, known) {
            (Whisper::WebRtc(Signal::Offer(offer)), None) => {
                self.on_offer(meeting, place.number, offer, you);
            }
            (Whisper::WebRtc(signal), Some((id, Carrier::Driver))) => {
                self.on_answered(relay, topic, member);
                self.on_channel_signal(id, signal);
            }
            (Whisper::Circuit(message), Some((id, Carrier::Circuit))) => {
                self.on_received(id, &message);
            }
            (Whisper::Circuit(message), None) => {
                self.on_circuit(meeting, place.number, &message);
            }
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

    /// Takes a signal's number: whether it is behind all that came in its
    /// session. What is not was said again by the relay.
    fn hears(&mut self, id: ConnectionId, number: u32) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else {
            return false;
        };
        let new = number > connection.signals.heard;
        if new {
            connection.signals.heard = number;
        }
        new
    }

    /// What the other end of a data channel says to this one's driver.
    fn on_channel_signal(&mut self, connection: ConnectionId, signal: Signal) {
        match &signal {
            Signal::Offer(_) => return,
            Signal::Answer(_) => {}
            Signal::Candidate { candidate, .. } => {
                let Some(known) = self.connections.get_mut(&connection) else {
                    return;
                };
                known.signals.candidates += 1;
                let few = known.signals.candidates <= self.config.limits.candidates;
                if !few || candidate.len() > CANDIDATE_LEN {
                    return;
                }
            }
        }
        self.outputs
            .push_back(Output::Signal { connection, signal });
    }

    /// Two members may offer at once: the offer of the lower id stands.
    fn on_offer(&mut self, meeting: Meeting, number: u32, offer: String, you: MemberId) {
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
        let channels = self.met_by(&meeting, Carrier::Driver);
        let few = channels <= self.config.limits.channels + ATTEMPTS;
        if few && self.has_room_for_others() && self.config.webrtc {
            let id = self.insert_meeting(Carrier::Driver, meeting);
            self.hears(id, number);
            self.outputs.push_back(Output::Answer {
                connection: id,
                offer,
            });
        }
    }

    fn on_circuit(&mut self, meeting: Meeting, number: u32, message: &Bytes) {
        let begins = matches!(Message::decode(message), Ok(Message::Handshake(_)));
        let few = self.met_by(&meeting, Carrier::Circuit) < CIRCUITS;
        if begins && few && self.has_room_for_others() {
            let id = self.insert_meeting(Carrier::Circuit, meeting);
            self.hears(id, number);
            self.on_connected(id, Path::Circuit, self.config.limits.circuit_message, &[]);
            self.on_received(id, message);
        }
    }

    /// Connections to a member that are carried so.
    fn met_by(&self, like: &Meeting, carrier: Carrier) -> usize {
        let such = self.connections.values().filter(|of| of.carrier == carrier);
        let same = |of: &&Meeting| {
            (of.relay, of.topic, of.member) == (like.relay, like.topic, like.member)
        };
        such.filter_map(Connection::meeting).filter(same).count()
    }

    fn signal_key(&self, topic: Topic) -> Option<SignalKey> {
        let transfer = self.transfers.get(&self.transfer_of(topic)?)?;
        Some(transfer.signal_key.clone())
    }
}
