//! Who the other relay is: the protocol's handshake, bound to the endpoint.

use futures_util::{Sink, SinkExt as _, Stream};
use samara_core::identity::{Greeting, Proof, Role};
use samara_core::message::{ErrorCode, Features, Handshake, Nonce, PROTOCOL_VERSION};
use samara_core::{Message, PeerId, PeerSecret};

use super::frame::{Broken, Frame, frame};
use crate::ending::Ending;

/// Keeps a proof made for a bridge from holding on any other connection
/// (`docs/protocol.md`, "Proof").
const BINDING: &[u8] = &[3];

/// Who is there, and what tells this handshake apart: the dialer's nonce.
pub(super) struct Greeted {
    pub relay: PeerId,
    pub nonce: Nonce,
}

/// Finds out who the other relay is.
pub(super) async fn greet<K, S>(
    secret: &PeerSecret,
    role: Role,
    longest: usize,
    sink: &mut K,
    stream: &mut S,
) -> Result<Greeted, Ending>
where
    K: Sink<Frame, Error = Broken> + Unpin,
    S: Stream<Item = Result<Frame, Ending>> + Unpin,
{
    let ours = handshake(secret, longest);
    let (theirs, nonce) = match role {
        Role::Dialer => {
            send(sink, &Message::Handshake(ours)).await?;
            match next(stream).await? {
                Message::HandshakeAck(theirs, proof) => {
                    let greeting = same_version(Greeting {
                        dialer: &ours,
                        dialed: &theirs,
                        binding: BINDING,
                    })?;
                    verified(&greeting, Role::Dialed, &proof)?;
                    let proof = secret.prove(Role::Dialer, &greeting);
                    send(sink, &Message::Proof(proof)).await?;
                    (theirs, ours.nonce)
                }
                // It says why not.
                Message::Error { code, .. } if code == ErrorCode::VERSION => {
                    return Err(Ending::Version);
                }
                Message::Error { .. } => return Err(Ending::Closed),
                _ => return Err(Ending::NoHandshake),
            }
        }
        Role::Dialed => {
            let Message::Handshake(theirs) = next(stream).await? else {
                return Err(Ending::NoHandshake);
            };
            let greeting = same_version(Greeting {
                dialer: &theirs,
                dialed: &ours,
                binding: BINDING,
            })?;
            let proof = secret.prove(Role::Dialed, &greeting);
            send(sink, &Message::HandshakeAck(ours, proof)).await?;
            match next(stream).await? {
                Message::Proof(proof) => verified(&greeting, Role::Dialer, &proof)?,
                _ => return Err(Ending::NoProof),
            }
            (theirs, theirs.nonce)
        }
    };
    if theirs.peer == ours.peer {
        return Err(Ending::Myself);
    }
    let relay = theirs.peer;
    Ok(Greeted { relay, nonce })
}

fn handshake(secret: &PeerSecret, longest: usize) -> Handshake {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).expect("the system gave random bytes at the start too");
    Handshake {
        version: PROTOCOL_VERSION,
        features: Features::ROOMS,
        peer: secret.peer(),
        max_message: u32::try_from(longest).unwrap_or(u32::MAX),
        nonce: Nonce::from_bytes(nonce),
    }
}

/// What both said, if they speak the same version.
fn same_version(greeting: Greeting<'_>) -> Result<Greeting<'_>, Ending> {
    let both = [greeting.dialer, greeting.dialed];
    if both.iter().all(|of| of.version == PROTOCOL_VERSION) {
        Ok(greeting)
    } else {
        Err(Ending::Version)
    }
}

fn verified(greeting: &Greeting<'_>, role: Role, proof: &Proof) -> Result<(), Ending> {
    let checked = greeting.verify(role, proof);
    checked.map_err(|_| Ending::NotProven)
}

async fn send<K>(sink: &mut K, message: &Message) -> Result<(), Ending>
where
    K: Sink<Frame, Error = Broken> + Unpin,
{
    let sent = sink.send(Frame::Message(message.encode())).await;
    sent.map_err(|Broken| Ending::Broken)
}

/// The next message of the handshake.
async fn next<S>(stream: &mut S) -> Result<Message, Ending>
where
    S: Stream<Item = Result<Frame, Ending>> + Unpin,
{
    loop {
        if let Frame::Message(bytes) = frame(stream).await? {
            return Message::decode(&bytes).map_err(|_| Ending::Malformed);
        }
    }
}
