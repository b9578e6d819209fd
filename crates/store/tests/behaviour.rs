//! One suite over both stores: random scripts of operations, checked against a
//! model too simple to be wrong.
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod common;

use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroU64;
use std::path::Path;

use proptest::prelude::*;
use samara_core::{Blob, BlobId};
use samara_store::{Lease, MemoryStore, Options, PutAll, PutError, Stats, Store};

use common::blob;

/// Blobs a script may speak of, of unequal lengths.
const BLOBS: usize = 10;

#[derive(Debug, Clone)]
enum Op {
    Put(usize),
    PutAll(Vec<usize>),
    Get(usize),
    Remove(usize),
    Pin(Vec<usize>),
    Unpin(Vec<usize>),
    Lease(Vec<usize>),
    EndLease,
    RemoveAll(Vec<usize>),
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    let some = || prop::collection::vec(0..BLOBS, 0..4);
    prop_oneof![
        6 => (0..BLOBS).prop_map(Op::Put),
        3 => some().prop_map(Op::PutAll),
        4 => (0..BLOBS).prop_map(Op::Get),
        1 => (0..BLOBS).prop_map(Op::Remove),
        2 => some().prop_map(Op::Pin),
        2 => some().prop_map(Op::Unpin),
        2 => some().prop_map(Op::Lease),
        2 => Just(Op::EndLease),
        1 => some().prop_map(Op::RemoveAll),
        1 => Just(Op::Reopen),
    ]
}

fn script() -> impl Strategy<Value = (Option<NonZeroU64>, Vec<Op>)> {
    let limit = prop::option::weighted(
        0.8,
        (100..2_000_u64).prop_map(|max| max.try_into().unwrap()),
    );
    (limit, prop::collection::vec(op(), 1..60))
}

/// What both stores do.
trait Subject {
    fn put_all(&self, blobs: &[Blob]) -> Result<PutAll, PutError>;
    fn put(&self, blob: &Blob) -> Result<PutAll, PutError>;
    fn get(&self, id: &BlobId) -> Option<Blob>;
    fn has(&self, id: &BlobId) -> bool;
    fn len_of(&self, id: &BlobId) -> Option<u64>;
    fn ids(&self) -> Vec<BlobId>;
    fn remove(&self, id: &BlobId) -> bool;
    fn remove_all(&self, ids: &[BlobId]) -> Vec<BlobId>;
    fn lease(&self, ids: &[BlobId]) -> Lease;
    fn pin(&self, ids: &[BlobId]);
    fn unpin(&self, ids: &[BlobId]);
    fn is_pinned(&self, id: &BlobId) -> bool;
    fn stats(&self) -> Stats;
}

macro_rules! subject {
    ($store:ty) => {
        impl Subject for $store {
            fn put_all(&self, blobs: &[Blob]) -> Result<PutAll, PutError> {
                self.put_all(blobs)
            }
            fn put(&self, blob: &Blob) -> Result<PutAll, PutError> {
                let put = self.put(blob)?;
                let new = put.new.then(|| blob.id()).into_iter().collect();
                Ok(PutAll {
                    new,
                    evicted: put.evicted,
                })
            }
            fn get(&self, id: &BlobId) -> Option<Blob> {
                self.get(id).unwrap()
            }
            fn has(&self, id: &BlobId) -> bool {
                self.has(id)
            }
            fn len_of(&self, id: &BlobId) -> Option<u64> {
                self.len_of(id)
            }
            fn ids(&self) -> Vec<BlobId> {
                self.ids()
            }
            fn remove(&self, id: &BlobId) -> bool {
                self.remove(id).unwrap()
            }
            fn remove_all(&self, ids: &[BlobId]) -> Vec<BlobId> {
                self.remove_all(ids).unwrap()
            }
            fn lease(&self, ids: &[BlobId]) -> Lease {
                self.lease(ids)
            }
            fn pin(&self, ids: &[BlobId]) {
                self.pin(ids).unwrap();
            }
            fn unpin(&self, ids: &[BlobId]) {
                self.unpin(ids).unwrap();
            }
            fn is_pinned(&self, id: &BlobId) -> bool {
                self.is_pinned(id)
            }
            fn stats(&self) -> Stats {
                self.stats()
            }
        }
    };
}
subject!(Store);
subject!(MemoryStore);

/// The store as a list, the least recently used first.
#[derive(Default)]
struct Model {
    held: Vec<Blob>,
    pins: BTreeSet<BlobId>,
    /// The oldest ends first.
    leases: Vec<Vec<BlobId>>,
    max_bytes: Option<NonZeroU64>,
}

