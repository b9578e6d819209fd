//! Who the other side is: proofs, and those who have none
//! (`docs/protocol.md`, "Handshake" and "Misbehaviour").

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "the victim has more than this suite needs")]

mod victim;

use bytes::Bytes;
use samara_core::identity::{Greeting, Role};
use samara_core::message::{ErrorCode, Features, Handshake, Hops, Nonce, PROTOCOL_VERSION};
use samara_core::{Message, PeerSecret};
use samara_swarm::{Event, Input, Output, Path};
use victim::{Victim, WEBSOCKET, assert_cut, blob, handshake, own, proof, sent, stranger};

fn hello() -> Handshake {
    handshake(PROTOCOL_VERSION)
}

fn closed(outputs: &[Output]) -> bool {
    let close = |output: &Output| matches!(output, Output::Close { .. });
    outputs.iter().any(close)
}

fn misbehaved(outputs: &[Output]) -> bool {
    let event = |output: &Output| matches!(output, Output::Event(Event::Misbehaved { .. }));
    outputs.iter().any(event)
}

/// What the peer answers when the victim dialed it over a WebSocket.
fn answer(ours: &Handshake, of: &PeerSecret) -> Message {
    let theirs = Handshake {
        peer: of.peer(),
        ..hello()
    };
    let greeting = Greeting {
        dialer: ours,
        dialed: &theirs,
        binding: WEBSOCKET,
    };
    Message::HandshakeAck(theirs, stranger().prove(Role::Dialed, &greeting))
}

#[test]
fn both_sides_prove_who_they_are() {
    let mut victim = Victim::new(Features::default());
    let (ours, said) = victim.say_handshake(hello());
    let greeting = Greeting {
        dialer: &hello(),
        dialed: &ours,
        binding: WEBSOCKET,
    };
    assert_eq!(ours.peer, own().peer());
    assert_eq!(greeting.verify(Role::Dialed, &said), Ok(()));
    assert_eq!(victim.swarm.peers(), [], "not a peer before its proof");
    assert_eq!(victim.receive(&Message::Proof(proof(&hello(), &ours))), []);
    assert_eq!(victim.swarm.peers()[0].peer, stranger().peer());

    let (mut victim, ours) = Victim::dialing();
    let said = sent(&victim.receive(&answer(&ours, &stranger())));
    let [Message::Proof(said)] = said[..] else {
        panic!("{said:?}");
    };
    let greeting = Greeting {
        dialer: &ours,
        dialed: &hello(),
        binding: WEBSOCKET,
    };
    assert_eq!(greeting.verify(Role::Dialer, &said), Ok(()));
    assert_eq!(victim.swarm.peers()[0].peer, stranger().peer());
}

#[test]
fn every_handshake_has_a_nonce_of_its_own() {
    let mut victim = Victim::new(Features::default());
    let (first, _) = victim.say_handshake(hello());
    victim.accept();
    let (second, _) = victim.say_handshake(hello());
    assert_ne!(first.nonce, second.nonce);
}

#[test]
fn a_peer_that_names_another_is_cut_and_the_other_is_not_banned() {
    let honest = PeerSecret::from_bytes(&[9; 32]);
    let borrowed = Handshake {
        peer: honest.peer(),
        ..hello()
    };
    let mut victim = Victim::new(Features::default());
    let outputs = victim.greet(borrowed);
    assert_cut(&outputs, ErrorCode::NOT_PROVEN);

    victim.accept();
    let (ours, _) = victim.say_handshake(borrowed);
    let greeting = Greeting {
        dialer: &borrowed,
        dialed: &ours,
        binding: WEBSOCKET,
    };
    let proof = honest.prove(Role::Dialer, &greeting);
    assert_eq!(victim.receive(&Message::Proof(proof)), []);
    assert_eq!(victim.swarm.peers()[0].peer, honest.peer());
}

