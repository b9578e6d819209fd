//! Messages between peers: one type byte, then the fields
//! (`docs/protocol.md`, "Messages").
//!
//! Types below 16 are the blob protocol between any two peers. Types from 16
//! are between a peer and a relay, about rooms, and those from 24 between two
//! relays. Decoding slices the received
//! bytes and copies no data; what a message means is the machine's business.

mod decode;
mod encode;
mod ice;

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::blob::BlobId;
use crate::derive::Topic;
use crate::hex::hex_id;
use crate::identity::Proof;
use crate::possession::Evidence;

pub use crate::identity::PeerId;
pub use decode::DecodeError;
pub use ice::IceServer;

/// Version of the blob protocol.
pub const PROTOCOL_VERSION: u16 = 1;

/// Longest message any peer sends where the transport sets no lower limit: a
/// RESPONSE with the largest blob, rounded up.
pub const MAX_MESSAGE_LEN: usize = crate::blob::MAX_BLOB_LEN + 112;

/// The least a peer may accept: whoever announces less is refused.
pub const MIN_MESSAGE_LEN: usize = 4096;

/// Bytes of a RESPONSE before its data.
pub const RESPONSE_HEADER_LEN: usize = 37;

/// Bytes of a PART before its data.
pub const PART_HEADER_LEN: usize = 13;

/// Random bytes, drawn anew by each side of each handshake and for each
/// challenge, so that no proof fits two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce([u8; 32]);
hex_id!(Nonce, 32);

/// Names a request on its connection; the asker counts up from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u32);

/// Names a member of one room, chosen by the relay.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MemberId(pub u64);

/// What a peer can do beyond the first version, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Features(pub u64);

impl Features {
    /// Understands PART.
    pub const PARTS: Self = Self(1);
    /// Understands CANCEL.
    pub const CANCEL: Self = Self(2);
    /// Keeps rooms: understands the types from 16.
    pub const ROOMS: Self = Self(4);
    /// Takes blobs that are pushed, see WANT.
    pub const KEEPS: Self = Self(8);
    /// Answers wants that are passed on, and tells apart which of its own to
    /// pass on.
    pub const GOSSIP: Self = Self(16);
    /// Understands CHALLENGE and POSSESSION.
    pub const POSSESSION: Self = Self(32);
    /// Understands HAVE as a bitfield.
    pub const BITFIELD: Self = Self(64);
    /// Understands [`Message::IceServers`].
    pub const ICE: Self = Self(128);

    /// Whether all of `other`'s bits are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These without the other's bits.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Both's bits.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// How a room's member can be reached, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reach(pub u8);

impl Reach {
    /// Over a WebRTC data channel.
    pub const WEBRTC: Self = Self(1);

    /// Whether all of `other`'s bits are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What both sides say first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handshake {
    /// The sender's [`PROTOCOL_VERSION`].
    pub version: u16,
    /// What the sender can do.
    pub features: Features,
    /// The sender.
    pub peer: PeerId,
    /// The longest message the sender accepts, in bytes.
    pub max_message: u32,
    /// Never sent before.
    pub nonce: Nonce,
}

/// Distance of a want from its origin: -1 is the sender's own, -2 somebody's
/// the sender knows; 0 takes the want back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Hops(pub i8);

impl Hops {
    /// The sender wants the blob for itself.
    pub const OWN: Self = Self(-1);
    /// The sender no longer wants it.
    pub const WITHDRAWN: Self = Self(0);
    /// The sender wants the blob from whoever holds it; nobody is to go
    /// looking for it.
    pub const QUIET: Self = Self(i8::MIN);

    /// How far away somebody wants the blob for itself; `None` where nobody is
    /// to look for it.
    pub const fn distance(self) -> Option<u8> {
        match self.0 {
            i8::MIN | 0.. => None,
            hops => Some(hops.unsigned_abs()),
        }
    }

