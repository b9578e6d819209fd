use bytes::Bytes;
use samara_core::identity::Proof;
use samara_core::message::{
    DecodeError, ErrorCode, Features, Handshake, Hops, IceServer, Message, Nonce, PeerId, Reach,
    RequestId,
};
use samara_core::possession::Evidence;
use samara_core::{BlobId, MemberId, Topic};
use serde::Deserialize;

use crate::{Hex, read};

#[derive(Deserialize)]
struct File {
    messages: Vec<Case>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    r#type: u8,
    fields: Fields,
    bytes: Hex,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    bytes: Hex,
    reason: String,
}

/// The fields of all messages; each has some of them.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Fields {
    version: Option<u16>,
    features: Option<Hex>,
    peer: Option<Hex>,
    max_message: Option<u32>,
    nonce: Option<Hex>,
    proof: Option<Hex>,
    request: Option<u32>,
    blob: Option<Hex>,
    data: Option<Hex>,
    form: Option<u8>,
    blobs: Option<Vec<BlobFields>>,
    code: Option<u16>,
    text: Option<String>,
    offset: Option<u32>,
    total: Option<u32>,
    topic: Option<Hex>,
    reach: Option<u8>,
    you: Option<Hex>,
    member: Option<Hex>,
    members: Option<Vec<MemberFields>>,
    sealed: Option<Hex>,
    first: Option<u32>,
    bits: Option<Hex>,
    evidence: Option<Hex>,
    addresses: Option<Vec<String>>,
    lifetime: Option<u32>,
    servers: Option<Vec<ServerFields>>,
    from: Option<Hex>,
    to: Option<Hex>,
    #[serde(rename = "bytes")]
    taken: Option<u32>,
}

#[derive(Deserialize)]
struct BlobFields {
    blob: Hex,
    length: Option<u32>,
    hops: Option<i8>,
}

#[derive(Deserialize)]
struct ServerFields {
    url: String,
    username: String,
    credential: String,
}

#[derive(Deserialize)]
struct MemberFields {
    member: Hex,
    reach: u8,
}

const HAS: &str = "the vector has the fields of its type";

impl Fields {
    fn message(self, kind: u8) -> Message {
        match kind {
            0 => Message::Handshake(self.handshake()),
            1 => Message::HandshakeAck(self.handshake(), self.proof()),
            2 => Message::Request {
                request: self.request(),
                blob: self.blob(),
            },
            3 => Message::Response {
                request: self.request(),
                blob: self.blob(),
                data: bytes(self.data),
            },
            4 if self.form == Some(1) => Message::HaveBits {
                topic: Topic::from_bytes(self.topic.expect(HAS).array()),
                first: self.first.expect(HAS),
                bits: bytes(self.bits),
            },
            4 => Message::Have(self.haves()),
            5 => Message::Want(self.wants()),
            6 => Message::NotFound {
                request: self.request(),
                blob: self.blob(),
            },
            7 => Message::Error {
                request: self.request(),
                code: ErrorCode(self.code.expect(HAS)),
                text: self.text.expect(HAS),
            },
            8 => Message::Part {
                request: self.request(),
                offset: self.offset.expect(HAS),
                total: self.total.expect(HAS),
                data: bytes(self.data),
            },
            9 => Message::Cancel {
                request: self.request(),
            },
            10 => Message::Proof(self.proof()),
            12 => Message::Challenge {
                request: self.request(),
                blob: self.blob(),
                nonce: Nonce::from_bytes(self.nonce.expect(HAS).array()),
            },
            13 => Message::Possession {
                request: self.request(),
                evidence: Evidence::from_bytes(self.evidence.expect(HAS).array()),
            },
            23 => Message::IceServers {
                lifetime: self.lifetime.expect(HAS),
                servers: self.servers.expect(HAS).into_iter().map(server).collect(),
            },
            _ => self.room_message(kind),
        }
    }

