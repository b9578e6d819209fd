//! Opening a store, and putting right what a crash left.
//!
//! Rows without a file go; files without a row are hashed, and indexed or
//! removed. Files with a row are believed until a read finds them touched, so
//! an open after a clean stop reads no blob. Blobs of a draft that nobody
//! finished go.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::thread;

use samara_core::BlobId;

use crate::catalog::{Catalog, Held};
use crate::error::{IndexError, OpenError};
use crate::files::{Checked, Files};
use crate::fingerprint::Fingerprint;
use crate::folder;
use crate::index::{Contents, Index, NewerVersion};
use crate::journal::Journals;
use crate::lock::Lock;
use crate::state::Shared;
use crate::{Options, parallel};

/// What an open found to put right. All zero after a clean stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Half-written files removed.
    pub incoming_removed: u64,
    /// Blobs whose file somebody took away.
    pub missing: u64,
    /// Blobs the index did not know, found to be right.
    pub indexed: u64,
    /// Files the index did not know that were not what they are named.
    pub corrupt_removed: u64,
    /// Blobs of unfinished drafts removed.
    pub unfinished_removed: u64,
    /// Blobs evicted because the limit is smaller now.
    pub evicted: u64,
}

/// The parts of an open store.
#[derive(Debug)]
pub(crate) struct Opened {
    pub files: Files,
    pub journals: Journals,
    pub index: Index,
    pub shared: Shared,
    pub recovery: Recovery,
    pub lock: Lock,
}

pub(crate) fn open(dir: &Path, options: Options) -> Result<Opened, OpenError> {
    let io = |source| OpenError::io(dir, source);
    let index_failed = |error: IndexError| OpenError::index(dir, Index::path_in(dir), error);

    folder::create(dir).map_err(io)?;
    if folder::is_foreign(dir).map_err(io)? {
        return Err(OpenError::Foreign {
            dir: dir.to_owned(),
        });
    }
    let lock = Lock::take(dir)?;
    folder::make_private(dir).map_err(io)?;

    let (files, incoming_removed) = Files::open(dir).map_err(io)?;
    let mut index = Index::open(dir, &files).map_err(index_failed)?;
    let Contents { rows, pins } = match index.load().map_err(index_failed)? {
        Ok(contents) => contents,
        Err(NewerVersion) => {
            return Err(OpenError::Newer {
                dir: dir.to_owned(),
            });
        }
    };
    let mut recovery = Recovery {
        incoming_removed,
        ..Recovery::default()
    };
    let journals = Journals::open(dir).map_err(io)?;
    let mut unfinished = journals.left().map_err(io)?;
    // A draft is finished by its pins.
    unfinished.retain(|id| !pins.contains(id));
    recovery.unfinished_removed = remove_all(&files, &unfinished).map_err(io)?;
    journals.clear().map_err(io)?;
    let catalog = Catalog::new(options.max_bytes, pins);
    let reconciled = reconcile(&files, rows, &unfinished, catalog, &mut recovery);
    let (catalog, changed) = reconciled.map_err(io)?;
    let shared = Shared::new(catalog, changed);
    let evicted = shared.shrink();
    recovery.evicted = evicted.ids.len() as u64;
    evicted
        .ids
        .iter()
        .try_for_each(|id| files.remove(id).map(|_| ()))
        .map_err(io)?;
    drop(evicted);

    Ok(Opened {
        files,
        journals,
        index,
        shared,
        recovery,
        lock,
    })
}

/// Removes blobs, durably; how many there were.
fn remove_all(files: &Files, ids: &BTreeSet<BlobId>) -> io::Result<u64> {
    let mut removed = 0;
    for id in ids {
        removed += u64::from(files.remove(id)?);
    }
    files.sync_shards(ids.iter().copied())?;
    Ok(removed)
}

/// Fills the catalog with what is on disk, and returns which rows are to be
/// written anew.
fn reconcile(
    files: &Files,
    rows: Vec<(BlobId, Held<Fingerprint>)>,
    gone: &BTreeSet<BlobId>,
    mut catalog: Catalog<Fingerprint>,
    recovery: &mut Recovery,
) -> io::Result<(Catalog<Fingerprint>, BTreeSet<BlobId>)> {
    let mut unknown: BTreeSet<BlobId> = files.ids()?.into_iter().collect();
    let mut changed = BTreeSet::new();
    for (id, held) in rows {
        if unknown.remove(&id) {
            catalog.insert(id, held);
        } else {
            recovery.missing += u64::from(!gone.contains(&id));
            changed.insert(id);
        }
    }
    let unknown: Vec<_> = unknown.into_iter().collect();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let verified = parallel::try_map(&unknown, threads, |id| verify(files, id))?;

    let found = unknown.iter().zip(verified);
    let mut right: Vec<_> = found
        .filter_map(|(id, found)| Some((*id, found?)))
        .collect();
    recovery.indexed = right.len() as u64;
    recovery.corrupt_removed = (unknown.len() - right.len()) as u64;
    // They came after every row; among themselves, in the order of their files.
    right.sort_by_key(|(_, found)| found.changed);
    for (id, found) in right {
        catalog.add(id, found.len, found);
        changed.insert(id);
    }
    Ok((catalog, changed))
}

/// The blob's file if it is what it is named; removed if not.
fn verify(files: &Files, id: &BlobId) -> io::Result<Option<Fingerprint>> {
    loop {
        match files.check(id)? {
            Checked::Missing => return Ok(None),
            Checked::Corrupt => return files.remove(id).map(|_| None),
            Checked::Right(_, Some(fingerprint)) => return Ok(Some(fingerprint)),
            // Somebody writes to it at this moment; what will it be?
            Checked::Right(_, None) => {}
        }
    }
}
