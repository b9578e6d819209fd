//! Ids that something is still to be done for, however often they come up
//! while it is being done.

use std::collections::BTreeMap;

use samara_core::BlobId;

/// Ids, each with the number of the event that put it here last.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    marks: BTreeMap<BlobId, u64>,
    next: u64,
}

/// What was pending at one moment.
#[derive(Debug, Default)]
pub(crate) struct Snapshot(Vec<(BlobId, u64)>);

impl Pending {
    pub fn mark(&mut self, id: BlobId) {
        self.marks.insert(id, self.next);
        self.next += 1;
    }

    pub fn forget(&mut self, id: &BlobId) {
        self.marks.remove(id);
    }

    pub fn contains(&self, id: &BlobId) -> bool {
        self.marks.contains_key(id)
    }

    pub fn len(&self) -> usize {
        self.marks.len()
    }

    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.marks.iter().map(|(id, mark)| (*id, *mark)).collect())
    }

    /// What the snapshot names is done, but for what came up again since.
    pub fn settle(&mut self, done: &Snapshot) {
        for (id, mark) in &done.0 {
            if self.marks.get(id) == Some(mark) {
                self.marks.remove(id);
            }
        }
    }
}

impl Snapshot {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn ids(&self) -> Vec<BlobId> {
        self.0.iter().map(|(id, _)| *id).collect()
    }

    /// Without those that the answer is no for.
    pub fn retain(&mut self, keep: impl Fn(&BlobId) -> bool) {
        self.0.retain(|(id, _)| keep(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_up_again_meanwhile_stays_pending() {
        let (once, twice) = (BlobId::of(b"once"), BlobId::of(b"twice"));
        let mut pending = Pending::default();
        pending.mark(once);
        pending.mark(twice);
        let doing = pending.snapshot();
        pending.mark(twice);
        pending.settle(&doing);
        assert!(!pending.contains(&once));
        assert!(pending.contains(&twice));
    }
}
