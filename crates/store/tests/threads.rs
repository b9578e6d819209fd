//! Many threads at one store.
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod common;

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use samara_core::Blob;
use samara_store::{Options, Store};

use common::blob;

#[test]
fn threads_putting_the_same_blobs_all_see_them_held_and_one_sees_each_new() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let blobs: Vec<Blob> = (0..40).map(|n| blob(n, 5_000)).collect();
    let new = AtomicU64::new(0);
    thread::scope(|scope| {
        for rotation in 0..4 {
            let (store, blobs, new) = (&store, &blobs, &new);
            scope.spawn(move || {
                let mut mine = blobs.clone();
                mine.rotate_left(rotation * 10);
                if rotation % 2 == 0 {
                    mine.reverse();
                }
                for batch in mine.chunks(7) {
                    let put = store.put_all(batch).unwrap();
                    new.fetch_add(put.new.len() as u64, Ordering::Relaxed);
                    for blob in batch {
                        assert_eq!(store.get(&blob.id()).unwrap().as_ref(), Some(blob));
                    }
                }
            });
        }
    });
    assert_eq!(new.into_inner(), 40);
    assert_eq!(store.stats().blobs, 40);
}

#[test]
fn nothing_wrong_is_served_and_pins_stay_while_others_evict_and_remove() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        max_bytes: NonZeroU64::new(60_000),
    };
    let store = Store::open(dir.path(), options).unwrap();
    let blobs: Vec<Blob> = (0..30).map(|n| blob(n, 4_000)).collect();
    let pinned = &blobs[0];
    store.pin(&[pinned.id()]).unwrap();
    store.put(pinned).unwrap();
    thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (store, blobs) = (&store, &blobs);
            scope.spawn(move || {
                let mut state = thread * 7_919 + 1;
                for _ in 0..300 {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    let blob = &blobs[1 + usize::try_from(state >> 33).unwrap() % 29];
                    match state >> 60 {
                        0 => drop(store.remove(&blob.id()).unwrap()),
                        1..8 => drop(store.put(blob).unwrap()),
                        _ => {
                            let found = store.get(&blob.id()).unwrap();
                            assert!(found.is_none_or(|found| found == *blob));
                        }
                    }
                    assert!(store.stats().bytes <= 60_000);
                    assert!(store.has(&pinned.id()));
                }
            });
        }
    });
    let ids = store.ids();
    let files = walk(dir.path());
    assert_eq!(
        files,
        ids.iter().map(ToString::to_string).collect::<Vec<_>>()
    );
    assert!(ids.iter().all(|id| store.get(id).unwrap().is_some()));
}

/// Names of the blob files on disk, in order.
fn walk(dir: &std::path::Path) -> Vec<String> {
    let mut names = Vec::new();
    for shard in dir.join("blobs").read_dir().unwrap() {
        for file in shard.unwrap().path().read_dir().unwrap() {
            names.push(file.unwrap().file_name().into_string().unwrap());
        }
    }
    names.sort();
    names
}
