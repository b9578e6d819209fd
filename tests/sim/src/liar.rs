//! Peers that do not keep to the protocol. Each lie is plain code between an
//! honest machine and its wires: what it changes of what the machine says,
//! what it makes of what the machine would hear, and what it says by itself.

use std::collections::BTreeMap;

use bytes::Bytes;
use samara_core::blob::MAX_BLOB_LEN;
use samara_core::message::Hops;
use samara_core::possession::Evidence;
use samara_core::{BlobId, Message, RequestId};

use crate::dice::Dice;
use crate::peer::ConnectionId;

/// What a liar does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lie {
    /// Serves bytes that are not the blob.
    WrongBlobs,
    /// Serves blobs cut short, and says wrong lengths.
    WrongLengths,
    /// Never finishes a handshake.
    EndlessHandshake,
    /// Claims whatever is wanted, and answers no request.
    HasEverything,
    /// Claims whatever is wanted, and says `NOT_FOUND` to each request.
    TakesBack,
    /// Sends each blob a byte at a time.
    SlowDrip,
    /// Wants blobs that nobody has, without end.
    WantFlood,
    /// Asks for blobs without end.
    RequestFlood,
    /// Asks and cancels without end.
    CancelFlood,
    /// Sends bytes that mean nothing.
    Junk,
    /// Answers requests that nobody made.
    Unasked,
    /// Says what only relays say.
    FalseRelay,
    /// Claims what is pushed to it, and proves it with others' proofs.
    ReplayedProofs,
    /// Claims what is pushed to it, and has others answer its challenges.
    ReflectedChallenges,
    /// Tells wants and takes them back without end.
    ToggledWants,
    /// Asks for one thing after the other under one number.
    ReusedNumbers,
    /// Asks, and takes none of the answers.
    NeverReads,
    /// Hears everything and says nothing more after the handshake.
    Mute,
}

impl Lie {
    /// Every lie there is.
    pub const ALL: [Self; 18] = [
        Self::WrongBlobs,
        Self::WrongLengths,
        Self::EndlessHandshake,
        Self::HasEverything,
        Self::TakesBack,
        Self::SlowDrip,
        Self::WantFlood,
        Self::RequestFlood,
        Self::CancelFlood,
        Self::Junk,
        Self::Unasked,
        Self::FalseRelay,
        Self::ReplayedProofs,
        Self::ReflectedChallenges,
        Self::ToggledWants,
        Self::ReusedNumbers,
        Self::NeverReads,
        Self::Mute,
    ];
}

/// A liar at work.
pub(crate) struct Liar {
    lie: Lie,
    dice: Dice,
    /// Blobs that others spoke of.
    heard_of: Vec<BlobId>,
    /// Requests that are dripped an answer to, and how far.
    dripping: BTreeMap<(ConnectionId, RequestId), u32>,
    last_request: u32,
    /// Floods left: a flood that never ends shows nothing new.
    energy: u32,
    /// Somebody's proof that came by.
    proof: Option<Evidence>,
    /// What it sent back to be answered, and the request that asked for it.
    reflected: BTreeMap<(ConnectionId, RequestId), RequestId>,
    /// Wants it told and has not taken back.
    told: Vec<BlobId>,
}

/// Blobs a liar remembers: as many as make its claims credible.
const REMEMBERED: usize = 512;
/// Messages of one flood, once a second.
const FLOOD: usize = 100;

impl Liar {
    pub(crate) const fn new(lie: Lie, dice: Dice) -> Self {
        Self {
            lie,
            dice,
            heard_of: Vec::new(),
            dripping: BTreeMap::new(),
            last_request: 0,
            energy: 60,
            proof: None,
            reflected: BTreeMap::new(),
            told: Vec::new(),
        }
    }

    /// What becomes of a message of its machine.
    pub(crate) fn says(&mut self, _to: ConnectionId, bytes: Bytes) -> Vec<Bytes> {
        let kind = bytes.first().copied();
        match (self.lie, kind) {
            (Lie::WrongBlobs, Some(3 | 8)) => [flipped(&bytes)].into(),
            (Lie::WrongLengths, Some(3)) => self.cut_short(&bytes),
            // The mute stays in its rooms, or nobody would meet it.
            (Lie::EndlessHandshake, Some(0 | 1))
            | (Lie::HasEverything | Lie::SlowDrip, Some(3 | 6 | 8))
            | (Lie::TakesBack, Some(3 | 8))
            | (Lie::Mute, Some(2..=9)) => Vec::new(),
            _ => [bytes].into(),
        }
    }

