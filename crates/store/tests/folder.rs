//! The store and its folder: who may open it, and what happens to files that
//! others touch.
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod common;

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::{
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use samara_core::{Blob, BlobId};
use samara_store::{FlushError, OpenError, Options, PutError, Recovery, Store};

use common::blob;

fn open(dir: &Path) -> Store {
    Store::open(dir, Options::default()).unwrap()
}

/// Puts blobs and stops in order.
fn put_and_stop(dir: &Path, blobs: &[Blob]) {
    let store = open(dir);
    store.put_all(blobs).unwrap();
    store.flush().unwrap();
}

fn file_of(dir: &Path, id: BlobId) -> PathBuf {
    let id = id.to_string();
    dir.join("blobs").join(&id[..2]).join(id)
}

#[test]
fn a_store_open_elsewhere_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let error = Store::open(dir.path(), Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("stop that process or choose another folder"),
        "{text}"
    );

    drop(first);
    open(dir.path());
}

#[test]
fn a_clone_keeps_the_store_open() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let second = first.clone();
    drop(first);
    assert!(matches!(
        Store::open(dir.path(), Options::default()),
        Err(OpenError::InUse { .. })
    ));
    second.put(&blob(1, 100)).unwrap();
}

#[test]
fn what_a_killed_process_said_of_itself_goes_at_the_next_open_and_no_sooner() {
    let dir = tempfile::tempdir().unwrap();
    let said = samara_store::status_in(dir.path());
    let first = open(dir.path());
    fs::write(&said, "all is well").unwrap();
    Store::open(dir.path(), Options::default()).unwrap_err();
    assert!(said.exists());
    drop(first);
    open(dir.path());
    assert!(!said.exists());
}

/// A child process shares its parent's locks until it begins its own program.
#[cfg(unix)]
#[test]
fn a_closed_store_can_be_opened_while_child_processes_start() {
    let dir = tempfile::tempdir().unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                Command::new("true").status().unwrap();
            }
        });
        let opened = (0..200).map(|_| Store::open(dir.path(), Options::default()).map(drop));
        let opened: Result<Vec<()>, OpenError> = opened.collect();
        done.store(true, Ordering::Relaxed);
        opened.unwrap();
    });
}

#[test]
fn a_folder_of_other_files_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
    let error = Store::open(dir.path(), Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_file_in_the_folders_place_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    fs::write(&path, "").unwrap();
    let error = Store::open(&path, Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::Folder { .. }), "{error:?}");
}

#[test]
fn a_damaged_index_is_named_with_the_way_out_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let held = blob(1, 1_000);
    put_and_stop(dir.path(), std::slice::from_ref(&held));
    let index = dir.path().join("index.redb");
    let whole = fs::read(&index).unwrap();
    let wrong = [
        Vec::new(),
        vec![0xff; 8_192],
        whole[..whole.len() / 2].to_vec(),
    ];
    for contents in wrong {
        fs::write(&index, contents).unwrap();
        let error = Store::open(dir.path(), Options::default()).unwrap_err();
        assert!(
            matches!(&error, OpenError::Index { path, .. } if *path == index),
            "{error:?}"
        );
        assert!(
            error
                .to_string()
                .contains("delete it and open the store again"),
            "{error}"
        );
    }

    fs::remove_file(&index).unwrap();
    let store = open(dir.path());
    assert_eq!(
        store.recovery(),
        Recovery {
            indexed: 1,
            ..Recovery::default()
        }
    );
    assert_eq!(store.get(&held.id()).unwrap(), Some(held));
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_enter_the_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;

    let fresh = dir.path().join("a/b/store");
    open(&fresh);
    assert_eq!(mode(&fresh), 0o700);

    let given = dir.path().join("given");
    fs::create_dir(&given).unwrap();
    fs::set_permissions(&given, fs::Permissions::from_mode(0o755)).unwrap();
    open(&given);
    assert_eq!(mode(&given), 0o700);
}

#[test]
fn a_changed_file_is_never_served() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for (n, damage) in DAMAGES.iter().enumerate() {
        let held = blob(n as u64, 10_000);
        store.put(&held).unwrap();
        store.pin(&[held.id()]).unwrap();
        damage(&file_of(dir.path(), held.id()));
        assert_eq!(store.get(&held.id()).unwrap(), None, "damage {n}");
        assert!(!store.has(&held.id()));
        assert!(!file_of(dir.path(), held.id()).exists());
        assert!(store.is_pinned(&held.id()), "a pin outlives its blob");
    }
    assert_eq!(store.stats().blobs, 0);
    assert_eq!(store.stats().pinned_bytes, 0);
}

