//! Blobs to be fetched: where each belongs, who has it, and which comes first.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use samara_core::{BlobId, RequestId};

use crate::face::{ConnectionId, TransferId};

/// The transfer that blobs belong to which are fetched for others.
pub(crate) const FOR_OTHERS: TransferId = TransferId(0);

/// Where a blob belongs: transfer and position.
pub(crate) type Slot = (TransferId, u32);

/// How soon a blob is needed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Urgency {
    /// Next in line to be played, by position.
    Next(u32),
    /// Some time, so the rarest comes first.
    Usual,
    /// For others, once nothing is missing here.
    Help,
}

/// Order among blobs to ask for: by need, then the rarest, then by chance, or
/// everybody would ask everybody for the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    urgency: Urgency,
    holders: u32,
    chance: u32,
}

/// Where a wanted blob is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// To be asked for.
    Idle,
    /// Asked for: of one peer, or near the end of two.
    Requested(Vec<(ConnectionId, RequestId)>),
    /// Received, and being verified and stored.
    Storing,
}

/// A blob to be fetched.
pub(crate) struct Wanted {
    pub(crate) slots: BTreeSet<Slot>,
    pub(crate) state: State,
    /// `None` while it is not to be asked for.
    urgency: Option<Urgency>,
    /// Connected peers that hold it.
    holders: u32,
    chance: u32,
}

impl Wanted {
    /// Whether only others want it.
    pub(crate) fn is_for_others(&self) -> bool {
        self.slots
            .iter()
            .all(|(transfer, _)| *transfer == FOR_OTHERS)
    }

    /// Whether no connected peer holds it.
    pub(crate) const fn is_nowhere(&self) -> bool {
        self.holders == 0
    }

    /// Whether a transfer wants it.
    pub(crate) fn is_of(&self, transfer: TransferId) -> bool {
        self.slots.iter().any(|(of, _)| *of == transfer)
    }

    /// Whether it is to be asked for some time, and at most one peer holds it.
    pub(crate) fn is_rare(&self) -> bool {
        self.urgency == Some(Urgency::Usual) && self.holders <= 1
    }

    /// Its position, if it is needed next and asked for.
    fn awaited(&self) -> Option<u32> {
        match (&self.state, self.urgency) {
            (State::Requested(_), Some(Urgency::Next(position))) => Some(position),
            _ => None,
        }
    }

    fn rank(&self) -> Option<Rank> {
        let (State::Idle, Some(urgency)) = (&self.state, self.urgency) else {
            return None;
        };
        Some(Rank {
            urgency,
            holders: self.holders,
            chance: self.chance,
        })
    }
}

/// All of them.
#[derive(Default)]
pub(crate) struct WantList {
    blobs: BTreeMap<BlobId, Wanted>,
    /// Those to be asked for, the first first.
    ranking: BTreeSet<(Rank, BlobId)>,
    /// Those needed next that are asked for, the first first.
    awaited: BTreeSet<(u32, BlobId)>,
}

/// How far the ranking is searched for something a peer has, before it gets
/// whatever it has.
const SEARCH: usize = 128;

impl WantList {
    pub(crate) fn get(&self, blob: &BlobId) -> Option<&Wanted> {
        self.blobs.get(blob)
    }

    pub(crate) fn len(&self) -> usize {
        self.blobs.len()
    }

    pub(crate) fn contains(&self, blob: &BlobId) -> bool {
        self.blobs.contains_key(blob)
    }

    /// Wants a blob in a place. `chance` is drawn for blobs that are new.
    pub(crate) fn add(
        &mut self,
        blob: BlobId,
        slot: Slot,
        urgency: Option<Urgency>,
        chance: impl FnOnce() -> u32,
    ) {
        self.blobs.entry(blob).or_insert_with(|| Wanted {
            slots: BTreeSet::new(),
            state: State::Idle,
            urgency: None,
            holders: 0,
            chance: chance(),
        });
        self.change(&blob, |wanted| {
            wanted.slots.insert(slot);
            wanted.urgency = sooner(wanted.urgency, urgency);
        });
    }

    pub(crate) fn remove(&mut self, blob: &BlobId) -> Option<Wanted> {
        let wanted = self.blobs.remove(blob)?;
        if let Some(rank) = wanted.rank() {
            self.ranking.remove(&(rank, *blob));
        }
        if let Some(position) = wanted.awaited() {
            self.awaited.remove(&(position, *blob));
        }
        Some(wanted)
    }

