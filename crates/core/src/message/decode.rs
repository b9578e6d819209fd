//! Bytes into messages. Whatever a stranger sends is a message or an error.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use super::encode::MAX_TEXT_LEN;
use super::{
    ErrorCode, Features, Handshake, Hops, IceServer, MemberId, Message, Nonce, PeerId, Reach,
    RequestId,
};
use crate::blob::BlobId;
use crate::derive::Topic;
use crate::identity::Proof;
use crate::possession::Evidence;
use crate::wire::{Reader, Truncated};

/// Most addresses in SOURCES. One of no bytes takes one on the wire and a
/// text's in memory.
const MAX_ADDRESSES: usize = 256;

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Cut short.
    #[error("the message ends in the middle of a field")]
    Truncated,
    /// No such type.
    #[error("message type {0} is not known here")]
    UnknownType(u8),
    /// A field has a value it cannot have, or bytes are left over.
    #[error("a message of type {0} has a field out of range")]
    OutOfRange(u8),
}

impl From<Truncated> for DecodeError {
    fn from(Truncated: Truncated) -> Self {
        Self::Truncated
    }
}

impl Message {
    /// Reads one whole message. Data in it shares `bytes`' memory.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let kind = reader.u8()?;
        let message = fields(kind, &mut reader, bytes)?;
        Ok(message)
    }
}

fn fields(kind: u8, reader: &mut Reader<'_>, bytes: &Bytes) -> Result<Message, DecodeError> {
    let message = match kind {
        0 => Message::Handshake(handshake(reader)?),
        1 => Message::HandshakeAck(handshake(reader)?, proof(reader)?),
        2 => Message::Request {
            request: request(reader)?,
            blob: blob(reader)?,
        },
        3 => {
            let (request, blob) = (request(reader)?, blob(reader)?);
            return Ok(Message::Response {
                request,
                blob,
                data: rest(reader, bytes),
            });
        }
        4 => return have(reader, bytes),
        5 => Message::Want(want(reader)?),
        6 => Message::NotFound {
            request: request(reader)?,
            blob: blob(reader)?,
        },
        7 => return error(reader),
        8 => {
            let (request, offset, total) = (request(reader)?, reader.u32()?, reader.u32()?);
            return Ok(Message::Part {
                request,
                offset,
                total,
                data: rest(reader, bytes),
            });
        }
        9 => Message::Cancel {
            request: request(reader)?,
        },
        10 => Message::Proof(proof(reader)?),
        12 => Message::Challenge {
            request: request(reader)?,
            blob: blob(reader)?,
            nonce: Nonce::from_bytes(reader.array()?),
        },
        13 => Message::Possession {
            request: request(reader)?,
            evidence: Evidence::from_bytes(reader.array()?),
        },
        16 => Message::Join {
            topic: topic(reader)?,
            reach: Reach(reader.u8()?),
        },
        17 => Message::Leave {
            topic: topic(reader)?,
        },
        18 => members(reader)?,
        19 => Message::Joined {
            topic: topic(reader)?,
            member: member(reader)?,
            reach: Reach(reader.u8()?),
        },
        20 => Message::Left {
            topic: topic(reader)?,
            member: member(reader)?,
        },
        21 => {
            let (topic, member) = (topic(reader)?, member(reader)?);
            return Ok(Message::Signal {
                topic,
                member,
                sealed: rest(reader, bytes),
            });
        }
        22 => sources(reader)?,
        23 => ice_servers(reader)?,
        24 => {
            let (topic, from, to) = (topic(reader)?, member(reader)?, member(reader)?);
            return Ok(Message::Forward {
                topic,
                from,
                to,
                sealed: rest(reader, bytes),
            });
        }
        25 => Message::Taken {
            topic: topic(reader)?,
            from: member(reader)?,
            bytes: reader.u32()?,
        },
        unknown => return Err(DecodeError::UnknownType(unknown)),
    };
    if reader.is_empty() {
        Ok(message)
    } else {
        Err(DecodeError::OutOfRange(kind))
    }
}

