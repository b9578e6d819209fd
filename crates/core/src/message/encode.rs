//! Messages into bytes.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use super::{Handshake, Hops, IceServer, MemberId, Message, Reach};
use crate::blob::BlobId;
use crate::derive::Topic;

/// Longest text of an ERROR, in bytes.
pub(super) const MAX_TEXT_LEN: usize = 256;

impl Message {
    /// The message as it goes on the wire.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.encoded_len());
        match self {
            Self::Handshake(handshake) => put_handshake(&mut out, 0, handshake),
            Self::HandshakeAck(handshake, proof) => {
                put_handshake(&mut out, 1, handshake);
                out.extend_from_slice(proof.as_bytes());
            }
            Self::Request { request, blob } => {
                put(&mut out, 2, &[&request.0.to_be_bytes(), blob.as_bytes()]);
            }
            Self::Response {
                request,
                blob,
                data,
            } => {
                let request = request.0.to_be_bytes();
                put(&mut out, 3, &[&request, blob.as_bytes(), data]);
            }
            Self::Have(blobs) => put_haves(&mut out, blobs),
            Self::HaveBits { topic, first, bits } => {
                let fields: [&[u8]; 4] = [&[1], topic.as_bytes(), &first.to_be_bytes(), bits];
                put(&mut out, 4, &fields);
            }
            Self::Want(blobs) => put_wants(&mut out, blobs),
            Self::NotFound { request, blob } => {
                put(&mut out, 6, &[&request.0.to_be_bytes(), blob.as_bytes()]);
            }
            Self::Error {
                request,
                code,
                text,
            } => {
                let (request, code) = (request.0.to_be_bytes(), code.0.to_be_bytes());
                put(&mut out, 7, &[&request, &code, shortened(text).as_bytes()]);
            }
            Self::Part {
                request,
                offset,
                total,
                data,
            } => {
                let [request, offset, total] = [request.0, *offset, *total].map(u32::to_be_bytes);
                put(&mut out, 8, &[&request, &offset, &total, data]);
            }
            Self::Cancel { request } => put(&mut out, 9, &[&request.0.to_be_bytes()]),
            Self::Proof(proof) => put(&mut out, 10, &[proof.as_bytes()]),
            Self::Challenge {
                request,
                blob,
                nonce,
            } => {
                let request = request.0.to_be_bytes();
                put(&mut out, 12, &[&request, blob.as_bytes(), nonce.as_bytes()]);
            }
            Self::Possession { request, evidence } => {
                let request = request.0.to_be_bytes();
                put(&mut out, 13, &[&request, evidence.as_bytes()]);
            }
            Self::Join { topic, reach } => put(&mut out, 16, &[topic.as_bytes(), &[reach.0]]),
            Self::Leave { topic } => put(&mut out, 17, &[topic.as_bytes()]),
            Self::Members {
                topic,
                you,
                members,
            } => {
                put(&mut out, 18, &[topic.as_bytes(), &you.0.to_be_bytes()]);
                put_members(&mut out, members);
            }
            Self::Joined {
                topic,
                member,
                reach,
            } => {
                let member = member.0.to_be_bytes();
                put(&mut out, 19, &[topic.as_bytes(), &member, &[reach.0]]);
            }
            Self::Left { topic, member } => {
                put(&mut out, 20, &[topic.as_bytes(), &member.0.to_be_bytes()]);
            }
            Self::Signal {
                topic,
                member,
                sealed,
            } => put_signal(&mut out, 21, *topic, &[*member], sealed),
            Self::Sources { topic, addresses } => {
                put_sources(&mut out, topic.as_bytes(), addresses);
            }
            Self::IceServers { lifetime, servers } => put_servers(&mut out, *lifetime, servers),
            Self::Forward {
                topic,
                from,
                to,
                sealed,
            } => put_signal(&mut out, 24, *topic, &[*from, *to], sealed),
            Self::Taken { topic, from, bytes } => {
                let (from, bytes) = (from.0.to_be_bytes(), bytes.to_be_bytes());
                put(&mut out, 25, &[topic.as_bytes(), &from, &bytes]);
            }
        }
        Bytes::from(out)
    }

    /// Room for the message, exact where it carries data.
    fn encoded_len(&self) -> usize {
        64 + match self {
            Self::Response { data, .. } | Self::Part { data, .. } => data.len(),
            Self::Signal { sealed, .. } | Self::Forward { sealed, .. } => sealed.len(),
            Self::HaveBits { bits, .. } => bits.len(),
            Self::Have(blobs) => blobs.len() * 36,
            Self::Want(blobs) => blobs.len() * 33,
            Self::Members { members, .. } => members.len() * 9,
            Self::Error { .. } | Self::Sources { .. } => MAX_TEXT_LEN,
            Self::IceServers { servers, .. } => servers.len() * 96,
            Self::Handshake(_) | Self::HandshakeAck(..) | Self::Proof(_) => 80,
            Self::Request { .. }
            | Self::NotFound { .. }
            | Self::Cancel { .. }
            | Self::Challenge { .. }
            | Self::Possession { .. }
            | Self::Join { .. }
            | Self::Leave { .. }
            | Self::Joined { .. }
            | Self::Left { .. }
            | Self::Taken { .. } => 0,
        }
    }
}

