//! Pushes: copies of a complete file with keepers, counted only when proven.
//!
//! A pusher offers each blob to as many keepers as still miss to its number of
//! copies. A keeper that says it holds one is challenged: it must hash a fresh
//! nonce, its own name and the blob, which the pusher compares with what it
//! computes from its own copy. Nobody can answer for somebody else, or from
//! memory.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use rand_core::Rng as _;
use samara_core::message::{ErrorCode, Features, Hops, Nonce};
use samara_core::possession::Evidence;
use samara_core::{BlobId, Message, PeerId, RequestId};

use crate::Swarm;
use crate::connection::Peer;
use crate::face::{ConnectionId, Event, Output, TransferId};
use crate::time::{Millis, Time};

/// Challenges one keeper has to answer at once: each costs both sides a read
/// and a hash of a blob.
const CHALLENGES: usize = 8;

/// Challenges of one peer answered at once.
const ANSWERS: usize = 4 * CHALLENGES;

/// How long a keeper may take to prove what it says.
const PROOF: Millis = Millis::seconds(60);

/// A file's copies elsewhere.
pub(crate) struct Pushing {
    /// Copies wanted.
    target: u8,
    /// Everything another peer needs to take this one's place.
    blobs: Vec<BlobId>,
    copies: BTreeMap<BlobId, Copies>,
    /// Blobs with at least one proven copy, two, and so on up to the target.
    reached: Vec<u32>,
}

/// One blob's copies.
#[derive(Default)]
struct Copies {
    proven: Vec<PeerId>,
    /// Keepers it is offered to and that have not proven it.
    offered: u8,
}

/// What a pusher and one keeper have to do with each other.
#[derive(Default)]
pub(crate) struct Keeping {
    pushes: BTreeMap<TransferId, PushTo>,
    challenges: BTreeMap<RequestId, Challenge>,
    /// Blobs it says it holds, to be challenged.
    claimed: VecDeque<(TransferId, BlobId)>,
    /// When it was last offered something.
    offered_at: Time,
    /// The peer has no room for pushes.
    full: bool,
    /// Challenges of the peer that are being answered here.
    answering: usize,
}

/// A push towards one keeper.
#[derive(Default)]
struct PushTo {
    cursor: usize,
    offered: BTreeSet<BlobId>,
    /// Claimed and not proven: not offered to this keeper again.
    failed: BTreeSet<BlobId>,
}

struct Challenge {
    transfer: TransferId,
    blob: BlobId,
    until: Time,
    /// What the keeper answered, and what it should have.
    theirs: Option<Evidence>,
    ours: Option<Evidence>,
}

/// What is hashed: whoever proves a blob answers for itself only.
pub(crate) type Question = (BlobId, Nonce, PeerId);

/// What a hash is computed for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To prove possession to a pusher.
    Prove(ConnectionId, RequestId),
    /// To check a keeper's proof.
    Check(ConnectionId, RequestId),
}

impl Pushing {
    pub(crate) fn new(target: u8, blobs: Vec<BlobId>) -> Self {
        Self {
            target,
            blobs,
            copies: BTreeMap::new(),
            reached: [0].repeat(usize::from(target)),
        }
    }

    /// A keeper proved a blob that was offered to it.
    fn prove(&mut self, blob: BlobId, peer: PeerId) {
        self.unoffer(&blob);
        let copies = self.copies.entry(blob).or_default();
        if copies.proven.contains(&peer) {
            return;
        }
        copies.proven.push(peer);
        if let Some(reached) = self.reached.get_mut(copies.proven.len() - 1) {
            *reached += 1;
        }
    }

    /// Offers of a blob that may still be made.
    fn missing(&self, blob: &BlobId) -> u8 {
        let copies = self.copies.get(blob);
        let made = copies.map_or(0, |c| c.proven.len() + usize::from(c.offered));
        self.target
            .saturating_sub(u8::try_from(made).unwrap_or(u8::MAX))
    }

    fn is_proven_by(&self, blob: &BlobId, peer: PeerId) -> bool {
        self.copies
            .get(blob)
            .is_some_and(|copies| copies.proven.contains(&peer))
    }

    fn offer(&mut self, blob: BlobId) {
        self.copies.entry(blob).or_default().offered += 1;
    }

    fn unoffer(&mut self, blob: &BlobId) {
        if let Some(copies) = self.copies.get_mut(blob) {
            copies.offered = copies.offered.saturating_sub(1);
        }
    }

    fn event(&self, transfer: TransferId) -> Event {
        let blobs = u32::try_from(self.blobs.len()).unwrap_or(u32::MAX);
        let complete = self.reached.iter().take_while(|reached| **reached == blobs);
        Event::Pushed {
            transfer,
            proven: self.reached.iter().sum(),
            wanted: blobs.saturating_mul(u32::from(self.target)),
            copies: u8::try_from(complete.count()).unwrap_or(u8::MAX),
            target: self.target,
        }
    }
}