#[test]
fn a_dialed_peer_that_names_another_is_cut_and_learns_no_proof() {
    let (mut victim, ours) = Victim::dialing();
    let honest = PeerSecret::from_bytes(&[9; 32]);
    let outputs = victim.receive(&answer(&ours, &honest));
    assert_cut(&outputs, ErrorCode::NOT_PROVEN);
    let proof = |message: &Message| matches!(message, Message::Proof(_));
    assert!(!sent(&outputs).iter().any(proof), "{outputs:?}");
}

#[test]
fn an_answer_without_a_proof_cannot_be_read() {
    let (mut victim, ours) = Victim::dialing();
    let answer = answer(&ours, &stranger()).encode();
    let outputs = victim.receive_bytes(answer.slice(..answer.len() - 64));
    assert_cut(&outputs, ErrorCode::MALFORMED);
}

#[test]
fn a_peer_that_goes_on_without_its_proof_is_cut() {
    for message in [
        Message::Want(vec![(blob(1), Hops::OWN)]),
        Message::Handshake(hello()),
        Message::HandshakeAck(hello(), proof(&hello(), &hello())),
    ] {
        let mut victim = Victim::new(Features::default());
        victim.say_handshake(hello());
        assert_cut(&victim.receive(&message), ErrorCode::UNEXPECTED);
    }
}

#[test]
fn a_peer_that_never_proves_itself_is_cut_in_time() {
    let mut victim = Victim::new(Features::default());
    victim.wait(5);
    victim.say_handshake(hello());
    assert_eq!(victim.wait(4), [], "the handshake has ten seconds in all");
    assert_cut(&victim.wait(1), ErrorCode::TIMEOUT);
}

#[test]
fn a_proof_before_and_a_second_proof_are_cut() {
    let mut victim = Victim::new(Features::default());
    let early = Message::Proof(proof(&hello(), &hello()));
    assert_cut(&victim.receive(&early), ErrorCode::UNEXPECTED);

    let mut victim = Victim::new(Features::default());
    let (ours, _) = victim.say_handshake(hello());
    let said = Message::Proof(proof(&hello(), &ours));
    assert_eq!(victim.receive(&said), []);
    assert_cut(&victim.receive(&said), ErrorCode::UNEXPECTED);
}

#[test]
fn a_proof_of_an_earlier_connection_is_worth_nothing() {
    let mut victim = Victim::new(Features::default());
    let (ours, _) = victim.say_handshake(hello());
    let overheard = Message::Proof(proof(&hello(), &ours));
    assert_eq!(victim.receive(&overheard), []);

    victim.accept();
    victim.say_handshake(hello());
    assert_cut(&victim.receive(&overheard), ErrorCode::NOT_PROVEN);
}

#[test]
fn an_answer_to_an_earlier_handshake_is_worth_nothing() {
    let (mut victim, ours) = Victim::dialing();
    let nonce = Nonce::from_bytes([0; 32]);
    let overheard = answer(&Handshake { nonce, ..ours }, &stranger());
    assert_cut(&victim.receive(&overheard), ErrorCode::NOT_PROVEN);
}

#[test]
fn a_proof_for_another_data_channel_is_worth_nothing() {
    let mut victim = Victim::new(Features::default());
    for (binding, code) in [
        (&b"\x01its certificate, ours"[..], None),
        (
            b"\x01another's certificate, ours",
            Some(ErrorCode::NOT_PROVEN),
        ),
        (WEBSOCKET, Some(ErrorCode::NOT_PROVEN)),
    ] {
        victim.accept_bound(Path::WebRtc, 65_536, b"its certificate, ours");
        let (ours, _) = victim.say_handshake(hello());
        let greeting = Greeting {
            dialer: &hello(),
            dialed: &ours,
            binding,
        };
        let proof = stranger().prove(Role::Dialer, &greeting);
        let outputs = victim.receive(&Message::Proof(proof));
        match code {
            Some(code) => assert_cut(&outputs, code),
            None => assert_eq!(outputs, []),
        }
    }
}