impl Model {
    fn put_all(&mut self, blobs: &[Blob]) -> Option<PutAll> {
        let mut batch: Vec<Blob> = Vec::new();
        for blob in blobs {
            if !batch.contains(blob) {
                batch.push(blob.clone());
            }
        }
        let max = self.max_bytes.map_or(u64::MAX, NonZeroU64::get);
        let must_stay = self.held.iter().filter(|held| self.is_pinned(&held.id()));
        let mut at_least: Vec<&Blob> = must_stay.collect();
        at_least.extend(batch.iter().filter(|blob| !self.is_held_and_pinned(blob)));
        if total(at_least) > max {
            return None;
        }
        let (old, new): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|blob| self.held.contains(blob));
        for blob in &old {
            self.get(&blob.id());
        }
        let mut evicted = Vec::new();
        while total(self.held.iter().chain(&new)) > max {
            let first = self
                .held
                .iter()
                .position(|held| !self.is_pinned(&held.id()));
            evicted.push(self.held.remove(first.unwrap()).id());
        }
        self.held.extend(new.iter().cloned());
        Some(PutAll {
            new: new.iter().map(Blob::id).collect(),
            evicted,
        })
    }

    fn get(&mut self, id: &BlobId) -> Option<Blob> {
        let at = self.held.iter().position(|held| held.id() == *id)?;
        let blob = self.held.remove(at);
        self.held.push(blob.clone());
        Some(blob)
    }

    fn remove(&mut self, id: &BlobId) -> bool {
        let before = self.held.len();
        self.held.retain(|held| held.id() != *id);
        self.held.len() < before
    }

    fn is_pinned(&self, id: &BlobId) -> bool {
        self.pins.contains(id) || self.leases.iter().any(|lease| lease.contains(id))
    }

    fn is_held_and_pinned(&self, blob: &Blob) -> bool {
        self.held.contains(blob) && self.is_pinned(&blob.id())
    }

    fn stats(&self) -> Stats {
        let pinned: Vec<_> = self
            .held
            .iter()
            .filter(|held| self.is_held_and_pinned(held))
            .collect();
        Stats {
            blobs: self.held.len() as u64,
            bytes: total(&self.held),
            pinned_blobs: pinned.len() as u64,
            pinned_bytes: total(pinned),
            max_bytes: self.max_bytes,
        }
    }
}

fn total<'a>(blobs: impl IntoIterator<Item = &'a Blob>) -> u64 {
    blobs
        .into_iter()
        .map(|blob| blob.bytes().len() as u64)
        .sum()
}

/// Runs a script on a store and the model, comparing every answer.
fn run<S: Subject>(
    max_bytes: Option<NonZeroU64>,
    script: &[Op],
    mut store: S,
    reopen: impl Fn(S) -> S,
) -> Result<(), TestCaseError> {
    let blobs: Vec<Blob> = (0..BLOBS).map(|n| blob(n as u64, 16 + 97 * n)).collect();
    let several = |of: &[usize]| of.iter().map(|n| blobs[*n].clone()).collect::<Vec<_>>();
    let ids = |of: &[usize]| of.iter().map(|n| blobs[*n].id()).collect::<Vec<_>>();
    let mut model = Model {
        max_bytes,
        ..Model::default()
    };
    let mut leases = VecDeque::new();
    for op in script {
        match op {
            Op::Put(n) => {
                let put = store.put(&blobs[*n]);
                same_put(put, model.put_all(&several(&[*n])))?;
            }
            Op::PutAll(of) => {
                let put = store.put_all(&several(of));
                same_put(put, model.put_all(&several(of)))?;
            }
            Op::Get(n) => prop_assert_eq!(store.get(&blobs[*n].id()), model.get(&blobs[*n].id())),
            Op::Remove(n) => {
                prop_assert_eq!(store.remove(&blobs[*n].id()), model.remove(&blobs[*n].id()));
            }
            Op::Pin(of) => {
                store.pin(&ids(of));
                model.pins.extend(ids(of));
            }
            Op::Unpin(of) => {
                store.unpin(&ids(of));
                model.pins.retain(|pin| !ids(of).contains(pin));
            }
            Op::Lease(of) => {
                leases.push_back(store.lease(&ids(of)));
                model.leases.push(ids(of));
            }
            Op::EndLease if leases.is_empty() => {}
            Op::EndLease => {
                leases.pop_front();
                model.leases.remove(0);
            }
            Op::RemoveAll(of) => {
                let mut gone = ids(of);
                gone.retain(|id| model.remove(id));
                prop_assert_eq!(store.remove_all(&ids(of)), gone);
            }
            Op::Reopen => {
                leases.clear();
                model.leases.clear();
                store = reopen(store);
            }
        }
        same_state(&store, &model, &blobs)?;
    }
    Ok(())
}

fn same_put(put: Result<PutAll, PutError>, expected: Option<PutAll>) -> Result<(), TestCaseError> {
    match (put, expected) {
        (Ok(put), Some(expected)) => prop_assert_eq!(put, expected),
        (Err(PutError::Full { .. }), None) => {}
        (put, expected) => prop_assert!(false, "{put:?} instead of {expected:?}"),
    }
    Ok(())
}

fn same_state(store: &impl Subject, model: &Model, blobs: &[Blob]) -> Result<(), TestCaseError> {
    prop_assert_eq!(store.stats(), model.stats());
    let mut ids: Vec<BlobId> = model.held.iter().map(Blob::id).collect();
    ids.sort();
    prop_assert_eq!(store.ids(), ids);
    for blob in blobs {
        let held = model.held.contains(blob);
        prop_assert_eq!(store.has(&blob.id()), held);
        prop_assert_eq!(
            store.len_of(&blob.id()),
            held.then_some(blob.bytes().len() as u64)
        );
        prop_assert_eq!(store.is_pinned(&blob.id()), model.is_pinned(&blob.id()));
    }
    Ok(())
}

fn open(dir: &Path, max_bytes: Option<NonZeroU64>) -> Store {
    Store::open(dir, Options { max_bytes }).unwrap()
}

proptest! {
    #[test]
    fn the_store_in_memory_does_what_the_model_does((max_bytes, script) in script()) {
        run(max_bytes, &script, MemoryStore::new(Options { max_bytes }), |store| store)?;
    }
}

proptest! {
    // Each case waits for the disk some thirty times.
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_store_on_disk_does_what_the_model_does((max_bytes, script) in script()) {
        let dir = tempfile::tempdir().unwrap();
        run(max_bytes, &script, open(dir.path(), max_bytes), |store| {
            store.flush().unwrap();
            drop(store);
            let store = open(dir.path(), max_bytes);
            assert_eq!(store.recovery(), samara_store::Recovery::default());
            store
        })?;
    }
}