impl Swarm {
    pub(crate) fn on_push(&mut self, transfer: TransferId, copies: u8) {
        let Some(pushed) = self.transfers.get_mut(&transfer) else {
            return;
        };
        pushed.push(copies);
        for connection in self.connections.values_mut() {
            if let Some(peer) = connection.ready_mut() {
                peer.keeping.full = false;
                if let Some(push) = peer.keeping.pushes.get_mut(&transfer) {
                    push.failed.clear();
                }
            }
        }
        self.push_anew(transfer);
    }

    /// Looks at every blob of a push again, for every keeper.
    fn push_anew(&mut self, transfer: TransferId) {
        let peers: Vec<_> = self.connections.keys().copied().collect();
        for id in peers {
            if let Some(peer) = self.peer_mut(id)
                && let Some(push) = peer.keeping.pushes.get_mut(&transfer)
            {
                push.cursor = 0;
            }
            self.push_all(id);
        }
    }

    /// Offers a keeper what is pushed, as far as it may be at once.
    pub(crate) fn push_all(&mut self, id: ConnectionId) {
        let most = self.config.limits.wants_per_peer / 4;
        let Some(peer) = self.connections.get_mut(&id).and_then(|c| c.ready_mut()) else {
            return;
        };
        let keeps = Features::KEEPS.with(Features::POSSESSION);
        if !peer.features.contains(keeps) || peer.keeping.full {
            return;
        }
        let mut offers = Vec::new();
        for (transfer, pushed) in &mut self.transfers {
            let Some(pushing) = &mut pushed.pushing else {
                continue;
            };
            let push = peer.keeping.pushes.entry(*transfer).or_default();
            while push.offered.len() < most
                && let Some(blob) = pushing.blobs.get(push.cursor).copied()
            {
                push.cursor += 1;
                let done = pushing.is_proven_by(&blob, peer.id) || push.failed.contains(&blob);
                let wanted = pushing.missing(&blob) > 0 && !done;
                let len = self.held.get(&blob).filter(|_| wanted);
                if let Some(len) = len
                    && push.offered.insert(blob)
                {
                    pushing.offer(blob);
                    offers.push((blob, *len));
                }
            }
        }
        if !offers.is_empty() {
            peer.keeping.offered_at = self.now;
        }
        self.send_offers(id, offers);
    }

    fn send_offers(&mut self, id: ConnectionId, offers: Vec<(BlobId, u32)>) {
        if offers.is_empty() {
            return;
        }
        self.arm(self.now + self.config.limits.tell_again);
        // The want first: the have then makes the pair that is a push.
        let wants = offers.iter().map(|(blob, _)| (*blob, Hops::OWN)).collect();
        self.send_wants(id, wants);
        self.send_haves(id, offers);
    }

    /// There is no room for a pushed blob: whoever pushed it is told.
    pub(crate) fn refuse_push(&mut self, blob: BlobId, why: &str) {
        let pushing = self.connections.iter_mut().filter_map(|(id, connection)| {
            let peer = connection.ready_mut()?;
            let wanted = peer.serving.wants.remove(&blob);
            (wanted && peer.asking.has.contains_key(&blob)).then_some(*id)
        });
        for id in pushing.collect::<Vec<_>>() {
            let (request, code) = (RequestId(0), ErrorCode::FULL);
            let text = why.into();
            self.send(
                id,
                &Message::Error {
                    request,
                    code,
                    text,
                },
            );
        }
    }

    /// A keeper is full: nothing more is offered to it, and what was is taken
    /// back.
    pub(crate) fn on_push_refused(&mut self, from: ConnectionId, why: &str) {
        let Some(peer) = self.peer_mut(from) else {
            return;
        };
        let keeping = core::mem::take(&mut peer.keeping);
        peer.keeping.full = true;
        peer.keeping.answering = keeping.answering;
        let offered = keeping.pushes.values().flat_map(|push| push.offered.iter());
        let withdrawn = offered.map(|blob| (*blob, Hops::WITHDRAWN)).collect();
        self.send_wants(from, withdrawn);
        for transfer in keeping.pushes.keys() {
            let (transfer, reason) = (*transfer, why.into());
            self.event(Event::PushRefused { transfer, reason });
        }
        self.stop_pushing(keeping);
    }

    /// A keeper is gone or refused: what was offered to it goes to others.
    pub(crate) fn stop_pushing(&mut self, keeping: Keeping) {
        for (transfer, push) in keeping.pushes {
            let pushed = self.transfers.get_mut(&transfer);
            let Some(pushing) = pushed.and_then(|t| t.pushing.as_mut()) else {
                continue;
            };
            for blob in &push.offered {
                pushing.unoffer(blob);
            }
            if !push.offered.is_empty() {
                self.push_anew(transfer);
            }
        }
    }

