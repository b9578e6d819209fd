//! What can go wrong, one enum per operation.
//!
//! Every message says what to do about it; what the system said is the source.

use std::io;
use std::path::{Path, PathBuf};

use samara_core::BlobId;

use crate::catalog::NoRoom;

/// The index could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct IndexError(Box<redb::Error>);

impl<E: Into<redb::Error>> From<E> for IndexError {
    fn from(error: E) -> Self {
        Self(Box::new(error.into()))
    }
}

/// Who is to blame for an [`IndexError`].
pub(crate) enum IndexFault {
    /// Another program has the index open, store or not.
    InUse,
    /// The disk.
    Disk(io::Error),
    /// The index's contents.
    Damaged(IndexError),
}

impl IndexError {
    pub(crate) fn into_fault(self) -> IndexFault {
        match *self.0 {
            redb::Error::DatabaseAlreadyOpen => IndexFault::InUse,
            redb::Error::Io(error) if !is_about_contents(&error) => IndexFault::Disk(error),
            other => IndexFault::Damaged(Self(Box::new(other))),
        }
    }
}

fn is_about_contents(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    )
}

/// A store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Two processes, or one twice, cannot keep one folder.
    #[error(
        "another process has the store {dir} open; stop that process or choose another folder",
        dir = dir.display()
    )]
    InUse {
        /// The store's folder.
        dir: PathBuf,
    },
    /// The folder has contents, and they are not a store's.
    #[error(
        "{dir} holds files that are not a store's; choose an empty folder or an existing store",
        dir = dir.display()
    )]
    Foreign {
        /// The folder asked for.
        dir: PathBuf,
    },
    /// The index says it has a layout this version does not know.
    #[error(
        "the store {dir} was written by a newer version; update this program",
        dir = dir.display()
    )]
    Newer {
        /// The store's folder.
        dir: PathBuf,
    },
    /// The index is damaged. The blobs do not depend on it; the pins do.
    #[error(
        "the index {path} is damaged; delete it and open the store again, which finds every blob \
         but forgets which were pinned",
        path = path.display()
    )]
    Index {
        /// The index file.
        path: PathBuf,
        /// What is wrong with it.
        source: IndexError,
    },
    /// No space is left where the store is.
    #[error("the disk of {dir} is full; free some space and try again", dir = dir.display())]
    DiskFull {
        /// The store's folder.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder cannot be created, read or written.
    #[error(
        "the store {dir} cannot be opened; see that this user may read and write there",
        dir = dir.display()
    )]
    Folder {
        /// The store's folder.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(dir: &Path, source: io::Error) -> Self {
        let dir = dir.to_owned();
        if is_disk_full(&source) {
            Self::DiskFull { dir, source }
        } else {
            Self::Folder { dir, source }
        }
    }

    pub(crate) fn index(dir: &Path, path: PathBuf, error: IndexError) -> Self {
        match error.into_fault() {
            IndexFault::InUse => Self::InUse {
                dir: dir.to_owned(),
            },
            IndexFault::Disk(source) => Self::io(dir, source),
            IndexFault::Damaged(source) => Self::Index { path, source },
        }
    }
}

/// A blob could not be put. Nothing that was held before is lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// Pins leave no room within the store's limit.
    #[error(
        "{needed} bytes do not fit beside {pinned} pinned bytes within the store's limit of \
         {max_bytes}; raise the limit or unpin something"
    )]
    Full {
        /// Bytes to be put.
        needed: u64,
        /// Bytes that may not be evicted.
        pinned: u64,
        /// The limit.
        max_bytes: u64,
    },
    /// No space is left where the store is.
    #[error(
        "the disk of {dir} is full; free some space or give the store a smaller limit",
        dir = dir.display()
    )]
    DiskFull {
        /// The store's folder.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk refused in another way.
    #[error(
        "a blob could not be written to {dir}; check the disk and the folder's permissions",
        dir = dir.display()
    )]
    Io {
        /// The store's folder.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl PutError {
    pub(crate) fn io(dir: &Path, source: io::Error) -> Self {
        let dir = dir.to_owned();
        if is_disk_full(&source) {
            Self::DiskFull { dir, source }
        } else {
            Self::Io { dir, source }
        }
    }
}

