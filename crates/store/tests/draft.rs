//! Drafts: all of it or nothing, whatever happens on the way.
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod common;

use std::fs;
use std::num::NonZeroU64;
use std::path::Path;

use samara_core::{Blob, BlobId};
use samara_store::{Options, PutError, Recovery, Store};

use common::blob;

fn open(dir: &Path) -> Store {
    Store::open(dir, Options::default()).unwrap()
}

fn blobs() -> [Blob; 3] {
    [1, 2, 3].map(|n| blob(n, 1_000))
}

fn journals(dir: &Path) -> Vec<Vec<u8>> {
    let folder = fs::read_dir(dir.join("unfinished")).unwrap();
    let read = |file: std::io::Result<fs::DirEntry>| fs::read(file.unwrap().path()).unwrap();
    folder.map(read).collect()
}

/// The folder as a process leaves it that is killed with a draft of these.
fn kill_with_draft_of(dir: &Path, blobs: &[Blob]) {
    let store = open(dir);
    store.put_all(blobs).unwrap();
    store.flush().unwrap();
    let ids: Vec<BlobId> = blobs.iter().map(Blob::id).collect();
    let mut journal: Vec<u8> = ids.iter().flat_map(BlobId::as_bytes).copied().collect();
    journal.extend(b"cut short");
    fs::write(dir.join("unfinished/0"), journal).unwrap();
}

#[test]
fn a_finished_draft_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let draft = store.draft().unwrap();
    for blob in &blobs() {
        assert!(draft.put(blob).unwrap().new);
    }
    assert_eq!(draft.ids(), blobs().map(|blob| blob.id()));
    store.flush().unwrap();
    draft.finish().unwrap();
    assert!(journals(dir.path()).is_empty());
    drop(store);

    let store = open(dir.path());
    assert_eq!(store.recovery(), Recovery::default());
    assert!(blobs().iter().all(|blob| store.is_pinned(&blob.id())));
    assert_eq!(store.stats().pinned_blobs, 3);
}

#[test]
fn a_dropped_draft_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let other = blob(9, 1_000);
    store.put(&other).unwrap();
    let draft = store.draft().unwrap();
    for blob in &blobs() {
        draft.put(blob).unwrap();
    }
    drop(draft);
    assert_eq!(store.ids(), [other.id()]);
    assert!(journals(dir.path()).is_empty());
}

#[test]
fn a_blob_is_in_the_journal_before_it_is_in_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let draft = store.draft().unwrap();
    let [first, ..] = blobs();
    draft.put(&first).unwrap();
    assert_eq!(journals(dir.path()), [first.id().as_bytes().to_vec()]);
}

#[test]
fn what_an_open_finds_of_a_draft_goes() {
    let dir = tempfile::tempdir().unwrap();
    kill_with_draft_of(dir.path(), &blobs());
    let store = open(dir.path());
    assert_eq!(
        store.recovery(),
        Recovery {
            unfinished_removed: 3,
            ..Recovery::default()
        }
    );
    assert!(store.ids().is_empty());
    assert!(journals(dir.path()).is_empty());
    store.flush().unwrap();
    drop(store);
    assert_eq!(open(dir.path()).recovery(), Recovery::default());
}

/// The kill came between the pins and the end of the journal.
#[test]
fn what_is_pinned_of_a_draft_stays() {
    let dir = tempfile::tempdir().unwrap();
    kill_with_draft_of(dir.path(), &blobs());
    let journal = fs::read(dir.path().join("unfinished/0")).unwrap();
    fs::remove_file(dir.path().join("unfinished/0")).unwrap();
    open(dir.path())
        .pin(&blobs().map(|blob| blob.id()))
        .unwrap();
    fs::write(dir.path().join("unfinished/0"), journal).unwrap();
    let store = open(dir.path());
    assert_eq!(store.recovery(), Recovery::default());
    assert_eq!(store.stats().pinned_blobs, 3);
    assert!(journals(dir.path()).is_empty());
}

#[test]
fn a_draft_does_not_make_room_for_itself_with_its_own_blobs() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        max_bytes: NonZeroU64::new(2_500),
    };
    let store = Store::open(dir.path(), options).unwrap();
    let draft = store.draft().unwrap();
    let [first, second, third] = blobs();
    draft.put(&first).unwrap();
    draft.put(&second).unwrap();
    let error = draft.put(&third).unwrap_err();
    assert!(matches!(error, PutError::Full { .. }), "{error:?}");
}
