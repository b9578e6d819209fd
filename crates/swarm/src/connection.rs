//! What the machine knows of one connection and of the peer behind it.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;

use bytes::Bytes;
use samara_core::message::{Features, Handshake, PeerId};
use samara_core::{BlobId, MemberId, RequestId, Topic};

use crate::assembly::Assembly;
use crate::detour::Leaving;
use crate::face::{ConnectionId, Pair, Path, TransferId};
use crate::holdings::Shown;
use crate::pace::Pace;
use crate::push::Keeping;
use crate::time::{Millis, Time};

/// A connection, from the first attempt on.
pub(crate) struct Connection {
    pub(crate) carrier: Carrier,
    pub(crate) origin: Origin,
    pub(crate) stage: Stage,
    /// Messages handed to the driver and not yet on their way, with the
    /// connection each belongs to: a relay's carries its circuits' too.
    pub(crate) outbox: VecDeque<Queued>,
    /// Bytes of this connection's own messages not yet on their way.
    pub(crate) queued: usize,
    /// How fast its messages leave.
    pub(crate) leaving: Pace,
    /// When the transport last took something, or began to owe.
    pub(crate) moved_at: Time,
    /// Transfers this peer may learn the wants of.
    pub(crate) scope: Scope,
    /// Beside another data channel to the same peer.
    pub(crate) lane: bool,
    /// Signals of the session, where two met through a room.
    pub(crate) signals: Signals,
    /// What it goes through, of a data channel and once known.
    pub(crate) pair: Option<Pair>,
}

/// How many signals a session had.
#[derive(Default)]
pub(crate) struct Signals {
    pub(crate) sent: u32,
    /// The number of the last that came.
    pub(crate) heard: u32,
    /// Candidates that came.
    pub(crate) candidates: usize,
}

/// A message handed to the driver.
pub(crate) struct Queued {
    /// Whose message it is.
    pub(crate) owner: ConnectionId,
    /// Bytes of it not yet on their way.
    pub(crate) left: usize,
    /// Bytes of a blob in it.
    pub(crate) served: usize,
}

/// Who carries the messages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// The driver, on a transport of its own.
    Driver,
    /// The relay of the connection's [`Meeting`].
    Circuit,
}

/// How the connection came about.
#[derive(Clone)]
pub(crate) enum Origin {
    /// Somebody dialed this peer.
    Accepted,
    /// This peer dialed a WebSocket URL.
    Dialed(String),
    /// Through a room.
    Met(Meeting),
}

/// Two members of a room getting in touch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meeting {
    pub(crate) relay: ConnectionId,
    pub(crate) topic: Topic,
    pub(crate) member: MemberId,
    /// Chosen by the side that began.
    pub(crate) session: u32,
    /// Whether this side began.
    pub(crate) began: bool,
}

/// How far the connection is.
pub(crate) enum Stage {
    /// The driver is connecting.
    Dialing { until: Time },
    /// Connected; the handshake is not done.
    Greeting {
        until: Time,
        greeting: Box<Greeting>,
    },
    /// The peer has proven who it is.
    Ready(Box<Peer>),
}

/// A handshake under way.
#[derive(Clone)]
pub(crate) struct Greeting {
    pub(crate) path: Path,
    /// Longest message the transport carries.
    pub(crate) max_message: usize,
    /// What proofs are tied to.
    pub(crate) binding: Bytes,
    pub(crate) step: Step,
}

/// What was said in a handshake so far.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// This side sent the HANDSHAKE: an answer with a proof is to come.
    Called { ours: Handshake },
    /// The other side is to speak first.
    Listening,
    /// This side answered: the other's proof is to come.
    Answered { ours: Handshake, theirs: Handshake },
}

/// Whose wants may be told to a peer: one who has nothing to do with a
/// transfer must not learn which blobs belong together.
pub(crate) enum Scope {
    /// The user chose this peer.
    Everything,
    /// Met for these transfers, or showed knowledge of their blobs.
    Only(BTreeSet<TransferId>),
}

impl Scope {
    pub(crate) fn includes(&self, transfer: TransferId) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(transfers) => transfers.contains(&transfer),
        }
    }
}

