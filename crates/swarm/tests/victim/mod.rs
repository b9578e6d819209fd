//! A machine that faces one peer, which is the test.

use bytes::Bytes;
use samara_core::identity::{Greeting, Proof, Role};
use samara_core::message::{ErrorCode, Features, Handshake, Nonce, PROTOCOL_VERSION};
use samara_core::{BlobId, BlobKey, Link, Message, PeerSecret, RequestId};
use samara_swarm::{
    Config, ConnectionId, Event, Input, Output, Path, Swarm, Target, Time, TransferId,
};

/// What proofs over a WebSocket are tied to.
pub const WEBSOCKET: &[u8] = &[0];

/// A machine that faces one peer.
pub struct Victim {
    pub swarm: Swarm,
    pub now: u64,
    /// The connection to the peer.
    pub peer: ConnectionId,
}

/// Who the victim is.
pub fn own() -> PeerSecret {
    PeerSecret::from_bytes(&[1; 32])
}

/// Who the peer is.
pub fn stranger() -> PeerSecret {
    PeerSecret::from_bytes(&[66; 32])
}

/// What the peer says first.
pub fn handshake(version: u16) -> Handshake {
    Handshake {
        version,
        features: Features::PARTS.with(Features::CANCEL),
        peer: stranger().peer(),
        max_message: 1 << 20,
        nonce: Nonce::from_bytes([5; 32]),
    }
}

pub fn blob(byte: u8) -> BlobId {
    BlobId::from_bytes([byte; 32])
}

impl Victim {
    /// Accepts the peer's connection.
    pub fn new(features: Features) -> Self {
        let mut config = Config::new(own());
        config.features = features;
        config.webrtc = true;
        let mut swarm = Swarm::new(config, [7; 32]);
        let peer = swarm.connection();
        let mut victim = Self {
            swarm,
            now: 0,
            peer,
        };
        victim.accept();
        victim
    }

    pub fn accept(&mut self) {
        self.accept_over(Path::WebSocket, 2 << 20);
    }

    pub fn accept_over(&mut self, path: Path, max_message: usize) {
        self.accept_bound(path, max_message, &[]);
    }

    pub fn accept_bound(&mut self, path: Path, max_message: usize, binding: &'static [u8]) {
        self.peer = self.swarm.connection();
        let connection = self.peer;
        self.input(Input::Accepted {
            connection,
            path,
            max_message,
            binding: Bytes::from_static(binding),
        });
    }

    /// Dials the peer; what the victim said first.
    pub fn dialing() -> (Self, Handshake) {
        Self::dialing_with(Features::default())
    }

    pub fn dialing_with(features: Features) -> (Self, Handshake) {
        let mut victim = Self::new(features);
        let address = "ws://peer/ws".into();
        let outputs = victim.input(Input::Keep { address });
        let dialed = outputs.iter().find_map(|output| match output {
            Output::Dial { connection, .. } => Some(*connection),
            _ => None,
        });
        let connection = dialed.unwrap();
        victim.peer = connection;
        let outputs = victim.input(Input::Connected {
            connection,
            path: Path::WebSocket,
            max_message: 2 << 20,
            binding: Bytes::new(),
        });
        let said = sent(&outputs);
        let [Message::Handshake(ours)] = said[..] else {
            panic!("{said:?}");
        };
        (victim, ours)
    }

    /// The peer greets and proves who it is; what came of it.
    pub fn greet(&mut self, theirs: Handshake) -> Vec<Output> {
        let (ours, _) = self.say_handshake(theirs);
        self.receive(&Message::Proof(proof(&theirs, &ours)))
    }

    /// The peer says HANDSHAKE; the victim's answer, whose proof holds.
    pub fn say_handshake(&mut self, theirs: Handshake) -> (Handshake, Proof) {
        let outputs = self.receive(&Message::Handshake(theirs));
        let answers = sent(&outputs);
        let [Message::HandshakeAck(ours, proof)] = answers[..] else {
            panic!("{answers:?}");
        };
        (ours, proof)
    }

    /// Accepts the peer and lets it greet properly.
    pub fn greeted(features: Features) -> Self {
        let mut victim = Self::new(features);
        assert_eq!(victim.greet(handshake(PROTOCOL_VERSION)), []);
        victim
    }

    /// A victim that wants one blob which the peer says it holds, and asked
    /// for it as the returned request.
    pub fn asking() -> (Self, RequestId) {
        let mut victim = Self::greeted(Features::default());
        let depth = samara_core::entry::blob::Depth::ZERO;
        let key = BlobKey::from_bytes([5; 32]);
        let link = Link {
            id: blob(9),
            key,
            depth,
        };
        let (transfer, target) = (TransferId(1), Target::Link(link));
        victim.input(Input::Open { transfer, target });
        let outputs = victim.receive(&Message::Have([(blob(9), 100)].into()));
        let request = sent(&outputs)
            .into_iter()
            .find_map(|message| match message {
                Message::Request { request, .. } => Some(request),
                _ => None,
            });
        (victim, request.unwrap())
    }

    pub fn input(&mut self, input: Input) -> Vec<Output> {
        self.swarm.handle(Time(self.now), input);
        std::iter::from_fn(|| self.swarm.poll()).collect()
    }

    pub fn receive(&mut self, message: &Message) -> Vec<Output> {
        self.receive_bytes(message.encode())
    }

    pub fn receive_bytes(&mut self, message: Bytes) -> Vec<Output> {
        let connection = self.peer;
        self.input(Input::Received {
            connection,
            message,
        })
    }

    /// The transport is rid of all that was said.
    pub fn drain(&mut self) {
        let (connection, bytes) = (self.peer, usize::MAX);
        self.input(Input::Drained { connection, bytes });
    }

    pub fn wait(&mut self, seconds: u64) -> Vec<Output> {
        self.now += seconds * 1000;
        self.input(Input::Tick)
    }
}

/// The peer's proof on a WebSocket it dialed.
pub fn proof(theirs: &Handshake, ours: &Handshake) -> Proof {
    let greeting = Greeting {
        dialer: theirs,
        dialed: ours,
        binding: WEBSOCKET,
    };
    stranger().prove(Role::Dialer, &greeting)
}

pub fn sent(outputs: &[Output]) -> Vec<Message> {
    let messages = outputs.iter().filter_map(|output| match output {
        Output::Send { message, .. } => Some(Message::decode(message).unwrap()),
        _ => None,
    });
    messages.collect()
}

/// The peer was told what it did, the user too, and the connection closed.
#[track_caller]
pub fn assert_cut(outputs: &[Output], expected: ErrorCode) {
    let told = sent(outputs).into_iter().any(|message| match message {
        Message::Error {
            request: RequestId(0),
            code,
            ..
        } => code == expected,
        _ => false,
    });
    assert!(told, "told {expected:?}: {outputs:?}");
    let closed = |output: &Output| matches!(output, Output::Close { .. });
    assert!(outputs.iter().any(closed), "closed: {outputs:?}");
    let reported = |output: &Output| matches!(output, Output::Event(Event::Misbehaved { .. }));
    assert!(outputs.iter().any(reported), "reported: {outputs:?}");
}
