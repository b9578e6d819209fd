//! The handshake: who the other side is, proven (`docs/protocol.md`,
//! "Handshake").
//!
//! The dialed side proves itself in its `HANDSHAKE_ACK`, the dialing side right
//! after it. Neither does or says anything else before the other has.

use alloc::format;
use alloc::vec::Vec;

use bytes::Bytes;
use rand_core::Rng as _;
use samara_core::identity::{Greeting as Said, Proof, Role};
use samara_core::message::{
    ErrorCode, Features, Handshake, MAX_MESSAGE_LEN, MIN_MESSAGE_LEN, Nonce, PROTOCOL_VERSION,
};
use samara_core::{Message, PeerSecret, RequestId};

use crate::Swarm;
use crate::connection::{Asking, Greeting, Peer, Serving, Step, Telling};
use crate::face::{ConnectionId, Path};
use crate::greet::{BETTER, UNEXPECTED, cause};
use crate::holdings::Shown;
use crate::push::Keeping;
use crate::time::Time;

/// What every machine can do.
const FEATURES: Features = Features::PARTS
    .with(Features::CANCEL)
    .with(Features::GOSSIP)
    .with(Features::POSSESSION)
    .with(Features::BITFIELD);

impl Swarm {
    pub(crate) fn handshake(&mut self, role: Role, max_message: usize) -> Handshake {
        let max_message = max_message.min(self.config.limits.message);
        let mut nonce = [0; Nonce::LEN];
        self.rng.fill_bytes(&mut nonce);
        Handshake {
            version: PROTOCOL_VERSION,
            features: self.features(role),
            peer: self.config.identity.peer(),
            max_message: u32::try_from(max_message).unwrap_or(u32::MAX),
            nonce: Nonce::from_bytes(nonce),
        }
    }

    fn features(&self, role: Role) -> Features {
        let features = self.config.features.with(FEATURES);
        let features = match role {
            Role::Dialed => features,
            // Rooms are kept for those who come.
            Role::Dialer => features.without(Features::ROOMS),
        };
        let mut features = features;
        if self.config.generosity.reach() > 0 {
            features = features.with(Features::KEEPS);
        }
        if self.config.webrtc {
            features = features.with(Features::ICE);
        }
        features
    }

    /// What both ends know of a connection: its kind, and what its transport
    /// or meeting is known by.
    pub(crate) fn binding(&self, id: ConnectionId, path: Path, transport: &[u8]) -> Bytes {
        let kind: &[u8] = match path {
            Path::WebSocket => &[0],
            Path::WebRtc => &[1],
            Path::Circuit => return self.circuit_binding(id),
        };
        [kind, transport].concat().into()
    }

    fn circuit_binding(&self, id: ConnectionId) -> Bytes {
        let meeting = self.connections.get(&id).and_then(|c| c.meeting());
        let room = meeting.and_then(|m| self.rooms.get(&(m.relay, m.topic)));
        let (Some(meeting), Some(room)) = (meeting, room) else {
            // Without its room the circuit carries nothing.
            return Bytes::from_static(&[2]);
        };
        let (from, to) = if meeting.began {
            (room.you, meeting.member)
        } else {
            (meeting.member, room.you)
        };
        let fields: [&[u8]; 5] = [
            &[2],
            meeting.topic.as_bytes(),
            &from.0.to_be_bytes(),
            &to.0.to_be_bytes(),
            &meeting.session.to_be_bytes(),
        ];
        fields.concat().into()
    }

    pub(crate) fn on_greeting(
        &mut self,
        from: ConnectionId,
        message: &Message,
        greeting: Greeting,
    ) {
        match (message, greeting.step) {
            (Message::Error { code, text, .. }, _) => {
                let reason = format!("the peer refused: {text}");
                self.close_for(from, cause(*code), &reason);
            }
            (Message::Handshake(theirs), Step::Listening) => {
                self.on_handshake(from, *theirs, greeting);
            }
            (Message::HandshakeAck(theirs, proof), Step::Called { ours }) => {
                self.on_answer(from, &ours, theirs, proof, &greeting);
            }
            (Message::Proof(proof), Step::Answered { ours, theirs }) => {
                self.on_proof(from, &ours, &theirs, proof, &greeting);
            }
            (_, Step::Answered { .. }) => {
                self.misbehaved(from, UNEXPECTED, "no proof after the handshake");
            }
            (_, Step::Listening | Step::Called { .. }) => {
                self.misbehaved(from, UNEXPECTED, "no handshake first");
            }
        }
    }

