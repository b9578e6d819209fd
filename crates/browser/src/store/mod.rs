//! Keeps blobs in `IndexedDB`, within a limit.
//!
//! Several tabs of one origin work on the same database at once. That is safe
//! because a blob's name is its hash: two tabs that put the same blob put the
//! same bytes, and each transaction is atomic. Tabs tell each other what they
//! stored, used and evicted, see [`tabs`]; one that misses such a message
//! finds out when it reads the blob. A tab evicts only what none of its own
//! transfers needs; what other tabs use is recently used, so it goes last.

mod database;
mod error;
mod index;
mod ledger;
mod tabs;
mod wants;
mod writer;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use futures_channel::oneshot;
use samara_core::{Blob, BlobId, PeerId, PeerSecret};
use samara_swarm::Traffic;

use self::database::Database;
pub(crate) use self::error::{OpenStoreError, PutError, ReadError};
use self::index::{Index, LastUse};
pub(crate) use self::ledger::Account;
use self::tabs::Tabs;
pub(crate) use self::wants::Want;
use self::writer::Job;
use crate::buffer;
use crate::number::whole;

/// What is in the store now that was not, and the other way round.
#[derive(Default)]
pub(crate) struct Change {
    pub held: Vec<(BlobId, u32)>,
    pub gone: Vec<BlobId>,
}

/// A handle to the store; clones are the same store.
#[derive(Clone)]
pub(crate) struct Store(Rc<Inner>);

struct Inner {
    database: Database,
    index: RefCell<Index>,
    /// Most bytes to keep. Falls when the browser gives less than thought.
    limit: Cell<u64>,
    jobs: RefCell<VecDeque<Job>>,
    writing: Cell<bool>,
    tabs: Tabs,
    on_change: RefCell<Option<OnChange>>,
}

type OnChange = Rc<dyn Fn(Change)>;

/// Resolves when a blob is in the database for good.
pub(crate) type Put = oneshot::Receiver<Result<(), PutError>>;

impl Store {
    /// Opens the database of this name and reads its index.
    pub async fn open(name: &str, limit: u64) -> Result<Self, OpenStoreError> {
        let database = Database::open(name).await?;
        let mut index = Index::default();
        // The other tabs are listened to before the index is read, so that
        // nothing happens in between.
        let tabs = Tabs::open(name)?;
        for (blob, record) in database.records().await? {
            index.insert(blob, record);
        }
        let store = Self(Rc::new(Inner {
            database,
            index: RefCell::new(index),
            limit: Cell::new(limit),
            jobs: RefCell::default(),
            writing: Cell::new(false),
            tabs,
            on_change: RefCell::new(None),
        }));
        store.listen();
        Ok(store)
    }

    /// This profile's identity; `fresh` becomes it in a new database.
    pub async fn identity(&self, fresh: PeerSecret) -> Result<PeerSecret, OpenStoreError> {
        self.0.database.identity(fresh).await
    }

    /// Throws this profile's identity away; `fresh` takes its place.
    pub async fn replace_identity(&self, fresh: &PeerSecret) -> Result<(), PutError> {
        Ok(self.0.database.replace_identity(fresh).await?)
    }

    /// Adds to the ledger.
    pub async fn count(&self, more: &[(PeerId, Traffic)]) -> Result<(), PutError> {
        if more.is_empty() {
            return Ok(());
        }
        Ok(self.0.database.add(more, use_now()).await?)
    }

    /// The ledger, the peers with the most bytes first.
    pub async fn accounts(&self) -> Result<Vec<Account>, PutError> {
        let mut accounts = self.0.database.accounts().await?;
        let bytes = |account: &Account| {
            let Traffic { sent, received } = account.traffic;
            sent.saturating_add(received)
        };
        accounts.sort_by_key(|account| std::cmp::Reverse(bytes(account)));
        Ok(accounts)
    }

    /// What was wanted for others when it was last written down.
    pub async fn wants(&self) -> Result<Vec<Want>, PutError> {
        Ok(self.0.database.wants().await?)
    }

    /// Writes down what is wanted for others now.
    pub async fn replace_wants(&self, wants: &[Want]) -> Result<(), PutError> {
        self.0.database.replace_wants(wants).await
    }

    /// Calls back when blobs are evicted here, or come or go by other tabs.
    pub fn on_change(&self, callback: impl Fn(Change) + 'static) {
        *self.0.on_change.borrow_mut() = Some(Rc::new(callback));
    }

    /// All blobs, with their lengths.
    pub fn blobs(&self) -> Vec<(BlobId, u32)> {
        self.0.index.borrow().blobs().collect()
    }

    /// Bytes of all blobs.
    pub fn total(&self) -> u64 {
        self.0.index.borrow().total()
    }

    /// Puts a blob, together with others that come while a transaction runs.
    pub fn put(&self, blob: Blob) -> Put {
        let (done, put) = oneshot::channel();
        self.enqueue(Job::Put(blob, done));
        put
    }

    /// Reads a blob. One that is gone is forgotten; one that the database
    /// fails to read may be there the next time.
    pub async fn get(&self, blob: BlobId) -> Result<Bytes, ReadError> {
        let read = match self.0.database.get(blob).await {
            Ok(read) => read,
            Err(_) => self.0.database.get(blob).await?,
        };
        if let Some(bytes) = read {
            return Ok(buffer::take(&bytes.buffer()));
        }
        self.0.index.borrow_mut().remove(&blob);
        Err(ReadError::Lost)
    }

    /// Keeps blobs from eviction, those to come as well, and notes their use.
    pub fn pin(&self, blobs: &[BlobId]) {
        let held: Vec<_> = {
            let mut index = self.0.index.borrow_mut();
            for blob in blobs {
                index.pin(*blob);
            }
            blobs
                .iter()
                .filter(|b| index.contains(b))
                .copied()
                .collect()
        };
        for blob in held {
            self.enqueue(Job::Touch(blob));
        }
    }

    /// Takes back what [`Store::pin`] did.
    pub fn unpin(&self, blobs: &[BlobId]) {
        let mut index = self.0.index.borrow_mut();
        for blob in blobs {
            index.unpin(blob);
        }
    }

    /// Removes blobs nobody can ever open.
    pub fn remove(&self, blobs: &[BlobId]) {
        for blob in blobs {
            self.enqueue(Job::Remove(*blob));
        }
    }

    /// Closes the database once everything under way is written.
    pub fn close(&self) {
        *self.0.on_change.borrow_mut() = None;
        self.0.tabs.close();
        self.0.database.close();
    }

    /// Takes in what other tabs tell.
    fn listen(&self) {
        let inner = Rc::downgrade(&self.0);
        self.0.tabs.on_told(move |told| {
            let Some(inner) = inner.upgrade() else {
                return;
            };
            let mut change = Change::default();
            {
                let mut index = inner.index.borrow_mut();
                for (blob, record) in told.records {
                    if !index.contains(&blob) {
                        change.held.push((blob, record.len));
                    }
                    index.insert(blob, record);
                }
                for blob in &told.gone {
                    index.remove(blob);
                }
                change.gone = told.gone;
            }
            inner.tell(change);
        });
    }
}

impl Inner {
    fn tell(&self, change: Change) {
        let callback = self.on_change.borrow().clone();
        if let Some(callback) = callback
            && !(change.held.is_empty() && change.gone.is_empty())
        {
            callback(change);
        }
    }
}

fn use_now() -> LastUse {
    LastUse(whole(js_sys::Date::now()))
}