    /// A keeper says it holds blobs: it is to prove those that are pushed.
    pub(crate) fn on_kept(&mut self, from: ConnectionId, blobs: &[BlobId]) {
        let Some(peer) = self.peer_mut(from) else {
            return;
        };
        let keeping = &mut peer.keeping;
        for (transfer, push) in &keeping.pushes {
            let offered = blobs.iter().filter(|blob| push.offered.contains(blob));
            let claimed = offered.map(|blob| (*transfer, *blob));
            let new = claimed.filter(|claim| !keeping.claimed.contains(claim));
            let new: Vec<_> = new.collect();
            keeping.claimed.extend(new);
        }
        self.challenge(from);
    }

    fn challenge(&mut self, id: ConnectionId) {
        let now = self.now;
        while let Some(peer) = self.connections.get_mut(&id).and_then(|c| c.ready_mut()) {
            let keeping = &mut peer.keeping;
            if keeping.challenges.len() >= CHALLENGES {
                return;
            }
            let Some((transfer, blob)) = keeping.claimed.pop_front() else {
                return;
            };
            let mut nonce = [0; Nonce::LEN];
            self.rng.fill_bytes(&mut nonce);
            let nonce = Nonce::from_bytes(nonce);
            let request = peer.asking.number();
            let challenge = Challenge {
                transfer,
                blob,
                until: now + PROOF,
                theirs: None,
                ours: None,
            };
            keeping.challenges.insert(request, challenge);
            let prover = peer.id;
            self.arm(now + PROOF);
            self.hash(Purpose::Check(id, request), blob, prover, nonce);
            self.send(
                id,
                &Message::Challenge {
                    request,
                    blob,
                    nonce,
                },
            );
        }
    }

    fn hash(&mut self, purpose: Purpose, blob: BlobId, prover: PeerId, nonce: Nonce) {
        let question = (blob, nonce, prover);
        self.hashing.entry(question).or_default().push(purpose);
        self.outputs.push_back(Output::Hash {
            blob,
            nonce,
            prover,
        });
    }

    /// A pusher wants to see proof.
    pub(crate) fn on_challenge(
        &mut self,
        from: ConnectionId,
        request: RequestId,
        blob: BlobId,
        nonce: Nonce,
    ) {
        let held = self.held.contains_key(&blob) && self.offers(&blob);
        let prover = self.peer();
        let Some(peer) = self.peer_mut(from) else {
            return;
        };
        if peer.keeping.answering >= ANSWERS {
            return self.misbehaved(from, ErrorCode::TOO_MANY, "too many challenges at once");
        }
        if !held {
            return self.send(from, &Message::NotFound { request, blob });
        }
        peer.keeping.answering += 1;
        self.hash(Purpose::Prove(from, request), blob, prover, nonce);
    }

    pub(crate) fn on_hashed(&mut self, question: Question, evidence: Option<Evidence>) {
        let (blob, _, _) = question;
        for purpose in self.hashing.remove(&question).unwrap_or_default() {
            match (purpose, evidence) {
                (Purpose::Prove(to, request), evidence) => {
                    self.prove(to, request, blob, evidence);
                }
                (Purpose::Check(of, request), Some(ours)) => {
                    self.compare(of, request, |challenge| challenge.ours = Some(ours));
                }
                // Lost here: there is nothing to compare with.
                (Purpose::Check(of, request), None) => self.drop_challenge(of, request),
            }
        }
    }

    fn prove(
        &mut self,
        to: ConnectionId,
        request: RequestId,
        blob: BlobId,
        evidence: Option<Evidence>,
    ) {
        let Some(peer) = self.peer_mut(to) else {
            return;
        };
        peer.keeping.answering = peer.keeping.answering.saturating_sub(1);
        let answer = match evidence {
            Some(evidence) => Message::Possession { request, evidence },
            None => Message::NotFound { request, blob },
        };
        self.send(to, &answer);
    }

    /// A keeper's proof came.
    pub(crate) fn on_possession(
        &mut self,
        from: ConnectionId,
        request: RequestId,
        evidence: Evidence,
    ) {
        let made = self.peer_mut(from).map(|peer| peer.asking.last_request);
        if made.is_some_and(|last| request.0 == 0 || request.0 > last) {
            return self.misbehaved(from, ErrorCode::UNEXPECTED, "a proof nobody asked for");
        }
        self.compare(from, request, |challenge| challenge.theirs = Some(evidence));
    }