#[test]
fn a_file_changed_while_the_store_was_closed_is_never_served() {
    let dir = tempfile::tempdir().unwrap();
    for (n, damage) in DAMAGES.iter().enumerate() {
        let held = blob(n as u64, 10_000);
        put_and_stop(dir.path(), std::slice::from_ref(&held));
        damage(&file_of(dir.path(), held.id()));
        assert_eq!(
            open(dir.path()).get(&held.id()).unwrap(),
            None,
            "damage {n}"
        );
    }
}

#[test]
fn putting_a_damaged_blob_again_mends_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for (n, damage) in DAMAGES.iter().enumerate() {
        let held = blob(n as u64, 10_000);
        store.put(&held).unwrap();
        damage(&file_of(dir.path(), held.id()));
        assert!(store.put(&held).unwrap().new, "damage {n}");
        assert_eq!(store.get(&held.id()).unwrap(), Some(held));
    }
}

const DAMAGES: [fn(&Path); 5] = [
    |path| {
        later(path, |file| {
            file.seek(SeekFrom::Start(5_000)).unwrap();
            file.write_all(b"!").unwrap();
        });
    },
    |path| later(path, |file| file.set_len(9_999).unwrap()),
    |path| later(path, |file| file.set_len(10_001).unwrap()),
    |path| later(path, |file| file.set_len(3 << 20).unwrap()),
    |path| fs::remove_file(path).unwrap(),
];

/// Changes a file, once more if the file system's clock, which may tick only
/// every few milliseconds, has not moved since the file was put.
fn later(path: &Path, change: impl Fn(&mut fs::File)) {
    let mut file = fs::File::options().write(true).open(path).unwrap();
    let before = changed(&file);
    while changed(&file) == before {
        change(&mut file);
    }
}

#[cfg(unix)]
fn changed(file: &fs::File) -> (i64, i64) {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = file.metadata().unwrap();
    (metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn changed(file: &fs::File) -> std::time::SystemTime {
    file.metadata().unwrap().modified().unwrap()
}

// Elsewhere there is only the modification time to go by.
#[cfg(unix)]
#[test]
fn a_change_with_its_time_set_back_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let held = blob(1, 10_000);
    store.put(&held).unwrap();
    let path = file_of(dir.path(), held.id());
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    later(&path, |file| {
        file.write_all(b"!").unwrap();
        file.set_modified(before).unwrap();
    });
    assert_eq!(store.get(&held.id()).unwrap(), None);
}

#[test]
fn a_copied_store_serves_every_blob() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let held = blob(1, 10_000);
    put_and_stop(&from, std::slice::from_ref(&held));
    fs::create_dir(&to).unwrap();
    for part in ["blobs", "incoming"] {
        fs::create_dir(to.join(part)).unwrap();
    }
    fs::create_dir(file_of(&to, held.id()).parent().unwrap()).unwrap();
    fs::copy(file_of(&from, held.id()), file_of(&to, held.id())).unwrap();
    fs::copy(from.join("index.redb"), to.join("index.redb")).unwrap();

    let store = open(&to);
    assert_eq!(store.recovery(), Recovery::default());
    assert_eq!(store.get(&held.id()).unwrap(), Some(held));
}

#[test]
fn what_a_crash_leaves_is_put_right() {
    let dir = tempfile::tempdir().unwrap();
    let (stays, goes) = (blob(1, 1_000), blob(2, 1_000));
    let (unknown, wrong) = (blob(3, 1_000), blob(4, 1_000));
    put_and_stop(dir.path(), &[stays.clone(), goes.clone()]);
    fs::remove_file(file_of(dir.path(), goes.id())).unwrap();
    fs::write(file_of(dir.path(), unknown.id()), unknown.bytes()).unwrap();
    fs::write(file_of(dir.path(), wrong.id()), b"half of i").unwrap();
    fs::write(dir.path().join("incoming/7"), b"half of i").unwrap();

    let store = open(dir.path());
    assert_eq!(
        store.recovery(),
        Recovery {
            incoming_removed: 1,
            missing: 1,
            indexed: 1,
            corrupt_removed: 1,
            ..Recovery::default()
        }
    );
    let mut expected = vec![stays.id(), unknown.id()];
    expected.sort();
    assert_eq!(store.ids(), expected);
    assert_eq!(store.get(&unknown.id()).unwrap(), Some(unknown));
    assert!(!file_of(dir.path(), wrong.id()).exists());
    assert_eq!(
        fs::read_dir(dir.path().join("incoming")).unwrap().count(),
        0
    );

    store.flush().unwrap();
    drop(store);
    assert_eq!(open(dir.path()).recovery(), Recovery::default());
}

