//! What strangers could do once, a test each.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use chacha20::ChaCha20Rng;
use rand_core::SeedableRng as _;
use samara_core::entry::blob::Depth;
use samara_core::identity::{Greeting, Role};
use samara_core::message::{Features, Handshake, MIN_MESSAGE_LEN, Nonce, PROTOCOL_VERSION, Reach};
use samara_core::{BlobId, BlobKey, Link, MemberId, Message, PeerSecret, RequestId};
use samara_swarm::{
    Config, ConnectionId, Input, Limits, Output, Path, Swarm, Target, Time, TransferId,
};

const YOU: MemberId = MemberId(1);
const MEMBER: MemberId = MemberId(2);
const TRANSFER: TransferId = TransferId(1);

/// A machine that wants a link's blob.
struct Victim(Swarm);

fn link() -> Link {
    Link {
        id: BlobId::from_bytes([9; 32]),
        key: BlobKey::from_bytes([5; 32]),
        depth: Depth::ZERO,
    }
}

impl Victim {
    fn new() -> Self {
        let mut config = Config::new(PeerSecret::from_bytes(&[1; 32]));
        config.webrtc = true;
        let mut victim = Self(Swarm::new(config, [7; 32]));
        let (transfer, target) = (TRANSFER, Target::Link(link()));
        victim.input(Input::Open { transfer, target });
        victim
    }

    fn input(&mut self, input: Input) -> Vec<Output> {
        self.0.handle(Time(0), input);
        std::iter::from_fn(|| self.0.poll()).collect()
    }

    fn accept(&mut self, path: Path, max_message: usize) -> (ConnectionId, Vec<Output>) {
        let connection = self.0.connection();
        let outputs = self.input(Input::Accepted {
            connection,
            path,
            max_message,
            binding: Bytes::new(),
        });
        (connection, outputs)
    }

    /// A stranger connects and greets.
    fn greeted(&mut self, path: Path, features: Features) -> (ConnectionId, Vec<Output>) {
        let (connection, _) = self.accept(path, 2 << 20);
        let stranger = PeerSecret::from_bytes(&[66; 32]);
        let theirs = Handshake {
            version: PROTOCOL_VERSION,
            features,
            peer: stranger.peer(),
            max_message: 1 << 20,
            nonce: Nonce::from_bytes([5; 32]),
        };
        let answers = sent(&self.receive(connection, &Message::Handshake(theirs)));
        let [Message::HandshakeAck(ours, _)] = answers[..] else {
            panic!("{answers:?}");
        };
        let binding: &[u8] = match path {
            Path::WebSocket => &[0],
            Path::WebRtc => &[1],
            Path::Circuit => &[2],
        };
        let greeting = Greeting {
            dialer: &theirs,
            dialed: &ours,
            binding,
        };
        let proof = stranger.prove(Role::Dialer, &greeting);
        let outputs = self.receive(connection, &Message::Proof(proof));
        (connection, outputs)
    }

    /// A relay is dialed for that reason, and greets.
    fn dialed(&mut self, reason: Input) -> ConnectionId {
        let outputs = self.input(reason);
        let connection = outputs.iter().find_map(|output| match output {
            Output::Dial { connection, .. } => Some(*connection),
            _ => None,
        });
        let connection = connection.unwrap();
        let outputs = self.input(Input::Connected {
            connection,
            path: Path::WebSocket,
            max_message: 2 << 20,
            binding: Bytes::new(),
        });
        let [Message::Handshake(ours)] = sent(&outputs)[..] else {
            panic!("{outputs:?}");
        };
        let stranger = PeerSecret::from_bytes(&[67; 32]);
        let theirs = Handshake {
            version: PROTOCOL_VERSION,
            features: Features::ROOMS,
            peer: stranger.peer(),
            max_message: 1 << 20,
            nonce: Nonce::from_bytes([6; 32]),
        };
        let greeting = Greeting {
            dialer: &ours,
            dialed: &theirs,
            binding: &[0],
        };
        let proof = stranger.prove(Role::Dialed, &greeting);
        let outputs = self.receive(connection, &Message::HandshakeAck(theirs, proof));
        let joined = |message: &Message| matches!(message, Message::Join { .. });
        assert!(sent(&outputs).iter().any(joined), "{outputs:?}");
        connection
    }

    fn receive(&mut self, connection: ConnectionId, message: &Message) -> Vec<Output> {
        let message = message.encode();
        self.input(Input::Received {
            connection,
            message,
        })
    }
}