    /// Takes a transfer's places away, and tells which blobs nobody wants now.
    pub(crate) fn remove_slots(&mut self, transfer: TransferId) -> Vec<(BlobId, Wanted)> {
        let mut over = Vec::new();
        for (blob, wanted) in &mut self.blobs {
            wanted.slots.retain(|(of, _)| *of != transfer);
            if wanted.slots.is_empty() {
                over.push(*blob);
            }
        }
        let removed = over.into_iter();
        removed
            .filter_map(|blob| Some((blob, self.remove(&blob)?)))
            .collect()
    }

    /// Works the urgencies of a transfer's blobs out anew.
    pub(crate) fn reprioritise(
        &mut self,
        blobs: &[BlobId],
        urgency: impl Fn(Slot) -> Option<Urgency>,
    ) {
        for blob in blobs {
            self.change(blob, |wanted| {
                let slots = wanted.slots.iter().map(|slot| urgency(*slot));
                wanted.urgency = slots.fold(None, sooner);
            });
        }
    }

    /// One more connected peer holds the blob.
    pub(crate) fn gain_holder(&mut self, blob: &BlobId) {
        self.change(blob, |wanted| wanted.holders += 1);
    }

    /// One peer fewer holds it.
    pub(crate) fn lose_holder(&mut self, blob: &BlobId) {
        self.change(blob, |wanted| {
            wanted.holders = wanted.holders.saturating_sub(1);
        });
    }

    pub(crate) fn set_state(&mut self, blob: &BlobId, state: State) {
        self.change(blob, |wanted| wanted.state = state);
    }

    /// A request for the blob was made.
    pub(crate) fn asked(&mut self, blob: &BlobId, of: ConnectionId, request: RequestId) {
        self.change(blob, |wanted| match &mut wanted.state {
            State::Requested(asked) => asked.push((of, request)),
            State::Idle => wanted.state = State::Requested([(of, request)].into()),
            State::Storing => {}
        });
    }

    /// A request for the blob is over without it.
    pub(crate) fn unasked(&mut self, blob: &BlobId, of: ConnectionId, request: RequestId) {
        self.change(blob, |wanted| {
            if let State::Requested(asked) = &mut wanted.state {
                asked.retain(|known| *known != (of, request));
                if asked.is_empty() {
                    wanted.state = State::Idle;
                }
            }
        });
    }

    /// Whether anything is still to be asked for, of whomever.
    pub(crate) fn has_idle(&self) -> bool {
        !self.ranking.is_empty()
    }

    /// Whether something that is asked for is needed before a blob, or at all
    /// if there is none.
    pub(crate) fn awaits_before(&self, blob: Option<&BlobId>) -> bool {
        let first = self.awaited.first();
        first.is_some_and(|(_, first)| self.is_sooner(first, blob))
    }

    /// Whether a blob is needed before another, if there is one.
    pub(crate) fn is_sooner(&self, blob: &BlobId, than: Option<&BlobId>) -> bool {
        let urgency = |blob| self.get(blob).and_then(|wanted| wanted.urgency);
        match (urgency(blob), than.and_then(urgency)) {
            (Some(one), Some(other)) => one < other,
            _ => than.is_none(),
        }
    }

    /// Whom the first of what is needed next was asked of.
    pub(crate) fn first_awaited(&self) -> Vec<ConnectionId> {
        let first = self.awaited.first().and_then(|(_, blob)| self.get(blob));
        match first.map(|wanted| &wanted.state) {
            Some(State::Requested(asked)) => asked.iter().map(|(of, _)| *of).collect(),
            Some(State::Idle | State::Storing) | None => Vec::new(),
        }
    }

    /// Whether nothing that is asked for is needed before a blob that is
    /// needed next.
    pub(crate) fn is_first_awaited(&self, blob: &BlobId) -> bool {
        self.awaited.first().is_some_and(|(_, first)| first == blob)
    }

    /// A blob of the transfer, among the first to be asked for, that no connected
    /// peer holds; `chance` says which.
    pub(crate) fn unheld(&self, transfer: TransferId, chance: u32) -> Option<BlobId> {
        let first = self.ranking.iter().take(SEARCH);
        let mut unheld: Vec<_> = first
            .filter(|(rank, _)| rank.holders == 0)
            .map(|(_, blob)| *blob)
            .collect();
        unheld.retain(|blob| self.get(blob).is_some_and(|wanted| wanted.is_of(transfer)));
        let at = (chance as usize).checked_rem(unheld.len())?;
        unheld.get(at).copied()
    }

    /// How many of the blobs to be asked for each source has to give.
    pub(crate) fn share(&self) -> usize {
        let first = self.ranking.first();
        let holders = first.map_or(1, |(rank, _)| rank.holders.max(1));
        self.ranking.len() / holders as usize
    }