    fn room_message(self, kind: u8) -> Message {
        let topic = Topic::from_bytes(self.topic.as_ref().expect(HAS).array());
        match kind {
            16 => Message::Join {
                topic,
                reach: self.reach(),
            },
            17 => Message::Leave { topic },
            18 => Message::Members {
                topic,
                you: member(&self.you.expect(HAS)),
                members: self.members.expect(HAS).iter().map(there).collect(),
            },
            19 => Message::Joined {
                topic,
                member: self.member(),
                reach: self.reach(),
            },
            20 => Message::Left {
                topic,
                member: self.member(),
            },
            21 => Message::Signal {
                topic,
                member: self.member(),
                sealed: bytes(self.sealed),
            },
            22 => Message::Sources {
                topic,
                addresses: self.addresses.expect(HAS),
            },
            24 => Message::Forward {
                topic,
                from: member(&self.from.expect(HAS)),
                to: member(&self.to.expect(HAS)),
                sealed: bytes(self.sealed),
            },
            25 => Message::Taken {
                topic,
                from: member(&self.from.expect(HAS)),
                bytes: self.taken.expect(HAS),
            },
            unknown => panic!("the vectors have a message of type {unknown}"),
        }
    }

    pub fn handshake(&self) -> Handshake {
        let bytes = |field: &Option<Hex>| field.as_ref().expect(HAS).array();
        let features = self.features.as_ref().expect(HAS).array();
        Handshake {
            version: self.version.expect(HAS),
            features: Features(u64::from_be_bytes(features)),
            peer: PeerId::from_bytes(bytes(&self.peer)),
            max_message: self.max_message.expect(HAS),
            nonce: Nonce::from_bytes(bytes(&self.nonce)),
        }
    }

    fn proof(&self) -> Proof {
        Proof::from_bytes(self.proof.as_ref().expect(HAS).array())
    }

    fn request(&self) -> RequestId {
        RequestId(self.request.expect(HAS))
    }

    fn blob(&self) -> BlobId {
        BlobId::from_bytes(self.blob.as_ref().expect(HAS).array())
    }

    fn reach(&self) -> Reach {
        Reach(self.reach.expect(HAS))
    }

    fn member(&self) -> MemberId {
        member(self.member.as_ref().expect(HAS))
    }

    fn haves(self) -> Vec<(BlobId, u32)> {
        assert_eq!(self.form, Some(0), "the list");
        let blobs = self.blobs.expect(HAS).into_iter();
        let have = |one: BlobFields| (one.id(), one.length.expect(HAS));
        blobs.map(have).collect()
    }

    fn wants(self) -> Vec<(BlobId, Hops)> {
        let blobs = self.blobs.expect(HAS).into_iter();
        let want = |one: BlobFields| (one.id(), Hops(one.hops.expect(HAS)));
        blobs.map(want).collect()
    }
}

impl BlobFields {
    fn id(&self) -> BlobId {
        BlobId::from_bytes(self.blob.array())
    }
}

fn bytes(field: Option<Hex>) -> Bytes {
    Bytes::from(field.expect(HAS).0)
}

fn member(field: &Hex) -> MemberId {
    MemberId(u64::from_be_bytes(field.array()))
}

fn there(fields: &MemberFields) -> (MemberId, Reach) {
    (member(&fields.member), Reach(fields.reach))
}

fn server(fields: ServerFields) -> IceServer {
    let ServerFields {
        url,
        username,
        credential,
    } = fields;
    IceServer {
        url,
        username,
        credential,
    }
}

/// The vectors' name for an error.
fn reason(error: DecodeError) -> &'static str {
    match error {
        DecodeError::Truncated => "truncated",
        DecodeError::UnknownType(_) => "unknown-type",
        DecodeError::OutOfRange(_) => "range",
        other => panic!("the vectors have no name for {other}"),
    }
}

#[test]
fn messages_are_written_and_read_as_the_vectors_say() {
    let messages: File = read("message.json");
    for case in messages.messages {
        let message = case.fields.message(case.r#type);
        assert_eq!(message.encode(), case.bytes.0, "{}", case.name);
        let read = Message::decode(&case.bytes.0.into());
        assert_eq!(read, Ok(message), "{}", case.name);
    }
}

#[test]
fn what_is_no_message_is_refused_for_the_vectors_reason() {
    let messages: File = read("message.json");
    for case in messages.refused {
        let error = Message::decode(&case.bytes.0.into()).expect_err(&case.name);
        assert_eq!(reason(error), case.reason, "{}", case.name);
    }
}
