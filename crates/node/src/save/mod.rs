//! A file taking shape out of sight.
//!
//! Chunks are opened and written where they belong as soon as they are
//! verified, in any order, into a hidden file beside the target. Only the
//! complete, durable file gets the target's name. What an interrupted run left
//! of the hidden file is written over: the store, not the file, knows which
//! chunks are there.

mod error;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use samara_core::{BlobId, FileEntry, Link, seal};
use sha2::{Digest as _, Sha256};

use crate::destination::Destination;
pub use error::SaveError;

/// Bytes written between two syncs: some tenths of a second of a fast disk.
const SYNC_EVERY: u64 = 64 << 20;

thread_local! {
    /// Chunks are opened into memory that is there already.
    static CHUNK: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A file that is being put together. All calls but the constructor block on
/// the disk; any number of threads may call at once.
#[derive(Debug)]
pub(crate) struct SaveFile {
    entry: Arc<FileEntry>,
    positions: HashMap<BlobId, u32>,
    target: PathBuf,
    /// Whether `target` may exist.
    replace: bool,
    temporary: PathBuf,
    file: Mutex<Option<Arc<File>>>,
    /// Held by whoever writes.
    writing: Mutex<()>,
    /// Bytes written so far.
    written: AtomicU64,
}

impl SaveFile {
    /// Nothing is opened before the first chunk is written.
    pub fn new(entry: Arc<FileEntry>, link: &Link, destination: &Destination) -> Self {
        let (target, replace) = destination.path_for(&entry);
        let temporary = target.with_file_name(temporary_name(link));
        let chunks = entry.chunks().iter().zip(0..);
        let positions = chunks.map(|(chunk, index)| (chunk.id, index)).collect();
        Self {
            entry,
            positions,
            target,
            replace,
            temporary,
            file: Mutex::new(None),
            writing: Mutex::new(()),
            written: AtomicU64::new(0),
        }
    }

    /// Where the blob's chunk belongs, if it is one of this file's.
    pub fn position(&self, blob: &BlobId) -> Option<u32> {
        self.positions.get(blob).copied()
    }

    /// The file's entry.
    pub fn entry(&self) -> &FileEntry {
        &self.entry
    }

    /// Opens a verified blob and writes its chunk.
    pub fn write(&self, index: u32, blob: &[u8]) -> Result<(), SaveError> {
        let file = self.file()?;
        let position = index as usize;
        let forged = SaveError::Forged { index };
        let Some(chunk) = self.entry.chunks().get(position) else {
            return Err(forged);
        };
        CHUNK.with_borrow_mut(|plain| {
            let opened = seal::open_into(&chunk.key, blob, plain);
            let len = self.entry.chunk_len(position);
            let (Ok(()), Some(bytes)) = (opened, plain.get(..len)) else {
                return Err(forged);
            };
            let offset = u64::from(index) * u64::from(self.entry.chunk_size().get());
            let written = self.write_at(&file, bytes, offset);
            let synced = written.and_then(|()| self.sync_some(&file, len));
            synced.map_err(|source| self.failed(source))
        })
    }

    /// One thread at a time: the system lets no more write to a file at once,
    /// and has a second one spin where this has it sleep.
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        write_at(file, bytes, offset)
    }

    /// Has the disk work while chunks still come, instead of all at the end.
    fn sync_some(&self, file: &File, len: usize) -> io::Result<()> {
        let before = self.written.fetch_add(len as u64, Ordering::Relaxed);
        let due = (before + len as u64) / SYNC_EVERY > before / SYNC_EVERY;
        if due { file.sync_data() } else { Ok(()) }
    }

    /// Makes the file durable and gives it its name. Every chunk must have
    /// been written.
    pub fn finish(&self) -> Result<PathBuf, SaveError> {
        let file = self.file()?;
        let finished = file
            .sync_all()
            .and_then(|()| self.rename())
            .and_then(|()| sync_folder(&self.target));
        match finished {
            Ok(()) => {
                // Nothing is left for the drop to remove.
                *self.lock() = None;
                Ok(self.target.clone())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(self.exists()),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn rename(&self) -> io::Result<()> {
        if !self.replace && self.target.try_exists()? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::rename(&self.temporary, &self.target)
    }

    fn file(&self) -> Result<Arc<File>, SaveError> {
        let mut file = self.lock();
        if let Some(file) = &*file {
            return Ok(Arc::clone(file));
        }
        if !self.replace && self.target.exists() {
            return Err(self.exists());
        }
        let opened = self.open()?;
        Ok(Arc::clone(file.insert(Arc::new(opened))))
    }

    fn open(&self) -> Result<File, SaveError> {
        let failed = |source| self.failed(source);
        // Nobody's symbolic link is followed.
        if let Ok(found) = fs::symlink_metadata(&self.temporary)
            && !found.is_file()
        {
            return Err(failed(io::ErrorKind::AlreadyExists.into()));
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let file = options.open(&self.temporary).map_err(failed)?;
        match file.try_lock() {
            // Some network file systems have no locks; then nothing warns of a second fetch.
            Ok(()) | Err(TryLockError::Error(_)) => {}
            Err(TryLockError::WouldBlock) => {
                let path = self.target.clone();
                return Err(SaveError::Busy { path });
            }
        }
        file.set_len(self.entry.size()).map_err(failed)?;
        Ok(file)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<File>>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, source: io::Error) -> SaveError {
        SaveError::io(&self.target, source)
    }

    fn exists(&self) -> SaveError {
        let path = self.target.clone();
        SaveError::Exists { path }
    }
}

impl Drop for SaveFile {
    fn drop(&mut self) {
        if self.lock().take().is_some() {
            // The chunks are in the store; a file that stays is written over by the next run.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// The same at every run, so that nothing piles up; says nothing about the
/// file, and fits beside a target with the longest name.
fn temporary_name(link: &Link) -> String {
    let digest = Sha256::digest(link.id.as_bytes());
    let digits: String = digest[..8]
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect();
    format!(".samara-{digits}.part")
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        bytes = &bytes[written..];
        offset += written as u64;
    }
    Ok(())
}

/// Makes a file's name durable.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// Elsewhere folders cannot be synced by themselves; NTFS journals them.
#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}
