//! Opening a store, and putting right what a crash left.
//!
//! Rows without a file go; files without a row are hashed, and indexed or
//! removed. Files with a row are believed until a read finds them touched, so
//! an open after a clean stop reads no blob.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::thread;

use samara_core::BlobId;

use crate::catalog::{Catalog, Held};
use crate::error::{IndexError, OpenError};
use crate::files::{Checked, Files, create_dir, sync_dir};
use crate::fingerprint::Fingerprint;
use crate::index::{Contents, Index, NewerVersion};
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
    /// Blobs evicted because the limit is smaller now.
    pub evicted: u64,
}

/// The parts of an open store.
#[derive(Debug)]
pub(crate) struct Opened {
    pub files: Files,
    pub index: Index,
    pub shared: Shared,
    pub recovery: Recovery,
    pub lock: File,
}

pub(crate) fn open(dir: &Path, options: Options) -> Result<Opened, OpenError> {
    let io = |source| OpenError::io(dir, source);
    let index_failed = |error: IndexError| OpenError::index(dir, Index::path_in(dir), error);

    create_durably(dir).map_err(io)?;
    if is_foreign(dir).map_err(io)? {
        return Err(OpenError::Foreign {
            dir: dir.to_owned(),
        });
    }
    let lock = lock(dir)?;
    make_private(dir).map_err(io)?;

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
    let catalog = Catalog::new(options.max_bytes, pins);
    let (catalog, unflushed) = reconcile(&files, rows, catalog, &mut recovery).map_err(io)?;
    let shared = Shared::new(catalog, unflushed);
    let evicted = shared.shrink();
    recovery.evicted = evicted.ids.len() as u64;
    evicted
        .ids
        .iter()
        .try_for_each(|id| files.remove(id))
        .map_err(io)?;
    drop(evicted);

    Ok(Opened {
        files,
        index,
        shared,
        recovery,
        lock,
    })
}

/// Fills the catalog with what is on disk, and returns the rows to mend.
fn reconcile(
    files: &Files,
    rows: Vec<(BlobId, Held<Fingerprint>)>,
    mut catalog: Catalog<Fingerprint>,
    recovery: &mut Recovery,
) -> io::Result<(Catalog<Fingerprint>, BTreeSet<BlobId>)> {
    let mut unknown: BTreeSet<BlobId> = files.ids()?.into_iter().collect();
    let mut unflushed = BTreeSet::new();
    for (id, held) in rows {
        if unknown.remove(&id) {
            catalog.insert(id, held);
        } else {
            recovery.missing += 1;
            unflushed.insert(id);
        }
    }
    let unknown: Vec<_> = unknown.into_iter().collect();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let verified = parallel::try_map(&unknown, threads, |id| verify(files, id))?;
    files.sync_shards(unknown.iter().copied())?;

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
        unflushed.insert(id);
    }
    Ok((catalog, unflushed))
}

/// The blob's file, durable, if it is what it is named; removed if not.
fn verify(files: &Files, id: &BlobId) -> io::Result<Option<Fingerprint>> {
    loop {
        match files.check(id)? {
            Checked::Missing => return Ok(None),
            Checked::Corrupt => return files.remove(id).map(|()| None),
            Checked::Right(_, Some(fingerprint)) => {
                files.sync(id)?;
                return Ok(Some(fingerprint));
            }
            // Somebody writes to it at this moment; what will it be?
            Checked::Right(_, None) => {}
        }
    }
}

/// Creates the folder and its parents so that a power loss does not take them.
fn create_durably(dir: &Path) -> io::Result<()> {
    let missing: Vec<_> = dir
        .ancestors()
        .take_while(|path| is_missing(path))
        .collect();
    for path in missing.into_iter().rev() {
        create_dir(path)?;
        sync_dir(parent(path))?;
    }
    Ok(())
}

fn is_missing(path: &Path) -> bool {
    // The empty path is the parent of a relative one: the current folder.
    !path.as_os_str().is_empty() && !path.exists()
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Whether somebody else's files are in the folder. A store whose index was
/// deleted still has its `blobs`; a disk of its own has `lost+found`.
fn is_foreign(dir: &Path) -> io::Result<bool> {
    const OURS: [&str; 5] = ["blobs", "incoming", "index.redb", "lock", "lost+found"];
    if dir.join("blobs").is_dir() {
        return Ok(false);
    }
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        if !OURS.iter().any(|ours| name == *ours) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Keeps other processes out for as long as the file is open, however this
/// process ends.
fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let file = file.map_err(|error| OpenError::io(dir, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(OpenError::InUse {
            dir: dir.to_owned(),
        }),
        Err(fs::TryLockError::Error(error)) => Err(OpenError::io(dir, error)),
    }
}

/// The blobs open nothing by themselves, but which are held is nobody's business.
#[cfg(unix)]
fn make_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let others = 0o077;
    if fs::metadata(dir)?.permissions().mode() & others != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Elsewhere a folder inherits who may enter it.
#[cfg(not(unix))]
fn make_private(_dir: &Path) -> io::Result<()> {
    Ok(())
}
