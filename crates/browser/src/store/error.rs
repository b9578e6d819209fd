//! What can go wrong with a store.

use wasm_bindgen::JsCast as _;

use crate::error::{Coded, text_of};

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenStoreError {
    /// No `IndexedDB`, or it is forbidden here.
    #[error(
        "this browser keeps no data for this page ({0}); leave private browsing or allow site data"
    )]
    Unavailable(String),
    /// A later version of this software made it.
    #[error("a newer version of this page has used the store; reload the page")]
    Newer,
    /// A record is not what this software writes.
    #[error("the store holds data that is not understood; clear this site's data")]
    Foreign,
}

impl Coded for OpenStoreError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unsupported",
            Self::Newer => "wrong-version",
            Self::Foreign => "store-failed",
        }
    }
}

/// Why a blob is not in the store.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum PutError {
    /// The limit is reached by blobs that are needed.
    #[error(
        "the store is full: open transfers need all of its {limit_mib} MiB; close one or allow more"
    )]
    Full {
        /// The limit.
        limit_mib: u64,
    },
    /// The browser gives no more.
    #[error("the browser gives this site no more storage; free disk space or close a transfer")]
    Quota,
    /// The database failed.
    #[error("the browser's database failed ({0}); reload the page")]
    Failed(String),
}

impl Coded for PutError {
    fn code(&self) -> &'static str {
        match self {
            Self::Full { .. } | Self::Quota => "store-full",
            Self::Failed(_) => "store-failed",
        }
    }
}

impl From<idb::Error> for PutError {
    fn from(error: idb::Error) -> Self {
        match error {
            idb::Error::DomException(exception) if exception.name() == "QuotaExceededError" => {
                Self::Quota
            }
            other => Self::Failed(other.to_string()),
        }
    }
}

impl PutError {
    /// The store went away before it was done.
    pub fn closed() -> Self {
        Self::Failed("the store was closed".into())
    }

    /// What aborted a transaction.
    pub fn of_exception(exception: Option<&web_sys::DomException>) -> Self {
        match exception {
            Some(exception) if exception.name() == "QuotaExceededError" => Self::Quota,
            Some(exception) => Self::Failed(text_of(exception.unchecked_ref())),
            None => Self::Failed("a write was aborted".into()),
        }
    }
}

/// A blob cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// It is not there any more.
    #[error("a part of the file is no longer in this browser; open the link again")]
    Lost,
    /// It may be there; the database cannot tell.
    #[error("the browser's database failed ({0}); reload the page")]
    Failed(String),
    /// It is there and does not open.
    #[error(transparent)]
    Open(#[from] samara_core::seal::OpenError),
    /// The transfer is over.
    #[error("the transfer was closed")]
    Closed,
}

impl From<idb::Error> for ReadError {
    fn from(error: idb::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Coded for ReadError {
    fn code(&self) -> &'static str {
        match self {
            Self::Lost | Self::Failed(_) => "store-failed",
            Self::Open(_) => "bad-entry",
            Self::Closed => "aborted",
        }
    }
}