fn put(out: &mut Vec<u8>, kind: u8, fields: &[&[u8]]) {
    out.push(kind);
    put_more(out, fields);
}

fn put_more(out: &mut Vec<u8>, fields: &[&[u8]]) {
    for field in fields {
        out.extend_from_slice(field);
    }
}

fn put_haves(out: &mut Vec<u8>, blobs: &[(BlobId, u32)]) {
    put(out, 4, &[&[0]]);
    for (blob, len) in blobs {
        put_more(out, &[blob.as_bytes(), &len.to_be_bytes()]);
    }
}

fn put_wants(out: &mut Vec<u8>, blobs: &[(BlobId, Hops)]) {
    put(out, 5, &[]);
    for (blob, hops) in blobs {
        put_more(out, &[blob.as_bytes(), &hops.0.to_be_bytes()]);
    }
}

fn put_signal(out: &mut Vec<u8>, kind: u8, topic: Topic, members: &[MemberId], sealed: &[u8]) {
    put(out, kind, &[topic.as_bytes()]);
    for member in members {
        put_more(out, &[&member.0.to_be_bytes()]);
    }
    put_more(out, &[sealed]);
}

fn put_members(out: &mut Vec<u8>, members: &[(MemberId, Reach)]) {
    for (member, reach) in members {
        put_more(out, &[&member.0.to_be_bytes(), &[reach.0]]);
    }
}

fn put_handshake(out: &mut Vec<u8>, kind: u8, handshake: &Handshake) {
    put(out, kind, &[]);
    handshake.put(out);
}

impl Handshake {
    /// The fields as they stand on the wire.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let fields: [&[u8]; 5] = [
            &self.version.to_be_bytes(),
            &self.features.0.to_be_bytes(),
            self.peer.as_bytes(),
            &self.max_message.to_be_bytes(),
            self.nonce.as_bytes(),
        ];
        for field in fields {
            out.extend_from_slice(field);
        }
    }
}

/// Addresses longer than a length byte can say are not addresses: left out.
fn put_sources(out: &mut Vec<u8>, topic: &[u8], addresses: &[String]) {
    put(out, 22, &[topic]);
    for address in addresses {
        if let Ok(len) = u8::try_from(address.len()) {
            put(out, len, &[address.as_bytes()]);
        }
    }
}

/// One with a text longer than a length byte can say is left out.
fn put_servers(out: &mut Vec<u8>, lifetime: u32, servers: &[IceServer]) {
    put(out, 23, &[&lifetime.to_be_bytes()]);
    for server in servers {
        let texts = [&server.url, &server.username, &server.credential];
        if texts.iter().any(|text| u8::try_from(text.len()).is_err()) {
            continue;
        }
        for text in texts {
            let len = u8::try_from(text.len()).expect("looked at above");
            put(out, len, &[text.as_bytes()]);
        }
    }
}

fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT_LEN)]
}
