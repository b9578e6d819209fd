//! Which blobs an unfinished [`crate::Draft`] has put, on disk: what a killed
//! process cannot take back, the next open does.
//!
//! A journal is a file of ids, one after another. It may name blobs that never
//! came to be, and the last id may be cut short; then its blob was never
//! written.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use samara_core::BlobId;

use crate::files::{create_dir, sync_dir};

/// The folder of journals.
#[derive(Debug)]
pub(crate) struct Journals {
    dir: PathBuf,
    next_name: AtomicU64,
    open: Mutex<Vec<Weak<Journal>>>,
}

/// One draft's journal.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
}

impl Journals {
    pub fn open(store: &Path) -> io::Result<Self> {
        let dir = store.join("unfinished");
        if create_dir(&dir)? {
            sync_dir(store)?;
        }
        Ok(Self {
            dir,
            next_name: AtomicU64::new(0),
            open: Mutex::default(),
        })
    }

    /// The blobs that journals of earlier processes name.
    pub fn left(&self) -> io::Result<BTreeSet<BlobId>> {
        let mut ids = BTreeSet::new();
        for path in self.paths()? {
            let bytes = fs::read(path)?;
            let (whole, _) = bytes.as_chunks::<{ BlobId::LEN }>();
            ids.extend(whole.iter().map(|id| BlobId::from_bytes(*id)));
        }
        Ok(ids)
    }

    /// Forgets the journals of earlier processes.
    pub fn clear(&self) -> io::Result<()> {
        self.paths()?.iter().try_for_each(fs::remove_file)
    }

    pub fn begin(&self) -> io::Result<Arc<Journal>> {
        let name = self.next_name.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(name.to_string());
        let mut options = OpenOptions::new();
        let file = options.append(true).create_new(true).open(&path)?;
        let journal = Arc::new(Journal { file, path });
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|other| other.strong_count() > 0);
        open.push(Arc::downgrade(&journal));
        Ok(journal)
    }

    /// Makes durable what the journals say. Called before the blobs they name
    /// become durable, so that a power cut leaves none of those unnamed.
    pub fn sync(&self) -> io::Result<()> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let open: Vec<_> = open.iter().filter_map(Weak::upgrade).collect();
        if open.is_empty() {
            return Ok(());
        }
        open.iter()
            .try_for_each(|journal| journal.file.sync_all())?;
        sync_dir(&self.dir)
    }

    fn paths(&self) -> io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&self.dir)?;
        entries.map(|entry| Ok(entry?.path())).collect()
    }
}

impl Journal {
    /// Names a blob that is about to be put.
    pub fn add(&self, id: BlobId) -> io::Result<()> {
        (&self.file).write_all(id.as_bytes())
    }

    /// What it names is finished, or gone.
    pub fn end(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}
