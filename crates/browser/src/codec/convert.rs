//! Messages to and from the form JavaScript sees.

use samara_core::identity::Proof;
use samara_core::message::{ErrorCode, Features, Handshake, Hops, Reach};
use samara_core::{HexError, MemberId, Message, RequestId};

use super::message::{Answer, Form, Greeting, Held, Present, Wanted};

impl From<Handshake> for Greeting {
    fn from(handshake: Handshake) -> Self {
        Self {
            version: handshake.version,
            features: format!("{:016x}", handshake.features.0),
            peer: handshake.peer.to_string(),
            max_message: handshake.max_message,
            nonce: handshake.nonce.to_string(),
        }
    }
}

impl TryFrom<Greeting> for Handshake {
    type Error = HexError;

    fn try_from(greeting: Greeting) -> Result<Self, HexError> {
        Ok(Self {
            version: greeting.version,
            features: Features(hex64(&greeting.features)?),
            peer: greeting.peer.parse()?,
            max_message: greeting.max_message,
            nonce: greeting.nonce.parse()?,
        })
    }
}

fn answer(handshake: Handshake, proof: Proof) -> Answer {
    let Greeting {
        version,
        features,
        peer,
        max_message,
        nonce,
    } = handshake.into();
    Answer {
        version,
        features,
        peer,
        max_message,
        nonce,
        proof: proof.to_string(),
    }
}

fn answered(answer: Answer) -> Result<Message, HexError> {
    let Answer {
        version,
        features,
        peer,
        max_message,
        nonce,
        proof,
    } = answer;
    let greeting = Greeting {
        version,
        features,
        peer,
        max_message,
        nonce,
    };
    Ok(Message::HandshakeAck(greeting.try_into()?, proof.parse()?))
}

fn hex64(text: &str) -> Result<u64, HexError> {
    let wrong = HexError { expected: 16 };
    if text.len() == 16 {
        u64::from_str_radix(text, 16).map_err(|_| wrong)
    } else {
        Err(wrong)
    }
}

fn member_text(member: MemberId) -> String {
    format!("{:016x}", member.0)
}

impl From<Message> for Form {
    #[expect(clippy::too_many_lines, reason = "one arm a message")]
    fn from(message: Message) -> Self {
        match message {
            Message::Handshake(handshake) => Self::Handshake(handshake.into()),
            Message::HandshakeAck(handshake, proof) => Self::HandshakeAck(answer(handshake, proof)),
            Message::Proof(proof) => Self::Proof {
                proof: proof.to_string(),
            },
            Message::Request { request, blob } => Self::Request {
                request: request.0,
                blob: blob.to_string(),
            },
            Message::Response {
                request,
                blob,
                data,
            } => Self::Response {
                request: request.0,
                blob: blob.to_string(),
                data,
            },
            Message::Have(blobs) => {
                let blobs = blobs.into_iter().map(|(blob, length)| Held {
                    blob: blob.to_string(),
                    length,
                });
                Self::Have {
                    blobs: blobs.collect(),
                }
            }
            Message::HaveBits { topic, first, bits } => Self::HaveBits {
                topic: topic.to_string(),
                first,
                bits,
            },
            Message::Want(blobs) => {
                let blobs = blobs.into_iter().map(|(blob, hops)| Wanted {
                    blob: blob.to_string(),
                    hops: hops.0,
                });
                Self::Want {
                    blobs: blobs.collect(),
                }
            }
            Message::NotFound { request, blob } => Self::NotFound {
                request: request.0,
                blob: blob.to_string(),
            },
            Message::Error {
                request,
                code,
                text,
            } => Self::Error {
                request: request.0,
                code: code.0,
                text,
            },
            Message::Part {
                request,
                offset,
                total,
                data,
            } => Self::Part {
                request: request.0,
                offset,
                total,
                data,
            },
            Message::Cancel { request } => Self::Cancel { request: request.0 },
            Message::Challenge {
                request,
                blob,
                nonce,
            } => Self::Challenge {
                request: request.0,
                blob: blob.to_string(),
                nonce: nonce.to_string(),
            },
            Message::Possession { request, evidence } => Self::Possession {
                request: request.0,
                evidence: evidence.to_string(),
            },
            Message::Join { topic, reach } => Self::Join {
                topic: topic.to_string(),
                reach: reach.0,
            },
            Message::Leave { topic } => Self::Leave {
                topic: topic.to_string(),
            },
            Message::Members {
                topic,
                you,
                members,
            } => {
                let members = members.into_iter().map(|(member, reach)| Present {
                    member: member_text(member),
                    reach: reach.0,
                });
                Self::Members {
                    topic: topic.to_string(),
                    you: member_text(you),
                    members: members.collect(),
                }
            }
            Message::Joined {
                topic,
                member,
                reach,
            } => Self::Joined {
                topic: topic.to_string(),
                member: member_text(member),
                reach: reach.0,
            },
            Message::Left { topic, member } => Self::Left {
                topic: topic.to_string(),
                member: member_text(member),
            },
            Message::Signal {
                topic,
                member,
                sealed,
            } => Self::Signal {
                topic: topic.to_string(),
                member: member_text(member),
                sealed,
            },
            Message::Sources { topic, addresses } => Self::Sources {
                topic: topic.to_string(),
                addresses,
            },
            Message::IceServers { lifetime, servers } => Self::IceServers {
                lifetime,
                servers: servers.into_iter().map(Into::into).collect(),
            },
            Message::Forward {
                topic,
                from,
                to,
                sealed,
            } => Self::Forward {
                topic: topic.to_string(),
                from: member_text(from),
                to: member_text(to),
                sealed,
            },
            Message::Taken { topic, from, bytes } => Self::Taken {
                topic: topic.to_string(),
                from: member_text(from),
                bytes,
            },
        }
    }
}