    /// Answers, and proves that this peer is the one that answers.
    fn on_handshake(&mut self, from: ConnectionId, theirs: Handshake, greeting: Greeting) {
        if !self.is_welcome(from, &theirs) {
            return;
        }
        let ours = self.handshake(Role::Dialed, greeting.max_message);
        let said = Said {
            dialer: &theirs,
            dialed: &ours,
            binding: &greeting.binding,
        };
        let proof = self.config.identity.prove(Role::Dialed, &said);
        if let Some(connection) = self.connections.get_mut(&from) {
            connection.answered(Greeting {
                step: Step::Answered { ours, theirs },
                ..greeting
            });
        }
        self.send(from, &Message::HandshakeAck(ours, proof));
    }

    fn on_answer(
        &mut self,
        from: ConnectionId,
        ours: &Handshake,
        theirs: &Handshake,
        proof: &Proof,
        greeting: &Greeting,
    ) {
        let said = Said {
            dialer: ours,
            dialed: theirs,
            binding: &greeting.binding,
        };
        if !self.is_welcome(from, theirs) || !self.has_proven(from, Role::Dialed, &said, proof) {
            return;
        }
        self.know_member(from, theirs.peer);
        let mut peer = greeting.peer(theirs, self.now);
        peer.greeted_in = self.greeting_since(from).map(|since| self.now.since(since));
        self.meet_again(from, &peer);
        if !self.is_lane(from) && self.has_better(from, &peer) {
            return self.close(from, BETTER);
        }
        let proof = self.config.identity.prove(Role::Dialer, &said);
        self.send(from, &Message::Proof(proof));
        self.on_ready(from, peer);
    }

    fn on_proof(
        &mut self,
        from: ConnectionId,
        ours: &Handshake,
        theirs: &Handshake,
        proof: &Proof,
        greeting: &Greeting,
    ) {
        let said = Said {
            dialer: theirs,
            dialed: ours,
            binding: &greeting.binding,
        };
        // It may have been banned since it greeted.
        let welcome = self.is_welcome(from, theirs);
        if welcome && self.has_proven(from, Role::Dialer, &said, proof) {
            self.know_member(from, theirs.peer);
            let peer = greeting.peer(theirs, self.now);
            self.meet_again(from, &peer);
            if self.has_all_lanes(from, &peer) {
                return self.close(from, "the peer has as many data channels as it may");
            }
            self.on_ready(from, peer);
        }
    }

    fn has_proven(
        &mut self,
        from: ConnectionId,
        role: Role,
        said: &Said<'_>,
        proof: &Proof,
    ) -> bool {
        let proven = said.verify(role, proof).is_ok();
        if !proven {
            let what = "naming a peer without proving to be it";
            self.misbehaved(from, ErrorCode::NOT_PROVEN, what);
        }
        proven
    }

    /// Whether a peer that says this of itself is spoken to.
    fn is_welcome(&mut self, from: ConnectionId, theirs: &Handshake) -> bool {
        if theirs.version != PROTOCOL_VERSION {
            let what = format!(
                "protocol version {} where {PROTOCOL_VERSION} is spoken; the older side needs an update",
                theirs.version
            );
            self.misbehaved(from, ErrorCode::VERSION, &what);
        } else if (theirs.max_message as usize) < MIN_MESSAGE_LEN {
            self.misbehaved(from, UNEXPECTED, "messages too short for any use");
        } else if theirs.peer == self.config.identity.peer() {
            self.refuse_itself(from);
        } else if self.bans.is_banned(theirs.peer, self.now) {
            self.close(from, "the peer is banned for having sent a wrong blob");
        } else {
            return true;
        }
        false
    }

    /// A connection to oneself: the DHT and relays name a peer's own address
    /// to it, so that is nobody's fault.
    fn refuse_itself(&mut self, from: ConnectionId) {
        self.know_member(from, self.peer());
        let text = "this is the peer itself";
        self.send(
            from,
            &Message::Error {
                request: RequestId(0),
                code: UNEXPECTED,
                text: text.into(),
            },
        );
        self.close(from, text);
    }

    /// Becomes another peer: whoever knew the old one knows it no longer, not
    /// by what it looks for on behalf of others either.
    pub(crate) fn on_identity(&mut self, identity: PeerSecret) {
        self.config.identity = identity;
        self.end_all_favours();
        self.redial_kept();
        let known: Vec<_> = self.connections.keys().copied().collect();
        for id in known {
            self.close(id, "this peer has a new identity");
        }
    }
}

impl Greeting {
    fn peer(&self, theirs: &Handshake, now: Time) -> Peer {
        let announced = theirs.max_message as usize;
        Peer {
            id: theirs.peer,
            features: theirs.features,
            path: self.path,
            since: now,
            greeted_in: None,
            accepts: self.max_message,
            max_message: self.max_message.min(announced).min(MAX_MESSAGE_LEN),
            asking: Asking::default(),
            serving: Serving::default(),
            telling: Telling::default(),
            keeping: Keeping::default(),
            shown: Shown::default(),
            leaving: None,
        }
    }
}