fn request(reader: &mut Reader<'_>) -> Result<RequestId, Truncated> {
    reader.u32().map(RequestId)
}

fn blob(reader: &mut Reader<'_>) -> Result<BlobId, Truncated> {
    reader.array().map(BlobId::from_bytes)
}

fn topic(reader: &mut Reader<'_>) -> Result<Topic, Truncated> {
    reader.array().map(Topic::from_bytes)
}

fn member(reader: &mut Reader<'_>) -> Result<MemberId, Truncated> {
    reader.u64().map(MemberId)
}

fn rest(reader: &Reader<'_>, bytes: &Bytes) -> Bytes {
    bytes.slice(bytes.len() - reader.rest().len()..)
}

fn handshake(reader: &mut Reader<'_>) -> Result<Handshake, Truncated> {
    Ok(Handshake {
        version: reader.u16()?,
        features: Features(reader.u64()?),
        peer: PeerId::from_bytes(reader.array()?),
        max_message: reader.u32()?,
        nonce: Nonce::from_bytes(reader.array()?),
    })
}

fn proof(reader: &mut Reader<'_>) -> Result<Proof, Truncated> {
    reader.array().map(Proof::from_bytes)
}

fn have(reader: &mut Reader<'_>, bytes: &Bytes) -> Result<Message, DecodeError> {
    match reader.u8()? {
        0 => Ok(Message::Have(have_list(reader)?)),
        1 => Ok(Message::HaveBits {
            topic: topic(reader)?,
            first: reader.u32()?,
            bits: rest(reader, bytes),
        }),
        2.. => Err(DecodeError::OutOfRange(4)),
    }
}

fn have_list(reader: &mut Reader<'_>) -> Result<Vec<(BlobId, u32)>, DecodeError> {
    let mut blobs = Vec::with_capacity(reader.rest().len() / 36);
    while !reader.is_empty() {
        let (blob, len) = (blob(reader)?, reader.u32()?);
        if len == 0 {
            return Err(DecodeError::OutOfRange(4));
        }
        blobs.push((blob, len));
    }
    Ok(blobs)
}

fn want(reader: &mut Reader<'_>) -> Result<Vec<(BlobId, Hops)>, DecodeError> {
    let mut blobs = Vec::with_capacity(reader.rest().len() / 33);
    while !reader.is_empty() {
        let (blob, [hops]) = (blob(reader)?, reader.array()?);
        let hops = i8::from_be_bytes([hops]);
        if hops > 0 {
            return Err(DecodeError::OutOfRange(5));
        }
        blobs.push((blob, Hops(hops)));
    }
    Ok(blobs)
}

fn error(reader: &mut Reader<'_>) -> Result<Message, DecodeError> {
    let (request, code) = (request(reader)?, ErrorCode(reader.u16()?));
    let text = core::str::from_utf8(reader.rest()).ok();
    let text = text.filter(|text| text.len() <= MAX_TEXT_LEN);
    let text = text.ok_or(DecodeError::OutOfRange(7))?.into();
    Ok(Message::Error {
        request,
        code,
        text,
    })
}

fn members(reader: &mut Reader<'_>) -> Result<Message, DecodeError> {
    let (topic, you) = (topic(reader)?, member(reader)?);
    let mut members = Vec::with_capacity(reader.rest().len() / 9);
    while !reader.is_empty() {
        members.push((member(reader)?, Reach(reader.u8()?)));
    }
    Ok(Message::Members {
        topic,
        you,
        members,
    })
}

fn sources(reader: &mut Reader<'_>) -> Result<Message, DecodeError> {
    let topic = topic(reader)?;
    let mut addresses = Vec::new();
    while !reader.is_empty() {
        if addresses.len() == MAX_ADDRESSES {
            return Err(DecodeError::OutOfRange(22));
        }
        addresses.push(short_text(22, reader)?);
    }
    Ok(Message::Sources { topic, addresses })
}