fn sent(outputs: &[Output]) -> Vec<Message> {
    let messages = outputs.iter().filter_map(|output| match output {
        Output::Send { message, .. } => Some(Message::decode(message).unwrap()),
        _ => None,
    });
    messages.collect()
}

/// What a signal's seal also covers.
fn context(from: MemberId, to: MemberId) -> Vec<u8> {
    let (from, to) = (from.0.to_be_bytes(), to.0.to_be_bytes());
    [&link().topic().as_bytes()[..], &from, &to].concat()
}

#[test]
fn rooms_are_spoken_of_on_websockets_only() {
    for (path, rooms) in [(Path::WebRtc, false), (Path::WebSocket, true)] {
        let (_, outputs) = Victim::new().greeted(path, Features::ROOMS);
        let joins = sent(&outputs)
            .iter()
            .any(|message| matches!(message, Message::Join { .. }));
        assert_eq!(joins, rooms, "{path:?}");
    }
}

/// Else it would have the victim knock anywhere in its own network.
#[test]
fn a_relay_that_nobody_named_has_nobody_dial_anything() {
    let mut victim = Victim::new();
    let (relay, _) = victim.greeted(Path::WebSocket, Features::ROOMS);
    let sources = Message::Sources {
        topic: link().topic(),
        addresses: vec!["192.168.1.1:80".into()],
    };
    assert_eq!(victim.receive(relay, &sources), []);
    let found = victim.dialed(Input::Found {
        topic: link().topic(),
        addresses: vec!["ws://8.8.8.8:1/ws".into()],
    });
    assert_eq!(victim.receive(found, &sources), []);
}

#[test]
fn a_relay_that_names_address_after_address_is_followed_to_a_few() {
    let mut victim = Victim::new();
    let address = "ws://relay/ws".into();
    let relay = victim.dialed(Input::Keep { address });
    let mut dials = 0;
    for message in 0..20 {
        let addresses = (0..16).map(|host| format!("10.0.{message}.{host}:80"));
        let sources = Message::Sources {
            topic: link().topic(),
            addresses: addresses.collect(),
        };
        let outputs = victim.receive(relay, &sources);
        let dialed = outputs.iter();
        dials += dialed
            .filter(|output| matches!(output, Output::Dial { .. }))
            .count();
    }
    assert_eq!(dials, Limits::default().dials_per_transfer);
}

#[test]
fn a_transport_that_carries_next_to_nothing_is_closed() {
    let mut victim = Victim::new();
    let (connection, outputs) = victim.accept(Path::WebRtc, MIN_MESSAGE_LEN - 1);
    assert_eq!(outputs, [Output::Close { connection }]);
    let (_, outputs) = victim.accept(Path::WebRtc, MIN_MESSAGE_LEN);
    assert_eq!(outputs, []);
}

#[test]
fn a_blob_is_loaded_once_however_often_its_asker_comes_and_goes() {
    let mut victim = Victim::new();
    let blob = BlobId::from_bytes([1; 32]);
    victim.input(Input::Holding(vec![(blob, 100)]));
    let mut loads = 0;
    for _ in 0..10 {
        let (connection, _) = victim.greeted(Path::WebSocket, Features::default());
        let request = RequestId(1);
        let outputs = victim.receive(connection, &Message::Request { request, blob });
        loads += outputs
            .iter()
            .filter(|output| matches!(output, Output::Load { .. }))
            .count();
        let reason = "gone".into();
        victim.input(Input::Closed { connection, reason });
    }
    assert_eq!(loads, 1);
}

#[test]
fn a_signal_in_a_circuits_session_is_dropped() {
    let mut victim = Victim::new();
    let (relay, _) = victim.greeted(Path::WebSocket, Features::ROOMS);
    let (topic, key) = (link().topic(), link().signal_key());
    let outputs = victim.receive(
        relay,
        &Message::Members {
            topic,
            you: YOU,
            members: vec![(MEMBER, Reach::default())],
        },
    );
    let messages = sent(&outputs);
    let [Message::Signal { sealed, .. }] = &messages[..] else {
        panic!("a circuit begins with a signal: {messages:?}");
    };
    let mut plain = key.open(&context(YOU, MEMBER), sealed).unwrap();
    // Another kind in the same session: an answer.
    plain[0] = 2;
    plain.truncate(9);
    let outputs = victim.receive(relay, &signal(&plain));
    assert_eq!(outputs, []);
}

/// A signal of [`MEMBER`], as a relay passes it on.
fn signal(plain: &[u8]) -> Message {
    let (topic, member) = (link().topic(), MEMBER);
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let key = link().signal_key();
    let sealed = Bytes::from(key.seal(&mut rng, &context(MEMBER, YOU), plain));
    Message::Signal {
        topic,
        member,
        sealed,
    }
}

