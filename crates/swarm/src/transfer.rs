//! One link's way from a name to a complete file.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use samara_core::derive::SignalKey;
use samara_core::entry::EntryError;
use samara_core::entry::blob::{
    Depth, MAX_ENTRY_LEN, OpenEntryError, join_entry, open_entry, seal_entry,
};
use samara_core::{Blob, BlobId, FileEntry, Link, Topic};

use crate::face::Order;
use crate::push::Pushing;
use crate::time::Time;
use crate::wanted::Urgency;

/// A file being fetched or seeded.
pub(crate) struct Transfer {
    pub(crate) link: Link,
    pub(crate) topic: Topic,
    pub(crate) signal_key: SignalKey,
    pub(crate) phase: Phase,
    /// What this phase needs, in order; nothing once it is over.
    pub(crate) blobs: Arc<[BlobId]>,
    pub(crate) paused: bool,
    pub(crate) order: Order,
    /// Nobody it knows gave it anything: since when others are asked to pass
    /// its wants on.
    pub(crate) called_at: Option<Time>,
    /// When it begins to call, if nothing comes.
    pub(crate) call_at: Time,
    /// Copies elsewhere that the user asked for.
    pub(crate) copies: Option<u8>,
    /// The making of them, once the transfer is complete.
    pub(crate) pushing: Option<Pushing>,
    /// When an idle member may next be left for another.
    pub(crate) swap_at: Time,
    pub(crate) lookup_at: Time,
    pub(crate) announce_at: Time,
}

/// How far a transfer is. The blobs of a phase are numbered from 0.
pub(crate) enum Phase {
    /// The entry is not known yet.
    Resolving(Resolving),
    /// The entry is known, chunks are missing.
    Fetching {
        entry: Arc<FileEntry>,
        chunks_held: u32,
        bytes_held: u64,
    },
    /// Everything is in the store.
    Done { entry: Arc<FileEntry> },
    /// Over, without the file.
    Failed,
}

/// From a link to its entry, one depth after the other.
pub(crate) struct Resolving {
    depth: Depth,
    /// The entry whose chunks make up the next one; `None` for the first.
    outer: Option<FileEntry>,
    missing: usize,
    loaded: BTreeMap<BlobId, Bytes>,
}

impl Transfer {
    pub(crate) fn new(link: Link, phase: Phase, now: Time) -> Self {
        Self {
            topic: link.topic(),
            signal_key: link.signal_key(),
            blobs: phase.blobs(link.id),
            link,
            phase,
            paused: false,
            order: Order::default(),
            called_at: None,
            call_at: now,
            copies: None,
            pushing: None,
            swap_at: now,
            lookup_at: now,
            announce_at: now,
        }
    }

    /// Whether blobs are still to be fetched.
    pub(crate) const fn is_incomplete(&self) -> bool {
        match self.phase {
            Phase::Resolving(_) | Phase::Fetching { .. } => true,
            Phase::Done { .. } | Phase::Failed => false,
        }
    }

    /// The file's entry, once known.
    pub(crate) const fn entry(&self) -> Option<&Arc<FileEntry>> {
        match &self.phase {
            Phase::Fetching { entry, .. } | Phase::Done { entry } => Some(entry),
            Phase::Resolving(_) | Phase::Failed => None,
        }
    }

    /// Begins to offer everything to keepers, if everything is there.
    pub(crate) fn push(&mut self, copies: u8) {
        self.copies = Some(copies);
        if let Phase::Done { entry } = &self.phase {
            let sealed = seal_entry(entry).map(|sealed| sealed.blobs);
            let mut blobs: Vec<_> = sealed.iter().flatten().map(Blob::id).collect();
            blobs.extend(ids(entry));
            self.pushing = Some(Pushing::new(copies, blobs));
        }
    }

    /// How soon the chunk at a position of this phase is needed.
    pub(crate) fn urgency(&self, position: u32) -> Option<Urgency> {
        match (&self.phase, &self.order) {
            _ if self.paused => None,
            (Phase::Done { .. } | Phase::Failed, _) => None,
            (Phase::Resolving(_), _) | (Phase::Fetching { .. }, Order::RarestFirst) => {
                Some(Urgency::Usual)
            }
            (Phase::Fetching { .. }, Order::InOrder { from, window }) => {
                let near = (*from..from.saturating_add(*window)).contains(&position);
                Some(if near {
                    Urgency::Next(position)
                } else {
                    Urgency::Usual
                })
            }
            (Phase::Fetching { .. }, Order::Only(ranges)) => {
                let named = ranges.iter().any(|range| range.contains(&position));
                named.then_some(Urgency::Next(position))
            }
        }
    }

    /// Moves on, and knows what is to be fetched for it.
    pub(crate) fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.list_blobs();
    }

    /// Lists the blobs anew after the phase changed inside.
    pub(crate) fn list_blobs(&mut self) {
        self.blobs = self.phase.blobs(self.link.id);
    }
}

impl Phase {
    fn blobs(&self, top: BlobId) -> Arc<[BlobId]> {
        match self {
            Self::Resolving(resolving) => resolving.blobs(top).into(),
            Self::Fetching { entry, .. } => ids(entry).into(),
            Self::Done { .. } | Self::Failed => Arc::default(),
        }
    }
}

pub(crate) fn ids(entry: &FileEntry) -> Vec<BlobId> {
    entry.chunks().iter().map(|chunk| chunk.id).collect()
}

impl Resolving {
    pub(crate) fn new(link: &Link) -> Self {
        Self {
            depth: link.depth,
            outer: None,
            missing: 0,
            loaded: BTreeMap::new(),
        }
    }

    fn blobs(&self, top: BlobId) -> Vec<BlobId> {
        self.outer.as_ref().map_or_else(|| [top].into(), ids)
    }

    pub(crate) fn set_missing(&mut self, missing: usize) {
        self.missing = missing;
    }

    /// One blob fewer is missing; whether that was the last.
    pub(crate) fn arrived(&mut self) -> bool {
        self.missing = self.missing.saturating_sub(1);
        self.missing == 0
    }

    /// Takes a loaded blob. With the last one, gives the entry (`Ok(Some)`)
    /// or steps to the next depth, whose blobs are then to be fetched.
    pub(crate) fn load(
        &mut self,
        link: &Link,
        blob: BlobId,
        bytes: Bytes,
    ) -> Result<Step, OpenEntryError> {
        self.loaded.insert(blob, bytes);
        let blobs = self.blobs(link.id);
        let Some(parts) = blobs
            .iter()
            .map(|id| self.loaded.get(id))
            .collect::<Option<Vec<_>>>()
        else {
            return Ok(Step::Wait);
        };
        let entry = match &self.outer {
            None => open_entry(&link.key, parts[0], self.depth)?,
            Some(outer) => join_entry(outer, parts.into_iter().map(|bytes| &bytes[..]))?,
        };
        self.loaded.clear();
        // At the top the blob is opened without going deeper; every later
        // entry is one nearer to the file.
        if self.outer.is_some() {
            self.depth = self.depth.next().unwrap_or(Depth::ZERO);
        }
        if self.depth == Depth::ZERO {
            return Ok(Step::Entry(entry));
        }
        if entry.size() > MAX_ENTRY_LEN {
            return Err(EntryError::TooLarge.into());
        }
        self.outer = Some(entry);
        Ok(Step::Deeper)
    }
}

/// What follows from a loaded blob.
#[derive(Debug)]
pub(crate) enum Step {
    /// More blobs of this depth are to be loaded.
    Wait,
    /// The next depth's blobs are to be fetched.
    Deeper,
    /// The file's own entry.
    Entry(FileEntry),
}