fn ice_servers(reader: &mut Reader<'_>) -> Result<Message, DecodeError> {
    let lifetime = reader.u32()?;
    let mut servers = Vec::new();
    while !reader.is_empty() {
        if servers.len() == IceServer::MOST {
            return Err(DecodeError::OutOfRange(23));
        }
        servers.push(IceServer {
            url: short_text(23, reader)?,
            username: short_text(23, reader)?,
            credential: short_text(23, reader)?,
        });
    }
    Ok(Message::IceServers { lifetime, servers })
}

/// A text behind a length byte, in a message of type `kind`.
fn short_text(kind: u8, reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    let len = usize::from(reader.u8()?);
    let text = core::str::from_utf8(reader.take(len)?);
    text.map(String::from)
        .map_err(|_| DecodeError::OutOfRange(kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::vec;

    fn handshakes() -> impl Strategy<Value = Handshake> + Clone {
        let fields = (
            any::<u16>(),
            any::<u64>(),
            any::<[u8; 32]>(),
            any::<u32>(),
            any::<[u8; 32]>(),
        );
        fields.prop_map(|(version, features, peer, max_message, nonce)| Handshake {
            version,
            features: Features(features),
            peer: PeerId::from_bytes(peer),
            max_message,
            nonce: Nonce::from_bytes(nonce),
        })
    }

    fn messages() -> impl Strategy<Value = Message> {
        let request = any::<u32>().prop_map(RequestId);
        let blob = any::<[u8; 32]>().prop_map(BlobId::from_bytes);
        let topic = any::<[u8; 20]>().prop_map(Topic::from_bytes);
        let member = any::<u64>().prop_map(MemberId);
        let reach = any::<u8>().prop_map(Reach);
        let data = vec(any::<u8>(), 0..300).prop_map(Bytes::from);
        let handshake = handshakes();
        let proof = vec(any::<u8>(), Proof::LEN)
            .prop_map(|bytes| Proof::from_bytes(bytes.try_into().expect("a proof's length")));
        let haves = vec((blob.clone(), 1..=u32::MAX), 0..20);
        let wants = vec((blob.clone(), (-128..=0_i8).prop_map(Hops)), 0..20);
        let members = vec((member.clone(), reach.clone()), 0..20);
        let text = "[a-zü]{0,100}";
        prop_oneof![
            handshake.clone().prop_map(Message::Handshake),
            (handshake, proof.clone())
                .prop_map(|(handshake, proof)| Message::HandshakeAck(handshake, proof)),
            proof.prop_map(Message::Proof),
            (request.clone(), blob.clone())
                .prop_map(|(request, blob)| Message::Request { request, blob }),
            (request.clone(), blob.clone(), data.clone()).prop_map(|(request, blob, data)| {
                Message::Response {
                    request,
                    blob,
                    data,
                }
            }),
            haves.prop_map(Message::Have),
            wants.prop_map(Message::Want),
            (request.clone(), blob.clone())
                .prop_map(|(request, blob)| Message::NotFound { request, blob }),
            (request.clone(), any::<u16>().prop_map(ErrorCode), text).prop_map(
                |(request, code, text)| Message::Error {
                    request,
                    code,
                    text
                }
            ),
            (request.clone(), any::<u32>(), any::<u32>(), data.clone()).prop_map(
                |(request, offset, total, data)| Message::Part {
                    request,
                    offset,
                    total,
                    data
                }
            ),
            request
                .clone()
                .prop_map(|request| Message::Cancel { request }),
            (request.clone(), blob, any::<[u8; 32]>()).prop_map(|(request, blob, nonce)| {
                let nonce = Nonce::from_bytes(nonce);
                Message::Challenge {
                    request,
                    blob,
                    nonce,
                }
            }),
            (request, any::<[u8; 32]>()).prop_map(|(request, evidence)| {
                let evidence = Evidence::from_bytes(evidence);
                Message::Possession { request, evidence }
            }),
            (topic.clone(), any::<u32>(), data.clone())
                .prop_map(|(topic, first, bits)| Message::HaveBits { topic, first, bits }),
            (topic.clone(), reach.clone())
                .prop_map(|(topic, reach)| Message::Join { topic, reach }),
            topic.clone().prop_map(|topic| Message::Leave { topic }),
            (topic.clone(), member.clone(), members).prop_map(|(topic, you, members)| {
                Message::Members {
                    topic,
                    you,
                    members,
                }
            }),
            (topic.clone(), member.clone(), reach).prop_map(|(topic, member, reach)| {
                Message::Joined {
                    topic,
                    member,
                    reach,
                }
            }),
            (topic.clone(), member.clone())
                .prop_map(|(topic, member)| Message::Left { topic, member }),
            (topic.clone(), member, data).prop_map(|(topic, member, sealed)| Message::Signal {
                topic,
                member,
                sealed
            }),
            (topic, vec(text, 0..5))
                .prop_map(|(topic, addresses)| Message::Sources { topic, addresses }),
            (any::<u32>(), vec((text, text, text), 0..5)).prop_map(|(lifetime, servers)| {
                let servers = servers.into_iter();
                let servers = servers.map(|(url, username, credential)| IceServer {
                    url,
                    username,
                    credential,
                });
                let servers = servers.collect();
                Message::IceServers { lifetime, servers }
            }),
        ]
    }

    #[test]
    fn sources_have_a_bounded_number_of_addresses() {
        let of = |addresses| {
            let topic = Topic::from_bytes([1; 20]);
            let addresses = vec![String::new(); addresses];
            Message::decode(&Message::Sources { topic, addresses }.encode())
        };
        assert!(of(MAX_ADDRESSES).is_ok());
        assert_eq!(of(MAX_ADDRESSES + 1), Err(DecodeError::OutOfRange(22)));
    }

    #[test]
    fn a_relay_names_a_bounded_number_of_servers_and_no_credential_is_shown() {
        let server = IceServer {
            url: "turn:turn.example".into(),
            username: "name".into(),
            credential: "hidden".into(),
        };
        let of = |count| Message::IceServers {
            lifetime: 60,
            servers: vec![server.clone(); count],
        };
        let read = |count| Message::decode(&of(count).encode());
        assert_eq!(read(IceServer::MOST), Ok(of(IceServer::MOST)));
        assert_eq!(read(IceServer::MOST + 1), Err(DecodeError::OutOfRange(23)));
        let shown = std::format!("{:?}", of(1));
        assert!(!shown.contains("hidden") && !shown.contains("name"));
    }

    proptest! {
        #[test]
        fn every_message_reads_back_as_it_was_written(message in messages()) {
            prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes: Vec<u8>) {
            let _ = Message::decode(&Bytes::from(bytes));
        }

        #[test]
        fn whatever_is_accepted_is_written_the_same_way(message in messages(), at: prop::sample::Index, byte: u8) {
            let mut bytes = message.encode().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(read) = Message::decode(&Bytes::from(bytes.clone())) {
                prop_assert_eq!(read.encode(), bytes);
            }
        }
    }

    #[test]
    fn a_positive_want_and_an_empty_have_are_refused() {
        let want = [&[5][..], &[0; 32], &[1]].concat();
        assert_eq!(
            Message::decode(&want.into()),
            Err(DecodeError::OutOfRange(5))
        );
        let have = [&[4, 0][..], &[0; 36]].concat();
        assert_eq!(
            Message::decode(&have.into()),
            Err(DecodeError::OutOfRange(4))
        );
    }

    #[test]
    fn bytes_left_over_are_refused() {
        let mut bytes = Message::Cancel {
            request: RequestId(1),
        }
        .encode()
        .to_vec();
        bytes.push(0);
        assert_eq!(
            Message::decode(&bytes.into()),
            Err(DecodeError::OutOfRange(9))
        );
        assert_eq!(Message::decode(&Bytes::new()), Err(DecodeError::Truncated));
    }
}
