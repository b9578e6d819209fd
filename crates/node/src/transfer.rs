//! A transfer, as its user sees it.

use std::path::PathBuf;
use std::sync::Arc;

use samara_core::{FileEntry, Link};
use samara_swarm::{Input, Order, Progress, TransferFailure, TransferId};
use tokio::sync::{mpsc, oneshot};

use crate::driver::Command;
use crate::save::SaveError;

/// A file being fetched or seeded. Dropping it ends that; what is in the store
/// stays there.
#[derive(Debug)]
pub struct Transfer {
    id: TransferId,
    link: Link,
    commands: mpsc::UnboundedSender<Command>,
    events: mpsc::UnboundedReceiver<TransferEvent>,
}

/// What happens to a transfer.
#[derive(Debug)]
#[non_exhaustive]
pub enum TransferEvent {
    /// The file's entry is known.
    Entry(Arc<FileEntry>),
    /// The chunk at this position is in the store: it came, or was there.
    Chunk(u32),
    /// All chunks are in the store.
    Done,
    /// The file is complete under this name, durably.
    Saved(PathBuf),
    /// Keepers proved that they hold more of a pushed transfer.
    Pushed {
        /// Copies of single blobs proven so far.
        proven: u32,
        /// Copies of single blobs wanted in all.
        wanted: u32,
        /// Whole copies: each blob is proven to be with so many others.
        copies: u8,
        /// Whole copies wanted.
        target: u8,
    },
    /// A keeper takes no more of what is pushed.
    PushRefused {
        /// Why, in the keeper's words.
        reason: String,
    },
    /// The transfer ended without its file.
    Failed(TransferError),
}

/// Why a transfer ended without its file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The link, the entry or the store is at fault.
    #[error(transparent)]
    Failed(#[from] TransferFailure),
    /// The file could not be written.
    #[error(transparent)]
    Save(#[from] SaveError),
}

impl Transfer {
    pub(crate) const fn new(
        id: TransferId,
        link: Link,
        commands: mpsc::UnboundedSender<Command>,
        events: mpsc::UnboundedReceiver<TransferEvent>,
    ) -> Self {
        Self {
            id,
            link,
            commands,
            events,
        }
    }

    /// What others fetch the file with.
    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// The next event; `None` when the node was stopped.
    pub async fn event(&mut self) -> Option<TransferEvent> {
        self.events.recv().await
    }

    /// Where the transfer is; `None` when it failed or the node was stopped.
    pub async fn progress(&self) -> Option<Progress> {
        let (reply, answer) = oneshot::channel();
        let transfer = self.id;
        let _ = self.commands.send(Command::Progress { transfer, reply });
        answer.await.ok().flatten()
    }

    /// Offers the blobs to peers that keep such, once the transfer is complete,
    /// until so many proved that they hold each.
    pub fn push(&self, copies: u8) {
        let transfer = self.id;
        self.tell(Input::Push { transfer, copies });
    }

    /// Fetches in another order from now on.
    pub fn prioritise(&self, order: Order) {
        let transfer = self.id;
        self.tell(Input::Prioritise { transfer, order });
    }

    /// Fetches nothing until [`Transfer::resume`].
    pub fn pause(&self) {
        self.tell(Input::Pause { transfer: self.id });
    }

    /// Fetches again.
    pub fn resume(&self) {
        self.tell(Input::Resume { transfer: self.id });
    }

    fn tell(&self, input: Input) {
        // A node that was stopped fetches nothing, which its events say.
        let _ = self.commands.send(Command::Input(input));
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Drop(self.id));
    }
}