    fn compare(
        &mut self,
        of: ConnectionId,
        request: RequestId,
        learn: impl FnOnce(&mut Challenge),
    ) {
        let Some(peer) = self.peer_mut(of) else {
            return;
        };
        let Some(challenge) = peer.keeping.challenges.get_mut(&request) else {
            return;
        };
        learn(challenge);
        let (Some(theirs), Some(ours)) = (challenge.theirs, challenge.ours) else {
            return;
        };
        let peer = peer.id;
        if theirs == ours {
            self.on_proven(of, request, peer);
        } else {
            self.on_lie(of, peer, "a false proof of possession");
        }
    }

    fn on_proven(&mut self, of: ConnectionId, request: RequestId, peer: PeerId) {
        let Some(challenge) = self.end_challenge(of, request) else {
            return;
        };
        let Challenge { transfer, blob, .. } = challenge;
        let pushed = self.transfers.get_mut(&transfer);
        if let Some(pushing) = pushed.and_then(|t| t.pushing.as_mut()) {
            pushing.prove(blob, peer);
            let event = pushing.event(transfer);
            self.event(event);
        }
        self.push_all(of);
        self.challenge(of);
    }

    /// A challenge comes to nothing: the copy does not count, and another
    /// keeper is to have it.
    fn drop_challenge(&mut self, of: ConnectionId, request: RequestId) {
        if let Some(Challenge { transfer, blob, .. }) = self.end_challenge(of, request) {
            let pushed = self.transfers.get_mut(&transfer);
            if let Some(pushing) = pushed.and_then(|t| t.pushing.as_mut()) {
                pushing.unoffer(&blob);
            }
            if let Some(peer) = self.peer_mut(of)
                && let Some(push) = peer.keeping.pushes.get_mut(&transfer)
            {
                push.failed.insert(blob);
            }
            self.push_anew(transfer);
        }
        self.challenge(of);
    }

    fn end_challenge(&mut self, of: ConnectionId, request: RequestId) -> Option<Challenge> {
        let keeping = &mut self.peer_mut(of)?.keeping;
        let challenge = keeping.challenges.remove(&request)?;
        if let Some(push) = keeping.pushes.get_mut(&challenge.transfer) {
            push.offered.remove(&challenge.blob);
        }
        Some(challenge)
    }

    /// A keeper does not hold what it said it does; whether that was it.
    pub(crate) fn on_unproven(
        &mut self,
        from: ConnectionId,
        request: RequestId,
        blob: BlobId,
    ) -> bool {
        let keeping = self.peer_mut(from).map(|peer| &peer.keeping);
        let challenged = keeping.is_some_and(|keeping| {
            let challenge = keeping.challenges.get(&request);
            challenge.is_some_and(|challenge| challenge.blob == blob)
        });
        if challenged {
            self.drop_challenge(from, request);
        }
        challenged
    }

    /// Keepers forget after a while what they were asked to keep: what they
    /// have not got yet is offered again.
    pub(crate) fn run_offers(&mut self) {
        let (now, again) = (self.now, self.config.limits.tell_again);
        let (mut due, mut later) = (Vec::new(), Vec::new());
        for (id, connection) in &mut self.connections {
            let Some(peer) = connection.ready_mut() else {
                continue;
            };
            let pushes = peer.keeping.pushes.values();
            let offered: Vec<_> = pushes.flat_map(|push| &push.offered).copied().collect();
            if offered.is_empty() {
                continue;
            }
            if peer.keeping.offered_at + again > now {
                later.push(peer.keeping.offered_at + again);
                continue;
            }
            peer.keeping.offered_at = now;
            due.push((*id, offered));
        }
        for (id, offered) in due {
            let held = |blob| Some((blob, *self.held.get(&blob)?));
            let offers = offered.into_iter().filter_map(held).collect();
            self.send_offers(id, offers);
        }
        for at in later {
            self.arm(at);
        }
    }

    /// Proofs that did not come in time do not count.
    pub(crate) fn run_proofs(&mut self) {
        let now = self.now;
        let (mut late, mut next) = (Vec::new(), None::<Time>);
        for (id, connection) in &self.connections {
            let challenges = connection.ready().into_iter();
            for (request, challenge) in challenges.flat_map(|peer| &peer.keeping.challenges) {
                if challenge.until <= now {
                    late.push((*id, *request));
                } else {
                    next = Some(next.map_or(challenge.until, |next| next.min(challenge.until)));
                }
            }
        }
        for (id, request) in late {
            self.drop_challenge(id, request);
        }
        if let Some(next) = next {
            self.arm(next);
        }
    }

    /// Nobody needs copies of a transfer any more.
    pub(crate) fn forget_push(peer: &mut Peer, transfer: TransferId) {
        peer.keeping.pushes.remove(&transfer);
        peer.keeping.claimed.retain(|(of, _)| *of != transfer);
    }
}
