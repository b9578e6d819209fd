//! Possession: a keeper proves that it holds a blob by hashing a fresh nonce,
//! its own name and the blob, which the pusher compares with what it computes
//! from its own copy. Nobody can answer for somebody else, or from memory.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use rand_core::Rng as _;
use samara_core::message::{ErrorCode, Nonce};
use samara_core::possession::Evidence;
use samara_core::{BlobId, Message, PeerId, RequestId};

use crate::Swarm;
use crate::face::{ConnectionId, Output, TransferId};
use crate::time::{Millis, Time};

/// Challenges one keeper has to answer at once: each costs both sides a read
/// and a hash of a blob.
const CHALLENGES: usize = 8;

/// Challenges of one peer answered at once.
const ANSWERS: usize = 4 * CHALLENGES;

/// How long a keeper may take to prove what it says.
const PROOF: Millis = Millis::seconds(60);

/// A proof that a keeper owes.
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

/// What two peers have to prove to each other.
#[derive(Default)]
pub(crate) struct Proving {
    challenges: BTreeMap<RequestId, Challenge>,
    /// Blobs the peer says it holds, to be challenged.
    claimed: VecDeque<(TransferId, BlobId)>,
    /// Hashes under way here of what it is to prove.
    checking: usize,
    /// Challenges of the peer that are being answered here.
    answering: usize,
}

impl Proving {
    /// Whether the peer has something to prove.
    pub(crate) fn is_under_way(&self) -> bool {
        !self.challenges.is_empty() || !self.claimed.is_empty()
    }

    /// Only what the peer wants to see proven goes on.
    pub(crate) const fn go_on_answering(&mut self, before: &Self) {
        (self.answering, self.checking) = (before.answering, before.checking);
    }

    pub(crate) fn forget(&mut self, transfer: TransferId) {
        self.claimed.retain(|(of, _)| *of != transfer);
    }
}

impl Swarm {
    /// A keeper says it holds blobs: it is to prove those that are pushed.
    pub(crate) fn on_kept(&mut self, from: ConnectionId, blobs: &[BlobId]) {
        let Some(peer) = self.peer_mut(from) else {
            return;
        };
        let keeping = &mut peer.keeping;
        for blob in blobs {
            for transfer in keeping.offers_of(*blob).collect::<Vec<_>>() {
                if !keeping.proving.claimed.contains(&(transfer, *blob)) {
                    keeping.proving.claimed.push_back((transfer, *blob));
                }
            }
        }
        self.challenge(from);
    }

    fn challenge(&mut self, id: ConnectionId) {
        let now = self.now;
        while let Some(peer) = self.connections.get_mut(&id).and_then(|c| c.ready_mut()) {
            let proving = &mut peer.keeping.proving;
            if proving.challenges.len() >= CHALLENGES || proving.checking >= CHALLENGES {
                return;
            }
            let Some((transfer, blob)) = proving.claimed.pop_front() else {
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
            proving.challenges.insert(request, challenge);
            proving.checking += 1;
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
        if peer.keeping.proving.answering >= ANSWERS {
            return self.misbehaved(from, ErrorCode::TOO_MANY, "too many challenges at once");
        }
        if !held {
            return self.send(from, &Message::NotFound { request, blob });
        }
        peer.keeping.proving.answering += 1;
        self.hash(Purpose::Prove(from, request), blob, prover, nonce);
    }

    pub(crate) fn on_hashed(&mut self, question: Question, evidence: Option<Evidence>) {
        let (blob, _, _) = question;
        for purpose in self.hashing.remove(&question).unwrap_or_default() {
            if let Purpose::Check(of, _) = purpose
                && let Some(peer) = self.peer_mut(of)
            {
                let proving = &mut peer.keeping.proving;
                proving.checking = proving.checking.saturating_sub(1);
            }
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
        peer.keeping.proving.answering = peer.keeping.proving.answering.saturating_sub(1);
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
        let Some(challenge) = peer.keeping.proving.challenges.get_mut(&request) else {
            return;
        };
        learn(challenge);
        let (Some(theirs), Some(ours)) = (challenge.theirs, challenge.ours) else {
            return;
        };
        let peer = peer.id;
        if theirs == ours {
            self.on_proven(of, request);
        } else {
            self.on_lie(of, peer, "a false proof of possession");
        }
    }

    fn on_proven(&mut self, of: ConnectionId, request: RequestId) {
        if let Some(Challenge { transfer, blob, .. }) = self.end_challenge(of, request) {
            self.count_copy(of, transfer, blob);
            self.challenge(of);
        }
    }

    /// A challenge comes to nothing: the copy does not count.
    fn drop_challenge(&mut self, of: ConnectionId, request: RequestId) {
        if let Some(Challenge { transfer, blob, .. }) = self.end_challenge(of, request) {
            self.miss_copy(of, transfer, blob);
        }
        self.challenge(of);
    }

    fn end_challenge(&mut self, of: ConnectionId, request: RequestId) -> Option<Challenge> {
        let proving = &mut self.peer_mut(of)?.keeping.proving;
        proving.challenges.remove(&request)
    }

    /// A keeper does not hold what it said it does; whether that was it.
    pub(crate) fn on_unproven(
        &mut self,
        from: ConnectionId,
        request: RequestId,
        blob: BlobId,
    ) -> bool {
        let proving = self.peer_mut(from).map(|peer| &peer.keeping.proving);
        let challenged = proving.is_some_and(|proving| {
            let challenge = proving.challenges.get(&request);
            challenge.is_some_and(|challenge| challenge.blob == blob)
        });
        if challenged {
            self.drop_challenge(from, request);
        }
        challenged
    }

    /// Proofs that did not come in time do not count.
    pub(crate) fn run_proofs(&mut self) {
        let now = self.now;
        let (mut late, mut next) = (Vec::new(), None::<Time>);
        for (id, connection) in &self.connections {
            let challenges = connection.ready().into_iter();
            for (request, challenge) in challenges.flat_map(|peer| &peer.keeping.proving.challenges)
            {
                if challenge.until <= now {
                    late.push((*id, *request));
                } else {
                    next = Some(next.map_or(challenge.until, |next| next.min(challenge.until)));
                }
            }
        }
        for (id, request) in late {
            self.end_challenge(id, request);
            // It may be at work, but nothing says so.
            self.pass_over(id, |_| true);
            self.challenge(id);
        }
        if let Some(next) = next {
            self.arm(next);
        }
    }
}