    /// What it answers, and whether its machine hears of the message.
    pub(crate) fn hears(&mut self, from: ConnectionId, bytes: &Bytes) -> (bool, Vec<Bytes>) {
        let Ok(message) = Message::decode(bytes) else {
            return (true, Vec::new());
        };
        self.remember(&message);
        match (self.lie, message) {
            (
                Lie::HasEverything | Lie::TakesBack | Lie::SlowDrip | Lie::WrongBlobs,
                Message::Want(wants),
            ) => {
                let claimed = wants.iter().filter(|(_, hops)| *hops != Hops::WITHDRAWN);
                let claimed: Vec<_> = claimed.map(|(blob, _)| (*blob, 1040)).collect();
                let have = (!claimed.is_empty()).then(|| Message::Have(claimed).encode());
                (self.lie == Lie::WrongBlobs, have.into_iter().collect())
            }
            (Lie::TakesBack, Message::Request { request, blob }) => {
                (false, [Message::NotFound { request, blob }.encode()].into())
            }
            (Lie::WrongBlobs, Message::Request { request, blob }) => {
                let data = Bytes::copy_from_slice(&self.dice.bytes::<1040>());
                let response = Message::Response {
                    request,
                    blob,
                    data,
                };
                (false, [response.encode()].into())
            }
            (Lie::ReplayedProofs | Lie::ReflectedChallenges, Message::Have(haves)) => {
                // Its own store stays empty: it claims what it was offered.
                (false, [Message::Have(haves).encode()].into())
            }
            (Lie::ReplayedProofs, Message::Challenge { request, .. }) => {
                let random = Evidence::from_bytes(self.dice.bytes());
                let evidence = self.proof.unwrap_or(random);
                let proof = Message::Possession { request, evidence };
                (false, [proof.encode()].into())
            }
            (Lie::ReplayedProofs, Message::Possession { evidence, .. }) => {
                self.proof = Some(evidence);
                (false, Vec::new())
            }
            (
                Lie::ReflectedChallenges,
                Message::Challenge {
                    request: asked,
                    blob,
                    nonce,
                },
            ) => {
                let (request, _) = self.request();
                self.reflected.insert((from, request), asked);
                let back = Message::Challenge {
                    request,
                    blob,
                    nonce,
                };
                (false, [back.encode()].into())
            }
            (Lie::ReflectedChallenges, Message::Possession { request, evidence }) => {
                let request = self.reflected.remove(&(from, request));
                let proof = request.map(|request| Message::Possession { request, evidence });
                let proof = proof.map(|proof| proof.encode());
                (false, proof.into_iter().collect())
            }
            (Lie::SlowDrip, Message::Request { request, .. }) => {
                self.dripping.insert((from, request), 0);
                (false, Vec::new())
            }
            _ => (true, Vec::new()),
        }
    }

    /// What it says by itself, once a second to each of its connections.
    pub(crate) fn volunteers(&mut self, to: ConnectionId) -> Vec<Bytes> {
        if self.lie != Lie::SlowDrip && self.energy == 0 {
            return Vec::new();
        }
        self.energy = self.energy.saturating_sub(1);
        match self.lie {
            Lie::SlowDrip => self.drip(to),
            Lie::WantFlood => (0..FLOOD / 10).map(|_| self.wants()).collect(),
            Lie::ToggledWants => self.toggle(),
            Lie::ReusedNumbers => self.again_and_again(),
            Lie::RequestFlood => (0..FLOOD).map(|_| self.request().1).collect(),
            Lie::CancelFlood => (0..FLOOD).flat_map(|_| self.request_and_cancel()).collect(),
            Lie::Junk => [self.junk()].into(),
            Lie::Unasked => [self.unasked()].into(),
            Lie::FalseRelay => [self.false_relay()].into(),
            Lie::WrongBlobs
            | Lie::WrongLengths
            | Lie::EndlessHandshake
            | Lie::HasEverything
            | Lie::TakesBack
            | Lie::ReplayedProofs
            | Lie::ReflectedChallenges
            | Lie::NeverReads
            | Lie::Mute => Vec::new(),
        }
    }