/// A peer whose handshake is done.
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    pub(crate) features: Features,
    pub(crate) path: Path,
    /// Longest message to receive.
    pub(crate) accepts: usize,
    /// When its handshake was done.
    pub(crate) since: Time,
    /// How long it took to answer the handshake, if this side began that: a
    /// round trip in which no disk has a part.
    pub(crate) greeted_in: Option<Millis>,
    /// Longest message to send.
    pub(crate) max_message: usize,
    pub(crate) asking: Asking,
    pub(crate) serving: Serving,
    pub(crate) telling: Telling,
    pub(crate) keeping: Keeping,
    pub(crate) shown: Shown,
    /// A better connection to the same peer took over.
    pub(crate) leaving: Option<Leaving>,
}

/// What is asked of a peer.
#[derive(Default)]
pub(crate) struct Asking {
    /// Blobs wanted here that the peer holds, with the lengths it claims.
    pub(crate) has: BTreeMap<BlobId, u32>,
    /// Blobs it claimed and then did not find, and how often.
    pub(crate) broken: BTreeMap<BlobId, u8>,
    pub(crate) requests: BTreeMap<RequestId, Asked>,
    pub(crate) last_request: u32,
    /// Bytes asked for and not yet there.
    pub(crate) owed: u64,
    /// Bytes of cancelled requests that may still come.
    pub(crate) given_up: u64,
    pub(crate) pace: Pace,
    /// When the peer last made progress, or began to owe a blob.
    pub(crate) last_heard: Time,
    /// Bytes it sent since; too few are no progress.
    pub(crate) heard: usize,
    /// Verified bytes it gave, by transfer.
    pub(crate) gave: BTreeMap<TransferId, u64>,
}

/// Bytes that count as progress: a source that sends fewer within its
/// patience holds blobs up and is let go.
const PROGRESS: usize = 16 << 10;

impl Asking {
    /// Bytes came that were asked for some time.
    pub(crate) fn received(&mut self, now: Time, bytes: usize) {
        self.pace.received(now, bytes);
        self.heard += bytes;
        if self.heard >= PROGRESS {
            self.progressed(now);
        }
    }

    /// The peer is of use: it has time again.
    pub(crate) fn progressed(&mut self, now: Time) {
        self.last_heard = now;
        self.heard = 0;
    }
}

/// An unanswered request.
pub(crate) struct Asked {
    pub(crate) blob: BlobId,
    /// As the peer claims.
    len: u32,
    pub(crate) received: u64,
    pub(crate) at: Time,
    /// When its first bytes came.
    begun_at: Option<Time>,
    /// Whether the peer owed nothing else when it was asked.
    pub(crate) alone: bool,
    pub(crate) parts: Assembly,
}

impl Asked {
    pub(crate) fn new(blob: BlobId, len: u32, at: Time, alone: bool) -> Self {
        Self {
            blob,
            len,
            received: 0,
            at,
            begun_at: None,
            alone,
            parts: Assembly::default(),
        }
    }

    /// Bytes still to come.
    pub(crate) fn left(&self) -> u64 {
        u64::from(self.len).saturating_sub(self.received)
    }

    pub(crate) const fn has_begun(&self) -> bool {
        self.received > 0
    }

    /// How long the rest will take if it comes as what came did; `None` before
    /// anything came.
    pub(crate) fn time_left(&self, now: Time) -> Option<Millis> {
        let took = now.since(self.begun_at?);
        Some(Millis(
            self.left().saturating_mul(took.0) / self.received.max(1),
        ))
    }

    /// Counts bytes that came; how many of them were still to come.
    pub(crate) fn receive(&mut self, now: Time, bytes: usize) -> u64 {
        self.begun_at.get_or_insert(now);
        let before = self.left();
        self.received += bytes as u64;
        before - self.left()
    }
}

/// What a peer asks for.
#[derive(Default)]
pub(crate) struct Serving {
    pub(crate) queue: VecDeque<(RequestId, BlobId)>,
    /// The last number it gave a request.
    pub(crate) last_request: u32,
    /// Loads under way for this peer, with their lengths.
    pub(crate) loading: BTreeMap<RequestId, u32>,
    /// Bytes of blobs on their way to it, as last counted.
    pub(crate) outgoing: usize,
    /// When its transport last took something, or began to owe.
    pub(crate) taken_at: Time,
    /// Bytes of blobs that left for it.
    pub(crate) sent: u64,
    pub(crate) sending: VecDeque<Sending>,
    /// Waits for its turn to have a blob loaded.
    pub(crate) in_line: bool,
    /// Waits for its turn to be sent something.
    pub(crate) held_back: bool,
    /// Blobs it wants and this peer does not hold.
    pub(crate) wants: BTreeSet<BlobId>,
    /// Wants beyond the limit.
    pub(crate) excess: usize,
}

