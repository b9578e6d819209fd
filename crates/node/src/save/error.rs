//! What can go wrong while a fetched file is written.

use std::io;
use std::path::{Path, PathBuf};

use samara_core::BlobId;
use samara_store::GetError;

/// A fetched file could not be written. Its chunks are in the store: the next
/// fetch goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// No space is left.
    #[error(
        "the disk of {path} is full; free some space and run the fetch again",
        path = path.display()
    )]
    DiskFull {
        /// The file to be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk refused in another way.
    #[error(
        "{path} cannot be written; check the folder's permissions and run the fetch again",
        path = path.display()
    )]
    Io {
        /// The file to be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A stranger's choice of name must not replace a file.
    #[error(
        "{path} exists; move it away, or name the file itself as the output to replace it",
        path = path.display()
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Two fetches cannot write one file.
    #[error("another fetch is writing {path}; let it finish", path = path.display())]
    Busy {
        /// The file to be.
        path: PathBuf,
    },
    /// A blob is what its id says, and the entry's key does not open it to
    /// what the entry says.
    #[error("chunk {index} does not open; the entry is damaged or forged, ask for the link again")]
    Forged {
        /// Position in the entry.
        index: u32,
    },
    /// The store lost a blob that it held.
    #[error("the store lost blob {id} while it was needed; run the fetch again")]
    Lost {
        /// The blob.
        id: BlobId,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] GetError),
}

impl SaveError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path, source }
            }
            _ => Self::Io { path, source },
        }
    }
}
