//! What waits to be sent to each node. No node is asked faster than it should
//! bear, and none that is slow holds up the others.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::key::Key;
use super::krpc::Token;

/// Between two packets to one node.
const GAP: Duration = Duration::from_millis(100);

/// One announcement to be made at a node.
#[derive(Debug)]
pub(super) struct Errand {
    pub job: u64,
    pub token: Use,
}

/// Which token an announcement goes with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// One the node gave before.
    Known,
    /// One to be asked for first.
    Fresh,
    /// This one, just given for this announcement.
    Own(Token),
}

#[derive(Debug, Default)]
struct Line {
    errands: VecDeque<Errand>,
    next_at: Option<Instant>,
}

/// A line of errands for each node.
#[derive(Debug, Default)]
pub(super) struct Lines {
    by_node: HashMap<Key, Line>,
    /// Lines with errands, by when the node may be sent the next packet.
    ready: BTreeSet<(Instant, Key)>,
}

impl Lines {
    pub fn push(&mut self, node: Key, errand: Errand, now: Instant) {
        let line = self.by_node.entry(node).or_default();
        if line.errands.is_empty() {
            let at = line.next_at.map_or(now, |at| at.max(now));
            line.next_at = Some(at);
            self.ready.insert((at, node));
        }
        match errand.token {
            // What has begun is brought to its end.
            Use::Own(_) => line.errands.push_front(errand),
            Use::Known | Use::Fresh => line.errands.push_back(errand),
        }
    }

    /// When the next packet is due.
    pub fn next_at(&self) -> Option<Instant> {
        self.ready.first().map(|(at, _)| *at)
    }

    /// An errand that is due.
    pub fn pop(&mut self, now: Instant) -> Option<(Key, Errand)> {
        let (at, node) = *self.ready.first().filter(|(at, _)| *at <= now)?;
        self.ready.remove(&(at, node));
        let line = self.by_node.get_mut(&node)?;
        let errand = line.errands.pop_front()?;
        let next_at = now + GAP;
        line.next_at = Some(next_at);
        if !line.errands.is_empty() {
            self.ready.insert((next_at, node));
        }
        Some((node, errand))
    }

    /// Forgets nodes that nothing waits for.
    pub fn tidy(&mut self, now: Instant) {
        let waits = |line: &Line| line.next_at.is_some_and(|at| at > now);
        self.by_node
            .retain(|_, line| !line.errands.is_empty() || waits(line));
    }
}