    /// A want of that distance, told to the next.
    pub const fn passed_on(distance: u8) -> Self {
        let hops = if distance < 126 { distance + 1 } else { 127 };
        Self(-hops.cast_signed())
    }
}

/// Why a peer answers with ERROR.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ErrorCode(pub u16);

impl ErrorCode {
    /// The message cannot be read.
    pub const MALFORMED: Self = Self(1);
    /// The message cannot come now.
    pub const UNEXPECTED: Self = Self(2);
    /// The protocol version is not spoken here.
    pub const VERSION: Self = Self(3);
    /// More than is allowed at once.
    pub const TOO_MANY: Self = Self(4);
    /// The bytes sent do not match their blob id.
    pub const WRONG_BLOB: Self = Self(5);
    /// Nothing came for too long.
    pub const TIMEOUT: Self = Self(6);
    /// The relay has no such room, or no such member in it.
    pub const NO_MEMBER: Self = Self(7);
    /// No room on the disk for what was pushed.
    pub const FULL: Self = Self(8);
    /// The peer did not prove that it is who it says.
    pub const NOT_PROVEN: Self = Self(9);
}

/// One message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// 0: the dialing side's first message.
    Handshake(Handshake),
    /// 1: the accepting side's answer, and its proof.
    HandshakeAck(Handshake, Proof),
    /// 2: asks for a blob.
    Request {
        /// Repeated in every answer.
        request: RequestId,
        /// The blob.
        blob: BlobId,
    },
    /// 3: a whole blob.
    Response {
        /// Of the REQUEST.
        request: RequestId,
        /// The blob.
        blob: BlobId,
        /// The sealed bytes, unverified.
        data: Bytes,
    },
    /// 4: blobs the sender holds, with their lengths in bytes.
    Have(Vec<(BlobId, u32)>),
    /// 4 as a bitfield: which chunks of the file that both know by its topic
    /// the sender holds.
    HaveBits {
        /// The file.
        topic: Topic,
        /// The chunk of the first bit.
        first: u32,
        /// One bit a chunk, the highest bit of each byte first; set where the
        /// sender holds it. Bits beyond the last chunk are 0.
        bits: Bytes,
    },
    /// 5: blobs the sender wants.
    Want(Vec<(BlobId, Hops)>),
    /// 6: the sender does not have what was asked for.
    NotFound {
        /// Of the REQUEST.
        request: RequestId,
        /// The blob.
        blob: BlobId,
    },
    /// 7: something went wrong.
    Error {
        /// Of the REQUEST, or 0 for the connection as a whole.
        request: RequestId,
        /// What went wrong.
        code: ErrorCode,
        /// For a person; at most 256 bytes.
        text: String,
    },
    /// 8: a piece of a blob that is longer than the other side's messages.
    Part {
        /// Of the REQUEST.
        request: RequestId,
        /// Where in the blob the data belongs, in bytes.
        offset: u32,
        /// The blob's length in bytes.
        total: u32,
        /// The sealed bytes, unverified.
        data: Bytes,
    },
    /// 9: the asker no longer needs the answer.
    Cancel {
        /// Of the REQUEST.
        request: RequestId,
    },
    /// 10: the dialing side's proof, which ends the handshake.
    Proof(Proof),
    /// 12: asks for proof that the receiver holds a blob.
    Challenge {
        /// Numbered like a REQUEST; repeated in the answer.
        request: RequestId,
        /// The blob.
        blob: BlobId,
        /// To be hashed with it.
        nonce: Nonce,
    },
    /// 13: the proof.
    Possession {
        /// Of the CHALLENGE.
        request: RequestId,
        /// Hash of nonce, the sender's id and the blob.
        evidence: Evidence,
    },
    /// 16: enters a room.
    Join {
        /// The room.
        topic: Topic,
        /// How the sender can be reached.
        reach: Reach,
    },
    /// 17: leaves a room.
    Leave {
        /// The room.
        topic: Topic,
    },
    /// 18: the relay's answer to JOIN: who else is there.
    Members {
        /// The room.
        topic: Topic,
        /// The receiver's own id in this room.
        you: MemberId,
        /// Everybody else, the newest first.
        members: Vec<(MemberId, Reach)>,
    },
    /// 19: somebody came.
    Joined {
        /// The room.
        topic: Topic,
        /// Who.
        member: MemberId,
        /// How to reach them.
        reach: Reach,
    },
    /// 20: somebody went.
    Left {
        /// The room.
        topic: Topic,
        /// Who.
        member: MemberId,
    },
    /// 21: a sealed signal. Towards the relay `member` is the receiver, from
    /// the relay it is the sender.
    Signal {
        /// The room.
        topic: Topic,
        /// The other member.
        member: MemberId,
        /// Opaque to the relay.
        sealed: Bytes,
    },
    /// 22: peers found in the DHT for a room, as `host:port` of a WebSocket.
    Sources {
        /// The room.
        topic: Topic,
        /// The addresses.
        addresses: Vec<String>,
    },
    /// 23: servers that help data channels through routers, in place of those
    /// the relay named before.
    IceServers {
        /// For how many seconds they may be used from now on.
        lifetime: u32,
        /// At most [`IceServer::MOST`].
        servers: Vec<IceServer>,
    },
    /// 24: a signal from a member of one relay's room to one of another's,
    /// between the two relays.
    Forward {
        /// The room.
        topic: Topic,
        /// Who sealed it.
        from: MemberId,
        /// For whom.
        to: MemberId,
        /// Opaque to both relays.
        sealed: Bytes,
    },
    /// 25: so many bytes that a member had forwarded are on their way to their
    /// receivers, or dropped: it may have as many forwarded again.
    Taken {
        /// The room.
        topic: Topic,
        /// Who sealed them.
        from: MemberId,
        /// Of sealed signals.
        bytes: u32,
    },
}