#[test]
fn a_smaller_limit_evicts_at_open_but_not_what_is_pinned() {
    let dir = tempfile::tempdir().unwrap();
    let blobs: Vec<_> = (0..5).map(|n| blob(n, 1_000)).collect();
    let store = open(dir.path());
    store.put_all(&blobs).unwrap();
    store.pin(&[blobs[0].id()]).unwrap();
    store.get(&blobs[1].id()).unwrap();
    store.flush().unwrap();
    drop(store);

    let options = Options {
        max_bytes: NonZeroU64::new(2_500),
    };
    let store = Store::open(dir.path(), options).unwrap();
    assert_eq!(store.recovery().evicted, 3);
    let mut expected = vec![blobs[0].id(), blobs[1].id()];
    expected.sort();
    assert_eq!(store.ids(), expected);
    assert!(!file_of(dir.path(), blobs[2].id()).exists());
}

#[test]
fn a_store_full_of_pins_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        max_bytes: NonZeroU64::new(1_500),
    };
    let store = Store::open(dir.path(), options).unwrap();
    let (pinned, more) = (blob(1, 1_000), blob(2, 1_000));
    store.pin(&[pinned.id()]).unwrap();
    store.put(&pinned).unwrap();
    let error = store.put(&more).unwrap_err();
    assert!(
        matches!(
            error,
            PutError::Full {
                needed: 1_000,
                pinned: 1_000,
                max_bytes: 1_500
            }
        ),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .contains("raise the limit or unpin something"),
        "{error}"
    );
    assert!(!file_of(dir.path(), more.id()).exists());

    store.unpin(&[pinned.id()]).unwrap();
    assert_eq!(store.put(&more).unwrap().evicted, [pinned.id()]);
}

#[test]
fn what_the_disk_refuses_to_remove_is_still_held() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (stuck, free) = (blob(1, 1_000), blob(2, 1_000));
    store.put_all(&[stuck.clone(), free.clone()]).unwrap();
    // A folder is not removed as a file, not even for root.
    let path = file_of(dir.path(), stuck.id());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();

    let error = store.remove_all(&[stuck.id(), free.id()]).unwrap_err();
    assert!(
        error.to_string().contains(&stuck.id().to_string()),
        "{error}"
    );
    assert_eq!(store.ids(), [stuck.id()]);
    assert!(store.get(&stuck.id()).is_err());

    fs::remove_dir(&path).unwrap();
    assert!(store.put(&stuck).unwrap().new);
    assert_eq!(store.get(&stuck.id()).unwrap(), Some(stuck));
}

#[test]
fn a_lease_ends_with_its_owner_and_a_pin_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let (leased, pinned) = (blob(1, 1_000), blob(2, 1_000));
    let store = open(dir.path());
    let mut lease = store.lease(&[leased.id()]);
    lease.extend(&[pinned.id()]);
    assert_eq!(lease.ids(), [leased.id(), pinned.id()]);
    store.put_all(&[leased.clone(), pinned.clone()]).unwrap();
    store.pin(lease.ids().get(1..).unwrap()).unwrap();
    assert_eq!(store.stats().pinned_blobs, 2);

    drop(lease);
    assert!(!store.is_pinned(&leased.id()));
    drop(store);
    assert!(open(dir.path()).is_pinned(&pinned.id()));
}

/// Only a row makes an open believe a file unread.
#[test]
fn no_row_is_written_of_a_blob_that_is_not_synced() {
    let dir = tempfile::tempdir().unwrap();
    let (synced, unsynced) = (blob(1, 1_000), blob(2, 1_000));
    let store = open(dir.path());
    store.put(&synced).unwrap();
    store.sync().unwrap();
    store.put(&unsynced).unwrap();
    drop(store);

    let store = open(dir.path());
    assert_eq!(
        store.recovery(),
        Recovery {
            indexed: 1,
            ..Recovery::default()
        }
    );
    drop(store);
    assert_eq!(open(dir.path()).recovery().indexed, 1, "still not synced");
    open(dir.path()).flush().unwrap();
    let store = open(dir.path());
    assert_eq!(store.recovery(), Recovery::default());
    assert_eq!(store.get(&unsynced.id()).unwrap(), Some(unsynced));
}

#[test]
fn two_thousand_puts_flush_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let blobs: Vec<_> = (0..2_100).map(|n| blob(n, 100)).collect();
    let store = open(dir.path());
    for blob in &blobs {
        store.put(blob).unwrap();
    }
    drop(store);
    assert_eq!(open(dir.path()).recovery().indexed, 2_100 - 2_048);
}

#[test]
fn what_does_not_reach_the_disk_is_not_held() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (lost, held) = (blob(1, 1_000), blob(2, 1_000));
    store.put_all(&[lost.clone(), held.clone()]).unwrap();
    // A folder cannot be opened for writing, not even by root.
    let path = file_of(dir.path(), lost.id());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();

    let error = store.flush().unwrap_err();
    assert!(
        matches!(&error, FlushError::Lost { lost: ids, .. } if *ids == [lost.id()]),
        "{error:?}"
    );
    assert_eq!(store.ids(), [held.id()]);
    store.flush().unwrap();
    fs::remove_dir(&path).unwrap();
    assert!(store.put(&lost).unwrap().new);
}
