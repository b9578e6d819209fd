//! What strangers say, in bytes.

use bytes::Bytes;
use samara_core::identity::Proof;
use samara_core::message::{
    ErrorCode, Features, Handshake, Hops, MIN_MESSAGE_LEN, Nonce, PROTOCOL_VERSION, Reach,
};
use samara_core::{BlobId, MemberId, Message, PeerId, PeerSecret, RequestId, Topic};

use super::fixture::{self, File};
use super::script::{Room, Saying, Whisper};

/// Who the machine is in every room.
pub(super) const YOU: MemberId = MemberId(1);

/// Who a stranger of that number is.
pub(super) fn stranger(number: u8) -> PeerSecret {
    PeerSecret::from_bytes(&[number; 32])
}

/// What a peer that keeps to the protocol says first.
pub(super) fn handshake(peer: u8, features: Features) -> Handshake {
    Handshake {
        version: PROTOCOL_VERSION,
        features,
        peer: stranger(peer).peer(),
        max_message: 1 << 20,
        nonce: Nonce::from_bytes([peer; 32]),
    }
}

/// The file that a number picks.
pub(super) fn file(file: u8) -> &'static File {
    let files = fixture::files();
    &files[usize::from(file) % files.len()]
}

/// The message for a saying; each `round` names other things.
pub(super) fn message(saying: &Saying, round: u32) -> Message {
    let id = |name: &u8| fixture::blob(*name, round).0;
    let numbered = |request: &u8| RequestId(u32::from(*request).wrapping_add(round));
    match saying {
        Saying::Greeting {
            ack,
            version,
            features,
            peer,
            longest,
        } => odd_greeting(*ack, *version, *features, *peer, *longest),
        Saying::Request { request, blob } => Message::Request {
            request: numbered(request),
            blob: id(blob),
        },
        Saying::Response {
            request,
            blob,
            damaged,
        } => Message::Response {
            request: numbered(request),
            blob: id(blob),
            data: content(*blob, *damaged),
        },
        Saying::Have { blobs, len } => {
            let len = u32::from(*len).max(1);
            Message::Have(named(blobs, round).map(|blob| (blob, len)).collect())
        }
        Saying::Want { blobs, hops } => {
            let hops = Hops((*hops).min(0));
            Message::Want(named(blobs, round).map(|blob| (blob, hops)).collect())
        }
        Saying::NotFound { request, blob } => Message::NotFound {
            request: numbered(request),
            blob: id(blob),
        },
        Saying::Error { request, code } => Message::Error {
            request: numbered(request),
            code: ErrorCode(u16::from(*code)),
            text: "because".into(),
        },
        Saying::Part {
            request,
            blob,
            offset,
            len,
            total,
        } => part(numbered(request), *blob, *offset, *len, *total),
        Saying::Cancel { request } => Message::Cancel {
            request: numbered(request),
        },
        Saying::Room { file, about } => about_room(self::file(*file).topic, about, round),
    }
}

fn about_room(topic: Topic, about: &Room, round: u32) -> Message {
    let numbered = |member: &u8| MemberId(u64::from(*member) + u64::from(round) * 256);
    match about {
        Room::Join => Message::Join {
            topic,
            reach: Reach::WEBRTC,
        },
        Room::Leave => Message::Leave { topic },
        Room::Members(members) => {
            let members = members.iter();
            let members = members.map(|(id, reach)| (numbered(id), Reach(*reach)));
            Message::Members {
                topic,
                you: YOU,
                members: members.collect(),
            }
        }
        Room::Joined { member, reach } => Message::Joined {
            topic,
            member: numbered(member),
            reach: Reach(*reach),
        },
        Room::Left { member } => Message::Left {
            topic,
            member: numbered(member),
        },
        Room::Signal { member, sealed } => Message::Signal {
            topic,
            member: numbered(member),
            sealed: sealed.clone().into(),
        },
        Room::Sources(addresses) => {
            let addresses = addresses.iter();
            let addresses = addresses.map(|name| format!("10.0.{name}.1:{round}"));
            Message::Sources {
                topic,
                addresses: addresses.collect(),
            }
        }
    }
}

fn odd_greeting(ack: bool, version: u8, features: u8, peer: u8, longest: u16) -> Message {
    let handshake = Handshake {
        version: u16::from(version % 4),
        features: Features(features.into()),
        peer: PeerId::from_bytes([peer; 32]),
        nonce: Nonce::from_bytes([peer; 32]),
        max_message: u32::from(longest) + u32::try_from(MIN_MESSAGE_LEN).unwrap_or(0) - 64,
    };
    if ack {
        Message::HandshakeAck(handshake, Proof::from_bytes([peer; Proof::LEN]))
    } else {
        Message::Handshake(handshake)
    }
}

/// Each name once a round: a long list of others in one message.
fn named(names: &[u8], round: u32) -> impl Iterator<Item = BlobId> {
    let numbered = names.iter().zip(0_u32..);
    numbered.map(move |(name, at)| fixture::blob(*name, round.wrapping_mul(1000) + at).0)
}

fn content(blob: u8, damaged: bool) -> Bytes {
    let (_, bytes) = fixture::blob(blob, 0);
    let mut bytes = bytes.map_or_else(|| vec![blob; 64], |bytes| bytes.to_vec());
    if damaged {
        bytes[0] ^= 1;
    }
    bytes.into()
}

fn part(request: RequestId, blob: u8, offset: u16, len: u16, total: Option<u32>) -> Message {
    let whole = content(blob, false);
    let start = usize::from(offset).min(whole.len());
    let end = (start + usize::from(len)).min(whole.len());
    let length = u32::try_from(whole.len()).unwrap_or(u32::MAX);
    Message::Part {
        request,
        offset: offset.into(),
        total: total.unwrap_or(length),
        data: whole.slice(start..end),
    }
}

/// What a whisper is inside its seal; `began` are sessions the machine began,
/// `number` says how many were whispered.
pub(super) fn plain(whisper: &Whisper, began: &[u32], number: u32) -> Vec<u8> {
    let (kind, session, content) = match whisper {
        Whisper::Circuit { session, saying } => (4, session, message(saying, 0).encode().to_vec()),
        Whisper::Channel {
            session,
            kind,
            text,
        } => (kind % 6, session, text.clone()),
        Whisper::Plain(bytes) => return bytes.clone(),
    };
    let known = began.get(usize::from(*session)).copied();
    let session = known.unwrap_or_else(|| u32::from(*session));
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&session.to_be_bytes());
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.extend(content);
    bytes
}

/// What the seal of a signal also covers (`docs/protocol.md`, "Signaling").
pub(super) fn context(topic: Topic, from: MemberId, to: MemberId) -> Vec<u8> {
    let (from, to) = (from.0.to_be_bytes(), to.0.to_be_bytes());
    [&topic.as_bytes()[..], &from, &to].concat()
}