    /// Whether something is to be asked for that is played next.
    pub(crate) fn is_played(&self) -> bool {
        let first = self.ranking.first();
        first.is_some_and(|(rank, _)| matches!(rank.urgency, Urgency::Next(_)))
    }

    /// What to ask of a peer that has these blobs.
    pub(crate) fn pick<V>(&self, has: &BTreeMap<BlobId, V>) -> Option<BlobId> {
        let mut first = self.ranking.iter().take(SEARCH).map(|(_, blob)| blob);
        if let Some(blob) = first.find(|blob| has.contains_key(blob)) {
            return Some(*blob);
        }
        if self.ranking.len() <= SEARCH {
            return None;
        }
        let idle = |blob: &&BlobId| self.get(blob).is_some_and(|wanted| wanted.rank().is_some());
        has.keys().find(idle).copied()
    }

    fn change(&mut self, blob: &BlobId, change: impl FnOnce(&mut Wanted)) {
        let Some(wanted) = self.blobs.get_mut(blob) else {
            return;
        };
        let before = (wanted.rank(), wanted.awaited());
        change(wanted);
        let after = (wanted.rank(), wanted.awaited());
        move_in(&mut self.ranking, *blob, before.0, after.0);
        move_in(&mut self.awaited, *blob, before.1, after.1);
    }
}

/// Keeps a blob at its place in an order.
fn move_in<K: Ord>(
    order: &mut BTreeSet<(K, BlobId)>,
    blob: BlobId,
    before: Option<K>,
    after: Option<K>,
) {
    if before == after {
        return;
    }
    if let Some(before) = before {
        order.remove(&(before, blob));
    }
    if let Some(after) = after {
        order.insert((after, blob));
    }
}

/// `None` is never.
fn sooner(a: Option<Urgency>, b: Option<Urgency>) -> Option<Urgency> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSFER: TransferId = TransferId(1);

    fn blob(number: u8) -> BlobId {
        BlobId::from_bytes([number; 32])
    }

    fn all(count: u8) -> BTreeMap<BlobId, u32> {
        (0..count).map(|number| (blob(number), 1)).collect()
    }

    fn list(urgencies: &[Option<Urgency>]) -> WantList {
        let mut list = WantList::default();
        for (number, urgency) in (0..).zip(urgencies) {
            let slot = (TRANSFER, u32::from(number));
            list.add(blob(number), slot, *urgency, || 0);
        }
        list
    }

    #[test]
    fn what_is_played_next_comes_before_what_is_rare() {
        let usual = Some(Urgency::Usual);
        let next = |position| Some(Urgency::Next(position));
        let mut list = list(&[usual, next(8), next(7), None, Some(Urgency::Help)]);
        list.gain_holder(&blob(2));
        let mut order = Vec::new();
        while let Some(blob) = list.pick(&all(5)) {
            order.push(blob);
            list.set_state(&blob, State::Storing);
        }
        assert_eq!(order, [2, 1, 0, 4].map(blob));
    }

    #[test]
    fn the_rarest_comes_first() {
        let mut list = list(&[Some(Urgency::Usual); 3]);
        for (number, holders) in [(0, 3), (1, 1), (2, 2)] {
            for _ in 0..holders {
                list.gain_holder(&blob(number));
            }
        }
        assert_eq!(list.pick(&all(3)), Some(blob(1)));
        list.gain_holder(&blob(1));
        list.gain_holder(&blob(1));
        list.lose_holder(&blob(0));
        list.lose_holder(&blob(0));
        assert_eq!(list.pick(&all(3)), Some(blob(0)));
    }

    #[test]
    fn a_blob_whose_requests_all_failed_is_to_be_asked_for_again() {
        let mut list = list(&[Some(Urgency::Usual)]);
        let requests = [1, 2].map(|number| (ConnectionId(u64::from(number)), RequestId(number)));
        for (of, request) in requests {
            list.asked(&blob(0), of, request);
        }
        assert_eq!(list.pick(&all(1)), None);
        list.unasked(&blob(0), requests[0].0, requests[0].1);
        assert_eq!(list.pick(&all(1)), None);
        list.unasked(&blob(0), requests[1].0, requests[1].1);
        assert_eq!(list.pick(&all(1)), Some(blob(0)));
    }

    #[test]
    fn a_peer_with_nothing_rare_still_gets_asked() {
        let mut list = WantList::default();
        for number in 0..=u8::MAX {
            let slot = (TRANSFER, u32::from(number));
            list.add(blob(number), slot, Some(Urgency::Usual), || {
                u32::from(number)
            });
        }
        let rest = [(blob(u8::MAX), 1)].into();
        assert_eq!(list.pick(&rest), Some(blob(u8::MAX)));
    }
}