/// A blob on its way to a peer.
pub(crate) struct Sending {
    pub(crate) request: RequestId,
    pub(crate) blob: BlobId,
    pub(crate) bytes: Bytes,
    pub(crate) sent: usize,
}

/// What a peer was told.
#[derive(Default)]
pub(crate) struct Telling {
    /// Wants it has not answered with a HAVE, by transfer.
    pub(crate) told: BTreeMap<TransferId, BTreeSet<BlobId>>,
    /// How far into each transfer's blobs the wants were told.
    pub(crate) cursors: BTreeMap<TransferId, usize>,
    /// Wants of others that were passed on to it.
    pub(crate) passed: BTreeSet<BlobId>,
}

impl Telling {
    /// Whether it was told that a transfer here wants a blob.
    pub(crate) fn tells(&self, blob: &BlobId) -> bool {
        self.told.values().any(|told| told.contains(blob))
    }

    /// A want is over; whether it was told.
    pub(crate) fn answered(&mut self, blob: BlobId) -> bool {
        let told = self.told.values_mut();
        told.map(|told| told.remove(&blob))
            .fold(false, |any, one| any | one)
    }
}

impl Peer {
    /// Whether blobs come from it in parts, so that one is seen to begin.
    pub(crate) const fn sends_parts(&self) -> bool {
        match self.path {
            Path::WebRtc | Path::Circuit => true,
            Path::WebSocket => false,
        }
    }

    /// Whether nothing is to be had from it and it asks for nothing.
    pub(crate) fn is_idle(&self) -> bool {
        let gives = !self.asking.has.is_empty() || !self.asking.requests.is_empty();
        !gives && self.serving.is_idle()
    }
}

impl Connection {
    pub(crate) fn new(carrier: Carrier, origin: Origin, stage: Stage, scope: Scope) -> Self {
        Self {
            carrier,
            origin,
            stage,
            outbox: VecDeque::new(),
            queued: 0,
            leaving: Pace::default(),
            moved_at: Time::default(),
            scope,
            lane: false,
            signals: Signals::default(),
            pair: None,
        }
    }

    pub(crate) fn ready(&self) -> Option<&Peer> {
        match &self.stage {
            Stage::Ready(peer) => Some(peer),
            Stage::Dialing { .. } | Stage::Greeting { .. } => None,
        }
    }

    pub(crate) fn ready_mut(&mut self) -> Option<&mut Peer> {
        match &mut self.stage {
            Stage::Ready(peer) => Some(peer),
            Stage::Dialing { .. } | Stage::Greeting { .. } => None,
        }
    }

    /// Whether the transport has not taken all it was given.
    pub(crate) fn has_queued(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// The longest message that may come, once the other side was told.
    pub(crate) fn accepts(&self) -> usize {
        match &self.stage {
            Stage::Dialing { .. } => usize::MAX,
            Stage::Greeting { greeting, .. } => greeting.max_message,
            Stage::Ready(peer) => peer.accepts,
        }
    }

    /// The handshake goes on; it has no more time for that.
    pub(crate) fn answered(&mut self, answered: Greeting) {
        if let Stage::Greeting { greeting, .. } = &mut self.stage {
            **greeting = answered;
        }
    }

    /// Whether this side chose to have it. An address that somebody named is
    /// nobody's choice.
    pub(crate) const fn was_begun_here(&self) -> bool {
        match (&self.origin, &self.scope) {
            (Origin::Dialed(_), Scope::Everything) => true,
            (Origin::Accepted | Origin::Dialed(_), _) => false,
            (Origin::Met(meeting), _) => meeting.began,
        }
    }

    pub(crate) const fn meeting(&self) -> Option<&Meeting> {
        match &self.origin {
            Origin::Met(meeting) => Some(meeting),
            Origin::Accepted | Origin::Dialed(_) => None,
        }
    }
}