/// The content of a signal.
fn plain(kind: u8, session: u32, number: u32, rest: &[u8]) -> Vec<u8> {
    let [session, number] = [session, number].map(u32::to_be_bytes);
    [&[kind], &session[..], &number, rest].concat()
}

const OFFER: u8 = 1;
const CANDIDATE: u8 = 3;
const CIRCUIT: u8 = 4;

/// A relay, and what it says of [`MEMBER`].
fn in_a_room(victim: &mut Victim, reach: Reach) -> (ConnectionId, Message) {
    let (relay, _) = victim.greeted(Path::WebSocket, Features::ROOMS);
    let members = Message::Members {
        topic: link().topic(),
        you: YOU,
        members: vec![(MEMBER, reach)],
    };
    (relay, members)
}

#[test]
fn a_signal_that_a_relay_says_again_is_dropped() {
    let mut victim = Victim::new();
    let (relay, members) = in_a_room(&mut victim, Reach::default());
    victim.receive(relay, &members);
    let offer = signal(&plain(OFFER, 7, 1, b"an offer"));
    let candidate = signal(&plain(CANDIDATE, 7, 2, b"\0\0\0candidate"));
    let outputs = victim.receive(relay, &offer);
    let [Output::Answer { connection, .. }] = outputs[..] else {
        panic!("{outputs:?}");
    };
    assert_eq!(victim.receive(relay, &candidate).len(), 1);
    // The channel stands.
    victim.input(Input::Connected {
        connection,
        path: Path::WebRtc,
        max_message: 1 << 16,
        binding: Bytes::new(),
    });
    for again in [&offer, &candidate] {
        assert_eq!(victim.receive(relay, again), []);
    }
}

#[test]
fn a_member_names_a_few_candidates() {
    let mut victim = Victim::new();
    let (relay, members) = in_a_room(&mut victim, Reach::default());
    victim.receive(relay, &members);
    victim.receive(relay, &signal(&plain(OFFER, 7, 1, b"an offer")));
    let long = [b"\0\0\0", &[b'a'; 2000][..]].concat();
    let outputs = victim.receive(relay, &signal(&plain(CANDIDATE, 7, 2, &long)));
    assert_eq!(outputs, []);
    let mut taken = 0;
    for number in 3..103 {
        let candidate = signal(&plain(CANDIDATE, 7, number, b"\0\0\0candidate"));
        taken += victim.receive(relay, &candidate).len();
    }
    assert_eq!(taken, Limits::default().candidates - 1);
}

#[test]
fn a_member_has_a_few_circuits() {
    let mut victim = Victim::new();
    let (relay, members) = in_a_room(&mut victim, Reach::WEBRTC);
    victim.receive(relay, &members);
    let handshake = Message::Handshake(Handshake {
        version: PROTOCOL_VERSION,
        features: Features::default(),
        peer: PeerSecret::from_bytes(&[66; 32]).peer(),
        max_message: 1 << 16,
        nonce: Nonce::from_bytes([5; 32]),
    });
    let mut answers = 0;
    for session in 0..100 {
        let circuit = plain(CIRCUIT, session, 1, &handshake.encode());
        let outputs = victim.receive(relay, &signal(&circuit));
        answers += sent(&outputs).len();
    }
    assert_eq!(answers, 2);
}

#[test]
fn a_relay_that_repeats_itself_has_nobody_met_again_at_once() {
    let mut victim = Victim::new();
    let (relay, members) = in_a_room(&mut victim, Reach::WEBRTC);
    let outputs = victim.receive(relay, &members);
    let [Output::Dial { connection, .. }] = outputs[..] else {
        panic!("{outputs:?}");
    };
    // The channel fails, and so does the circuit that is opened then.
    let reason = "failed".into();
    let outputs = victim.input(Input::Closed { connection, reason });
    let messages = sent(&outputs);
    let [Message::Signal { sealed, .. }] = &messages[..] else {
        panic!("{messages:?}");
    };
    let opened = link().signal_key().open(&context(YOU, MEMBER), sealed);
    let session: [u8; 4] = opened.unwrap()[1..5].try_into().unwrap();
    let bye = plain(5, u32::from_be_bytes(session), 1, &[]);
    assert_eq!(victim.receive(relay, &signal(&bye)), []);
    assert_eq!(victim.receive(relay, &members), []);
    let joined = Message::Joined {
        topic: link().topic(),
        member: MEMBER,
        reach: Reach::WEBRTC,
    };
    assert_eq!(victim.receive(relay, &joined), []);
}