impl From<NoRoom> for PutError {
    fn from(no_room: NoRoom) -> Self {
        let NoRoom {
            needed,
            pinned,
            max_bytes,
        } = no_room;
        Self::Full {
            needed,
            pinned,
            max_bytes,
        }
    }
}

/// A blob could not be read. Whether the store holds it is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GetError {
    /// The disk refused.
    #[error("blob {id} could not be read; check the disk and the folder's permissions")]
    Io {
        /// The blob asked for.
        id: BlobId,
        /// What the system said.
        source: io::Error,
    },
}

/// A blob could not be removed; it is still held.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoveError {
    /// The disk refused.
    #[error("blob {id} could not be removed; check the disk and the folder's permissions")]
    Io {
        /// The blob to be removed.
        id: BlobId,
        /// What the system said.
        source: io::Error,
    },
}

/// Pins could not be recorded; they are as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PinError {
    /// No space is left where the store is.
    #[error("the disk of {dir} is full; free some space and pin again", dir = dir.display())]
    DiskFull {
        /// The store's folder.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The index could not be written.
    #[error(
        "the pins could not be written to the index in {dir}; check the disk and the folder's \
         permissions",
        dir = dir.display()
    )]
    Index {
        /// The store's folder.
        dir: PathBuf,
        /// What went wrong.
        source: IndexError,
    },
}

impl PinError {
    pub(crate) fn new(dir: &Path, error: IndexError) -> Self {
        let dir = dir.to_owned();
        match *error.0 {
            redb::Error::Io(source) if is_disk_full(&source) => Self::DiskFull { dir, source },
            other => Self::Index {
                dir,
                source: other.into(),
            },
        }
    }
}

/// What was put could not all be made durable, or its rows not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// The index could not be written. No blob depends on it: the next open
    /// checks those it does not know.
    #[error(
        "the index in {dir} could not be written; free some space there or check the disk",
        dir = dir.display()
    )]
    Index {
        /// The store's folder.
        dir: PathBuf,
        /// What went wrong.
        source: IndexError,
    },
    /// The folder could not be made durable: a power cut may take blobs.
    #[error(
        "what was put in {dir} may not survive a power cut; check the disk",
        dir = dir.display()
    )]
    Sync {
        /// The store's folder.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk did not take blobs that it had accepted. They are not held any
    /// more.
    #[error(
        "{} blobs did not reach the disk of {dir} and are lost; free some space there or check \
         the disk, and put them again",
        lost.len(), dir = dir.display()
    )]
    Lost {
        /// The store's folder.
        dir: PathBuf,
        /// The blobs.
        lost: Vec<BlobId>,
        /// What the system said of one of them.
        source: io::Error,
    },
}

impl FlushError {
    pub(crate) fn index(dir: &Path, source: IndexError) -> Self {
        let dir = dir.to_owned();
        Self::Index { dir, source }
    }

    pub(crate) fn sync(dir: &Path, source: io::Error) -> Self {
        let dir = dir.to_owned();
        Self::Sync { dir, source }
    }

    /// An error if anything was lost.
    pub(crate) fn of_lost(dir: &Path, lost: Vec<(BlobId, io::Error)>) -> Result<(), Self> {
        let (lost, causes): (Vec<_>, Vec<_>) = lost.into_iter().unzip();
        let dir = dir.to_owned();
        match causes.into_iter().next() {
            None => Ok(()),
            Some(source) => Err(Self::Lost { dir, lost, source }),
        }
    }
}

/// A quota means the same to whoever has to act.
fn is_disk_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
