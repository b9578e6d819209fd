//! Taking over: a fast source with nothing left to do gets what a slower one
//! still owes, so that the slowest source does not decide when a file is done.
//!
//! A request that the slower one has not begun to answer moves: it is
//! cancelled there, and nothing is sent twice. One it has begun is asked of
//! both, which only happens when nothing else is left to ask for; the first
//! answer counts and the other request is cancelled. No blob is asked of more
//! than two.

use samara_core::{BlobId, RequestId};

use crate::Swarm;
use crate::connection::{Connection, Peer};
use crate::face::{ConnectionId, Path};
use crate::time::Millis;
use crate::wanted::State;

/// Between two looks for something to take over.
pub(crate) const LOOK: Millis = Millis(500);

/// What a source that was not measured yet is taken to need for a blob.
const UNMEASURED: Millis = Millis::seconds(2);

/// Taking over must save so much: the measurements are no better.
const MARGIN: Millis = Millis(200);

/// A request that somebody else should answer.
struct Overdue {
    of: ConnectionId,
    request: RequestId,
    blob: BlobId,
    begun: bool,
    saves: Millis,
}

impl Swarm {
    /// Lets a peer with room take over the request that gains most by it;
    /// whether there was one.
    pub(crate) fn relieve(&mut self, fast: ConnectionId) -> bool {
        let Some(overdue) = self.most_overdue(fast) else {
            return false;
        };
        if !overdue.begun {
            self.cancel(overdue.of, overdue.request);
        }
        self.request(fast, overdue.blob);
        true
    }

    fn most_overdue(&self, fast: ConnectionId) -> Option<Overdue> {
        let helper = self.connections.get(&fast)?.ready()?;
        let sources = self.connections.iter().filter(|(id, _)| **id != fast);
        let overdue = sources.filter_map(|(id, source)| self.overdue_of(*id, source, helper));
        overdue.max_by_key(|overdue| overdue.saves)
    }

    fn overdue_of(&self, of: ConnectionId, source: &Connection, helper: &Peer) -> Option<Overdue> {
        let source = source.ready()?;
        let mut ahead = 0;
        let mut most: Option<Overdue> = None;
        for (position, (request, asked)) in source.asking.requests.iter().enumerate() {
            ahead += asked.left();
            let Some(len) = helper.asking.has.get(&asked.blob) else {
                continue;
            };
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
            let theirs = self.wait_for(source, asked.at, ahead).0;
            if !alone || theirs < ours + ours / 2 + MARGIN.0 {
                continue;
            }
            // Nothing of a whole blob is seen before all of it is there.
            let begun = asked.has_begun() || position == 0 && source.path == Path::WebSocket;
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

    /// How long a source will still take for what it owes up to a request.
    fn wait_for(&self, source: &Peer, asked: crate::Time, ahead: u64) -> Millis {
        let silent = self.now.since(source.asking.last_heard);
        let expected = source.asking.pace.time_for(ahead);
        // As slow as it has been silent, whatever it measured before.
        expected.map_or_else(
            || Millis(self.now.since(asked).0 * 2),
            |expected| expected.max(Millis(silent.0 * 2)),
        )
    }

    /// Looks for something to take over, now and then while blobs are owed.
    pub(crate) fn run_relief(&mut self) {
        if core::mem::take(&mut self.asks_wait) {
            self.ask_all();
        }
        let mut sources = self.connections.values().filter_map(Connection::ready);
        if !sources.any(|peer| !peer.asking.requests.is_empty()) {
            return;
        }
        self.arm(self.now + LOOK);
        self.ask_all();
    }
}