impl TryFrom<Form> for Message {
    type Error = HexError;

    #[expect(clippy::too_many_lines, reason = "one arm a message")]
    fn try_from(form: Form) -> Result<Self, HexError> {
        Ok(match form {
            Form::Handshake(greeting) => Self::Handshake(greeting.try_into()?),
            Form::HandshakeAck(answer) => answered(answer)?,
            Form::Proof { proof } => Self::Proof(proof.parse()?),
            Form::Request { request, blob } => Self::Request {
                request: RequestId(request),
                blob: blob.parse()?,
            },
            Form::Response {
                request,
                blob,
                data,
            } => Self::Response {
                request: RequestId(request),
                blob: blob.parse()?,
                data,
            },
            Form::Have { blobs } => {
                let blobs = blobs
                    .into_iter()
                    .map(|held| Ok((held.blob.parse()?, held.length)));
                Self::Have(blobs.collect::<Result<_, _>>()?)
            }
            Form::HaveBits { topic, first, bits } => Self::HaveBits {
                topic: topic.parse()?,
                first,
                bits,
            },
            Form::Want { blobs } => {
                let blobs = blobs
                    .into_iter()
                    .map(|wanted| Ok((wanted.blob.parse()?, Hops(wanted.hops))));
                Self::Want(blobs.collect::<Result<_, _>>()?)
            }
            Form::NotFound { request, blob } => Self::NotFound {
                request: RequestId(request),
                blob: blob.parse()?,
            },
            Form::Error {
                request,
                code,
                text,
            } => Self::Error {
                request: RequestId(request),
                code: ErrorCode(code),
                text,
            },
            Form::Part {
                request,
                offset,
                total,
                data,
            } => Self::Part {
                request: RequestId(request),
                offset,
                total,
                data,
            },
            Form::Cancel { request } => Self::Cancel {
                request: RequestId(request),
            },
            Form::Challenge {
                request,
                blob,
                nonce,
            } => Self::Challenge {
                request: RequestId(request),
                blob: blob.parse()?,
                nonce: nonce.parse()?,
            },
            Form::Possession { request, evidence } => Self::Possession {
                request: RequestId(request),
                evidence: evidence.parse()?,
            },
            Form::Join { topic, reach } => Self::Join {
                topic: topic.parse()?,
                reach: Reach(reach),
            },
            Form::Leave { topic } => Self::Leave {
                topic: topic.parse()?,
            },
            Form::Members {
                topic,
                you,
                members,
            } => {
                let members = members
                    .into_iter()
                    .map(|present| Ok((MemberId(hex64(&present.member)?), Reach(present.reach))));
                Self::Members {
                    topic: topic.parse()?,
                    you: MemberId(hex64(&you)?),
                    members: members.collect::<Result<_, _>>()?,
                }
            }
            Form::Joined {
                topic,
                member,
                reach,
            } => Self::Joined {
                topic: topic.parse()?,
                member: MemberId(hex64(&member)?),
                reach: Reach(reach),
            },
            Form::Left { topic, member } => Self::Left {
                topic: topic.parse()?,
                member: MemberId(hex64(&member)?),
            },
            Form::Signal {
                topic,
                member,
                sealed,
            } => Self::Signal {
                topic: topic.parse()?,
                member: MemberId(hex64(&member)?),
                sealed,
            },
            Form::Sources { topic, addresses } => Self::Sources {
                topic: topic.parse()?,
                addresses,
            },
            Form::IceServers { lifetime, servers } => Self::IceServers {
                lifetime,
                servers: servers.into_iter().map(Into::into).collect(),
            },
            Form::Forward {
                topic,
                from,
                to,
                sealed,
            } => Self::Forward {
                topic: topic.parse()?,
                from: MemberId(hex64(&from)?),
                to: MemberId(hex64(&to)?),
                sealed,
            },
            Form::Taken { topic, from, bytes } => Self::Taken {
                topic: topic.parse()?,
                from: MemberId(hex64(&from)?),
                bytes,
            },
        })
    }
}
