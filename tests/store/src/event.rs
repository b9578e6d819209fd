//! One line for each step of a `putter`: what it begins, and what is done.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, bail};
use samara_core::BlobId;

/// A step. The end of one is reported only after the store acknowledged it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A put of this many bytes begins.
    Putting(BlobId, u64),
    /// A put was acknowledged.
    Held(BlobId),
    /// Everything put was synced after this blob's put was acknowledged.
    Synced(BlobId),
    /// A put reported this eviction.
    Evicted(BlobId),
    /// A remove begins.
    Removing(BlobId),
    /// A remove was acknowledged.
    Removed(BlobId),
    /// A pin begins.
    Pinning(BlobId),
    /// A pin was acknowledged.
    Pinned(BlobId),
    /// An unpin begins.
    Unpinning(BlobId),
    /// An unpin was acknowledged.
    Unpinned(BlobId),
    /// A put was refused for want of room.
    Refused(BlobId),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Putting(id, len) => write!(f, "putting {id} {len}"),
            Self::Held(id) => write!(f, "held {id}"),
            Self::Synced(id) => write!(f, "synced {id}"),
            Self::Evicted(id) => write!(f, "evicted {id}"),
            Self::Removing(id) => write!(f, "removing {id}"),
            Self::Removed(id) => write!(f, "removed {id}"),
            Self::Pinning(id) => write!(f, "pinning {id}"),
            Self::Pinned(id) => write!(f, "pinned {id}"),
            Self::Unpinning(id) => write!(f, "unpinning {id}"),
            Self::Unpinned(id) => write!(f, "unpinned {id}"),
            Self::Refused(id) => write!(f, "refused {id}"),
        }
    }
}

impl FromStr for Event {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let mut words = line.split(' ');
        let step = words.next().unwrap_or_default();
        let id = words.next().context("an event names a blob")?.parse()?;
        Ok(match step {
            "putting" => Self::Putting(id, words.next().context("a put has a length")?.parse()?),
            "held" => Self::Held(id),
            "synced" => Self::Synced(id),
            "evicted" => Self::Evicted(id),
            "removing" => Self::Removing(id),
            "removed" => Self::Removed(id),
            "pinning" => Self::Pinning(id),
            "pinned" => Self::Pinned(id),
            "unpinning" => Self::Unpinning(id),
            "unpinned" => Self::Unpinned(id),
            "refused" => Self::Refused(id),
            other => bail!("no such step: {other}"),
        })
    }
}
