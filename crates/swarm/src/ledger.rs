//! The ledger: bytes exchanged with each identity, for the driver to keep.
//!
//! The machine tells what was added since it told last, at intervals and when
//! a peer is gone, so a driver only adds up. Sent are bytes of blobs that left
//! for the peer, received are bytes of blobs that were verified: nobody gets
//! into credit with bytes that are not what was asked for.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use samara_core::PeerId;

use crate::Swarm;
use crate::face::Output;
use crate::time::Time;

/// Identities a driver's ledger remembers; the least recently seen go first,
/// since an identity costs nothing and strangers could bring any number.
pub const LEDGER_PEERS: usize = 10_000;

/// Bytes of blobs exchanged with a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Given to the peer.
    pub sent: u64,
    /// Taken from the peer and verified.
    pub received: u64,
}

impl Traffic {
    /// Both together. A ledger that has counted to the end stays there.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            sent: self.sent.saturating_add(other.sent),
            received: self.received.saturating_add(other.received),
        }
    }
}

/// What was not told yet.
#[derive(Default)]
pub(crate) struct Ledger {
    untold: BTreeMap<PeerId, Traffic>,
    /// When it is to be told; set while there is something.
    due: Option<Time>,
}

impl Swarm {
    /// What was not told in an [`Output::Ledger`] yet, for a driver that
    /// stops.
    pub fn settle(&mut self) -> Vec<(PeerId, Traffic)> {
        self.ledger.due = None;
        core::mem::take(&mut self.ledger.untold)
            .into_iter()
            .collect()
    }

    /// Bytes of a blob are on their way to a peer.
    pub(crate) fn count_sent(&mut self, peer: PeerId, bytes: usize) {
        let (sent, received) = (bytes as u64, 0);
        self.count(peer, Traffic { sent, received });
    }

    /// A blob of a peer is verified and stored.
    pub(crate) fn count_received(&mut self, peer: PeerId, bytes: usize) {
        let (sent, received) = (0, bytes as u64);
        self.count(peer, Traffic { sent, received });
    }

    fn count(&mut self, peer: PeerId, more: Traffic) {
        let known = self.ledger.untold.entry(peer).or_default();
        *known = known.plus(more);
        let due = self.now + self.config.limits.ledger_every;
        let due = *self.ledger.due.get_or_insert(due);
        self.arm(due);
    }

    /// A peer is gone.
    pub(crate) fn tell_ledger_of(&mut self, peer: PeerId) {
        if let Some(traffic) = self.ledger.untold.remove(&peer) {
            let told = [(peer, traffic)].into();
            self.outputs.push_back(Output::Ledger(told));
        }
    }

    /// Tells the ledger when it is due.
    pub(crate) fn run_ledger(&mut self) {
        match self.ledger.due {
            Some(due) if due > self.now => self.arm(due),
            Some(_) => {
                let told = self.settle();
                if !told.is_empty() {
                    self.outputs.push_back(Output::Ledger(told));
                }
            }
            None => {}
        }
    }
}
