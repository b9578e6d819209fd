//! The index: what is known of each blob file, and the pins, in redb.
//!
//! Rows are written in large batches well after the files they speak of, and
//! only ever about files that are durable. A row that is missing or stale
//! costs a hash at the next open or get, never a blob; pins have no second
//! home and are committed before they are acknowledged.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction,
};
use samara_core::BlobId;
use samara_core::blob::MAX_BLOB_LEN;

use crate::catalog::{Held, Use};
use crate::error::IndexError;
use crate::files::{Files, sync_dir};
use crate::fingerprint::Fingerprint;

/// Length, change time, inode, last use.
type Row = (u64, i64, u64, u64);

const BLOBS: TableDefinition<[u8; BlobId::LEN], Row> = TableDefinition::new("blobs");
const PINS: TableDefinition<[u8; BlobId::LEN], ()> = TableDefinition::new("pins");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

const VERSION: u64 = 1;
/// Read once at open and written in sorted batches: a cache pays off little.
const CACHE_BYTES: usize = 8 << 20;

#[derive(Debug)]
pub(crate) struct Index {
    path: PathBuf,
    /// `None` after a failed write: redb refuses to go on after one, so the
    /// next write opens it anew. The store's own lock keeps others out.
    database: Option<Database>,
}

/// Everything an index holds.
pub(crate) struct Contents {
    pub rows: Vec<(BlobId, Held<Fingerprint>)>,
    pub pins: BTreeSet<BlobId>,
}

/// What becomes of a blob's row.
pub(crate) enum Change {
    Write(Held<Fingerprint>),
    Delete,
}

/// What becomes of a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pinning {
    Pin,
    Unpin,
}

/// The index was written by a version that came later.
pub(crate) struct NewerVersion;

impl Index {
    pub fn path_in(dir: &Path) -> PathBuf {
        dir.join("index.redb")
    }

    /// Opens the store's index. A new one appears under its name only when it
    /// is whole: redb does not open what a crash left of one being created.
    pub fn open(dir: &Path, files: &Files) -> Result<Self, IndexError> {
        let path = Self::path_in(dir);
        if !path.try_exists().map_err(redb::Error::Io)? {
            let incoming = files.incoming_path();
            create(&incoming)?;
            fs::rename(&incoming, &path).map_err(redb::Error::Io)?;
            sync_dir(dir).map_err(redb::Error::Io)?;
        }
        let database = Some(builder().open(&path)?);
        Ok(Self { path, database })
    }

    pub fn load(&mut self) -> Result<Result<Contents, NewerVersion>, IndexError> {
        let read = self.database()?.begin_read()?;
        let version = read
            .open_table(META)?
            .get("version")?
            .map(|version| version.value());
        if version != Some(VERSION) {
            return Ok(Err(NewerVersion));
        }
        let mut rows = Vec::new();
        for row in read.open_table(BLOBS)?.iter()? {
            let (id, row) = row?;
            let id = BlobId::from_bytes(id.value());
            rows.extend(held(row.value()).map(|held| (id, held)));
        }
        let mut pins = BTreeSet::new();
        for pin in read.open_table(PINS)?.iter()? {
            pins.insert(BlobId::from_bytes(pin?.0.value()));
        }
        Ok(Ok(Contents { rows, pins }))
    }

    /// Durable when it returns.
    pub fn write_rows(&mut self, changes: &[(BlobId, Change)]) -> Result<(), IndexError> {
        self.commit(|write| {
            let mut table = write.open_table(BLOBS)?;
            for (id, change) in changes {
                match change {
                    Change::Write(Held { len, used, place }) => {
                        table.insert(id.as_bytes(), (*len, place.changed, place.inode, used.0))?;
                    }
                    Change::Delete => {
                        table.remove(id.as_bytes())?;
                    }
                }
            }
            Ok(())
        })
    }

    /// Durable when it returns.
    pub fn write_pins(&mut self, ids: &[BlobId], pinning: Pinning) -> Result<(), IndexError> {
        self.commit(|write| {
            let mut table = write.open_table(PINS)?;
            for id in ids {
                match pinning {
                    Pinning::Pin => table.insert(id.as_bytes(), ())?,
                    Pinning::Unpin => table.remove(id.as_bytes())?,
                };
            }
            Ok(())
        })
    }

    fn commit(
        &mut self,
        change: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), IndexError> {
        let database = self.database()?;
        let result = commit(database, change);
        if result.is_err() {
            self.database = None;
        }
        result
    }

    fn database(&mut self) -> Result<&Database, IndexError> {
        Ok(match &mut self.database {
            Some(database) => database,
            closed @ None => closed.insert(builder().open(&self.path)?),
        })
    }
}

/// A row that no put can have written says nothing of its file.
fn held((len, changed, inode, used): Row) -> Option<Held<Fingerprint>> {
    let plausible = len <= MAX_BLOB_LEN as u64 && used < u64::MAX / 2;
    let place = Fingerprint {
        len,
        changed,
        inode,
    };
    plausible.then_some(Held {
        len,
        used: Use(used),
        place,
    })
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

fn create(path: &Path) -> Result<(), IndexError> {
    commit(&builder().create(path)?, |write| {
        write.open_table(BLOBS)?;
        write.open_table(PINS)?;
        write.open_table(META)?.insert("version", VERSION)?;
        Ok(())
    })
}

fn commit(
    database: &Database,
    change: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
) -> Result<(), IndexError> {
    let write = database.begin_write()?;
    change(&write)?;
    write.commit()?;
    Ok(())
}