    fn remember(&mut self, message: &Message) {
        let new: Vec<_> = match message {
            Message::Want(wants) => wants.iter().map(|(blob, _)| *blob).collect(),
            Message::Have(haves) => haves.iter().map(|(blob, _)| *blob).collect(),
            _ => return,
        };
        let room = REMEMBERED.saturating_sub(self.heard_of.len());
        self.heard_of.extend(new.into_iter().take(room));
    }

    fn some_blob(&mut self) -> BlobId {
        if self.heard_of.is_empty() || self.dice.chance(100) {
            return BlobId::from_bytes(self.dice.bytes());
        }
        self.dice.pick(&self.heard_of)
    }

    fn cut_short(&mut self, bytes: &Bytes) -> Vec<Bytes> {
        let header = samara_core::message::RESPONSE_HEADER_LEN;
        let len = header + self.dice.index(bytes.len().saturating_sub(header).max(1));
        [bytes.slice(..len.min(bytes.len()))].into()
    }

    /// One byte more of everything that was asked for.
    fn drip(&mut self, to: ConnectionId) -> Vec<Bytes> {
        let dripping = self
            .dripping
            .iter_mut()
            .filter(|((from, _), _)| *from == to);
        let parts = dripping.map(|((_, request), offset)| {
            let part = Message::Part {
                request: *request,
                offset: *offset,
                total: 1040,
                data: Bytes::from_static(&[0]),
            };
            *offset += 1;
            part.encode()
        });
        parts.take(8).collect()
    }

    fn wants(&mut self) -> Bytes {
        let wants = (0..100).map(|_| (BlobId::from_bytes(self.dice.bytes()), Hops::OWN));
        Message::Want(wants.collect()).encode()
    }

    /// Wants as many as are remembered, and a second later none of them.
    fn toggle(&mut self) -> Vec<Bytes> {
        let hops = if self.told.is_empty() {
            self.told = (0..3000)
                .map(|_| BlobId::from_bytes(self.dice.bytes()))
                .collect();
            Hops::OWN
        } else {
            Hops::WITHDRAWN
        };
        let wants = self.told.iter().map(|blob| (*blob, hops)).collect();
        if hops == Hops::WITHDRAWN {
            self.told.clear();
        }
        [Message::Want(wants).encode()].into()
    }

    fn again_and_again(&mut self) -> Vec<Bytes> {
        let request = RequestId(7);
        let again = (0..3).map(|_| Message::Request {
            request,
            blob: self.some_blob(),
        });
        again.map(|message| message.encode()).collect()
    }

    fn request(&mut self) -> (RequestId, Bytes) {
        self.last_request += 1;
        let request = RequestId(self.last_request);
        let blob = self.some_blob();
        (request, Message::Request { request, blob }.encode())
    }

    fn request_and_cancel(&mut self) -> [Bytes; 2] {
        let (request, message) = self.request();
        [message, Message::Cancel { request }.encode()]
    }

    fn junk(&mut self) -> Bytes {
        let bytes = self.dice.bytes::<64>();
        let len = self.dice.index(bytes.len());
        Bytes::copy_from_slice(&bytes[..len])
    }

    fn unasked(&mut self) -> Bytes {
        let request = RequestId(u32::try_from(self.dice.below(1 << 32)).expect("32 bits"));
        let len = self.dice.pick(&[0, 16, 1040, 4096, MAX_BLOB_LEN]);
        let blob = self.some_blob();
        let data = Bytes::from(vec![0; len.min(4000)]);
        let response = Message::Response {
            request,
            blob,
            data,
        };
        response.encode()
    }

    fn false_relay(&mut self) -> Bytes {
        let topic = samara_core::Topic::from_bytes(self.dice.bytes());
        let member = samara_core::MemberId(self.dice.below(1000));
        Message::Left { topic, member }.encode()
    }
}

/// The same message with its last bit wrong.
fn flipped(bytes: &Bytes) -> Bytes {
    let mut wrong = bytes.to_vec();
    if let Some(last) = wrong.last_mut() {
        *last ^= 1;
    }
    wrong.into()
}