#[test]
fn a_connection_to_oneself_ends_and_is_nobodys_fault() {
    let itself = Handshake {
        peer: own().peer(),
        ..hello()
    };
    let mut victim = Victim::new(Features::default());
    let outputs = victim.receive(&Message::Handshake(itself));
    assert!(closed(&outputs) && !misbehaved(&outputs), "{outputs:?}");
    let said = sent(&outputs);
    assert!(matches!(said[..], [Message::Error { .. }]), "{said:?}");

    let (mut victim, ours) = Victim::dialing();
    let outputs = victim.receive(&answer(&ours, &own()));
    assert!(closed(&outputs) && !misbehaved(&outputs), "{outputs:?}");
}

/// Carries messages between two machines until they have nothing to say;
/// whether each holds the other for a peer. The machines see their ends of
/// the wire as the two bindings.
fn between(bindings: [&'static [u8]; 2]) -> [bool; 2] {
    let (mut dialed, mut caller) = (
        Victim::new(Features::default()),
        Victim::new(Features::default()),
    );
    caller.input(Input::Identity(stranger()));
    let address = "ws://peer/ws".into();
    let outputs = caller.input(Input::Keep { address });
    let connection = outputs.iter().find_map(|output| match output {
        Output::Dial { connection, .. } => Some(*connection),
        _ => None,
    });
    caller.peer = connection.unwrap();
    let (path, max_message) = (Path::WebRtc, 65_536);
    dialed.accept_bound(path, max_message, bindings[1]);
    let mut outputs = caller.input(Input::Connected {
        connection: caller.peer,
        path,
        max_message,
        binding: Bytes::from_static(bindings[0]),
    });
    let mut machines = [dialed, caller];
    for turn in (0..2).cycle().take(8) {
        let machine: &mut Victim = &mut machines[turn];
        let said = sent(&outputs);
        outputs = said.iter().flat_map(|said| machine.receive(said)).collect();
    }
    machines.map(|machine| !machine.swarm.peers().is_empty())
}

#[test]
fn who_passes_on_what_two_peers_say_on_two_channels_is_found_out() {
    assert_eq!(between([b"a b", b"a b"]), [true, true]);
    assert_eq!(between([b"a m", b"m b"]), [false, false]);
}

#[test]
fn a_peer_with_a_new_identity_is_another_peer() {
    let mut victim = Victim::greeted(Features::default());
    let outputs = victim.input(Input::Identity(PeerSecret::from_bytes(&[2; 32])));
    assert!(closed(&outputs), "{outputs:?}");
    assert_eq!(victim.swarm.peers(), []);
    victim.accept();
    let (ours, _) = victim.say_handshake(hello());
    assert_eq!(ours.peer, PeerSecret::from_bytes(&[2; 32]).peer());
}

#[test]
fn a_peer_with_a_new_identity_wants_nothing_for_others() {
    let mut victim = Victim::greeted(Features::default());
    victim.input(Input::Remember(vec![(blob(1), 1)]));
    assert_eq!(victim.swarm.favours().count(), 1);
    victim.input(Input::Identity(PeerSecret::from_bytes(&[2; 32])));
    assert_eq!(victim.swarm.favours().count(), 0);
}

#[test]
fn a_new_identity_connects_anew_to_what_is_kept_and_is_no_problem() {
    let (mut victim, ours) = Victim::dialing();
    victim.receive(&answer(&ours, &stranger()));
    let outputs = victim.input(Input::Identity(PeerSecret::from_bytes(&[2; 32])));
    let dials = |output: &Output| matches!(output, Output::Dial { .. });
    assert!(outputs.iter().any(dials), "{outputs:?}");
    let event = |output: &Output| matches!(output, Output::Event(_));
    assert!(!outputs.iter().any(event), "{outputs:?}");
}
