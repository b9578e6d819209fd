//! Taking over: a fast source gets what a slower one still owes, so that the
//! slowest source decides neither when a file is done nor when it plays. While
//! other blobs are left to ask for, it gets only what is needed before them.
//!
//! A request that the slower one has not begun to answer moves: it is
//! cancelled there, and nothing is sent twice. One that may be on its way is
//! asked of both, which happens when nothing is left to ask of anybody, and for
//! the one blob that is needed before all others; the first answer counts and
//! the other request is cancelled. No blob is asked of more than two.

use samara_core::{BlobId, RequestId};

use crate::Swarm;
use crate::connection::{Connection, Peer};
use crate::face::ConnectionId;
use crate::serve::LOADED_AHEAD;
use crate::time::{Millis, Time};
use crate::wanted::State;

/// Between two looks for something to take over.
pub(crate) const LOOK: Millis = Millis(500);

/// What a source that was not measured yet is taken to need for a blob.
const UNMEASURED: Millis = Millis::seconds(2);

/// Taking over must save so much: the measurements are no better.
const MARGIN: Millis = Millis(200);

/// The first request of a source is left to it for so long at least: it may be
/// next in its line.
const NEXT: Millis = Millis::seconds(1);

/// A request that somebody else should answer.
struct Overdue {
    of: ConnectionId,
    request: RequestId,
    blob: BlobId,
    begun: bool,
    saves: Millis,
}

impl Swarm {
    /// Lets a peer with room take over the request that gains most by it,
    /// of those needed before what it would be asked for next; whether there
    /// was one.
    pub(crate) fn relieve(&mut self, fast: ConnectionId, next: Option<BlobId>) -> bool {
        let next = next.as_ref();
        if next.is_some() && !self.wanted.awaits_before(next) {
            return false;
        }
        let Some(overdue) = self.most_overdue(fast, next) else {
            return false;
        };
        if !overdue.begun {
            self.cancel(overdue.of, overdue.request);
        }
        self.request(fast, overdue.blob);
        true
    }

    fn most_overdue(&self, fast: ConnectionId, next: Option<&BlobId>) -> Option<Overdue> {
        let helper = self.connections.get(&fast)?.ready()?;
        let all = self.connections.iter().filter(|(id, _)| **id != fast);
        let overdue = |(id, source): (&ConnectionId, _)| self.overdue_of(*id, source, helper, next);
        let gains = |overdue: &Overdue| overdue.saves;
        if next.is_none() {
            return all.filter_map(overdue).max_by_key(gains);
        }
        // With more to ask for, only whoever holds up what is needed first.
        let first = self.wanted.first_awaited();
        let holding = first
            .iter()
            .filter_map(|of| self.connections.get_key_value(of));
        holding
            .filter(|(id, _)| **id != fast)
            .filter_map(overdue)
            .max_by_key(gains)
    }

    fn overdue_of(
        &self,
        of: ConnectionId,
        source: &Connection,
        helper: &Peer,
        next: Option<&BlobId>,
    ) -> Option<Overdue> {
        let source = source.ready()?;
        let last = !self.wanted.has_idle();
        let mut ahead = 0;
        let mut most: Option<Overdue> = None;
        for (position, (request, asked)) in source.asking.requests.iter().enumerate() {
            ahead += asked.left();
            let Some(len) = helper.asking.has.get(&asked.blob) else {
                continue;
            };
            if !self.wanted.is_sooner(&asked.blob, next) {
                continue;
            }
            let wanted = self.wanted.get(&asked.blob);
            let alone = wanted.is_some_and(|wanted| match &wanted.state {
                State::Requested(of) => of.len() == 1,
                State::Idle | State::Storing => false,
            });
            let ours = helper
                .asking
                .pace
                .time_for(helper.asking.owed + u64::from(*len));
            let ours = ours.unwrap_or(UNMEASURED).0;
            let left = asked.time_left(self.now);
            let theirs = left.unwrap_or_else(|| self.wait_for(source, asked.at, ahead));
            let theirs = theirs.0;
            if !alone || theirs < ours + ours / 2 + MARGIN.0 {
                continue;
            }
            // What is on its way cannot be called back.
            let begun = asked.has_begun() || self.may_be_begun(source, position, asked.at);
            if begun && !last && !self.wanted.is_first_awaited(&asked.blob) {
                continue;
            }
            let saves = Millis(theirs - ours);
            if most.as_ref().is_none_or(|most| saves > most.saves) {
                let (request, blob) = (*request, asked.blob);
                most = Some(Overdue {
                    of,
                    request,
                    blob,
                    begun,
                    saves,
                });
            }
        }
        most
    }

    /// Whether a request of which nothing was seen may be on its way.
    fn may_be_begun(&self, source: &Peer, position: usize, asked: Time) -> bool {
        if !source.sends_parts() {
            // It loads blobs ahead, and its transport queues them.
            return position < LOADED_AHEAD;
        }
        let waits = self.now.since(asked.max(source.asking.last_heard));
        position == 0 && waits < NEXT
    }

    /// How long a source will still take for what it owes up to a request.
    fn wait_for(&self, source: &Peer, asked: Time, ahead: u64) -> Millis {
        let silent = self.now.since(source.asking.last_heard);
        let expected = source.asking.pace.time_for(ahead);
        // As slow as it has been silent, whatever it measured before.
        match expected {
            None => Millis(self.now.since(asked).0 * 2),
            Some(expected) if silent > expected => Millis(silent.0 * 2),
            Some(expected) => expected,
        }
    }

    /// Looks for something to take over, now and then while blobs are owed.
    pub(crate) fn run_relief(&mut self) {
        if core::mem::take(&mut self.asks_wait) {
            self.ask_all();
        }
        let mut sources = self.connections.values().filter_map(Connection::ready);
        let owed = sources.any(|peer| !peer.asking.requests.is_empty());
        if owed {
            self.arm(self.now + LOOK);
        }
        // With nothing owed, only this timer ends a wait for the limit.
        if core::mem::take(&mut self.asks_wait) || owed {
            self.ask_all();
        }
    }
}
