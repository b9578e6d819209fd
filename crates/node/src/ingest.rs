//! A file into sealed blobs in the store.
//!
//! Chunks are independent: a thread for each core reads, seals and puts the
//! next one until the file ends, into the same memory every time. What they
//! put is synced beside them, so that little is left at the end. What is in
//! memory at once is a chunk a thread.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use rand_core::UnwrapErr;
use samara_core::blob::TAG_LEN;
use samara_core::entry::EntryError;
use samara_core::entry::blob::seal_entry;
use samara_core::entry::{OCTET_STREAM, to_file_name};
use samara_core::seal::{SealingKey, seal};
use samara_core::{Blob, BlobId, Chunk, ChunkSize, FileEntry, Link, padding};
use samara_store::{Draft, FlushError, PinError, PutError, Store};

/// Each has a chunk in memory.
const MAX_THREADS: usize = 32;
/// Bytes put between two syncs: a quarter of a second of a disk.
const SYNC_EVERY: u64 = 64 << 20;

/// A file that was ingested, durably.
#[derive(Debug)]
pub struct Ingested {
    /// What it takes to read the file.
    pub entry: FileEntry,
    /// The short form of the entry.
    pub link: Link,
    /// The blobs put into the store, with their lengths.
    pub blobs: Vec<(BlobId, u32)>,
    /// To be finished once the entry or link is where it outlives this
    /// process: without either nobody can ever open the blobs.
    pub draft: Draft,
}

/// A file could not be ingested. Nothing of it stays in the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// The file cannot be read.
    #[error("{path} cannot be read; check the name and the permissions", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder holds no bytes, and a pipe or device may never end.
    #[error("{path} is not a regular file; name one, or save what it gives to a file first", path = path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The store does not take it.
    #[error(transparent)]
    Put(#[from] PutError),
    /// The store cannot keep it from eviction.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The disk does not take it.
    #[error(transparent)]
    Flush(#[from] FlushError),
    /// No entry can describe it.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// By the caller's wish.
    #[error("the ingest was stopped")]
    Stopped,
}

/// Cuts the file into chunks, seals them, and puts them into the store.
/// Blocks. `progress` is told each number of bytes done, by any thread.
pub fn ingest(
    store: &Store,
    path: &Path,
    progress: &(dyn Fn(u64) -> ControlFlow<()> + Sync),
) -> Result<Ingested, IngestError> {
    let run = Run {
        store,
        path,
        progress,
        draft: store.draft()?,
        put: AtomicU64::new(0),
    };
    run.ingest()
}

struct Run<'a> {
    store: &'a Store,
    path: &'a Path,
    progress: &'a (dyn Fn(u64) -> ControlFlow<()> + Sync),
    draft: Draft,
    /// Bytes put so far.
    put: AtomicU64,
}

/// The file, read by one thread at a time.
struct Source {
    file: File,
    next: usize,
    size: u64,
    ended: bool,
}

/// A chunk that was put.
struct Done {
    index: usize,
    chunk: Chunk,
    blob_len: u32,
}

impl Run<'_> {
    fn ingest(self) -> Result<Ingested, IngestError> {
        // Opening a pipe would wait for somebody to write to it.
        let found = std::fs::metadata(self.path).map_err(|source| self.unreadable(source))?;
        if !found.is_file() {
            let path = self.path.to_owned();
            return Err(IngestError::NotAFile { path });
        }
        let file = File::open(self.path).map_err(|source| self.unreadable(source))?;
        let source = Mutex::new(Source {
            file,
            next: 0,
            size: 0,
            ended: false,
        });
        let mut done = self.put_chunks(&source)?;
        done.sort_unstable_by_key(|done| done.index);
        let size = lock(&source).size;
        self.put_entry(size, done)
    }

    fn put_chunks(&self, source: &Mutex<Source>) -> Result<Vec<Done>, IngestError> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let (due, is_due) = mpsc::channel();
        thread::scope(|scope| {
            let syncing = scope.spawn(move || self.sync_when(&is_due, source));
            let threads: Vec<_> = (0..cores.min(MAX_THREADS))
                .map(|_| {
                    let due = due.clone();
                    scope.spawn(move || self.work(source, &due))
                })
                .collect();
            drop(due);
            let mut all = Vec::new();
            for thread in threads {
                all.extend(thread.join().expect("sealing does not panic")?);
            }
            syncing.join().expect("syncing does not panic")?;
            Ok(all)
        })
    }

    fn put_entry(self, size: u64, done: Vec<Done>) -> Result<Ingested, IngestError> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let guess = mime_guess::from_path(self.path).first_raw();
        let mime_type = guess.unwrap_or(OCTET_STREAM);
        let name = to_file_name(&name);
        let mut blobs = Vec::with_capacity(done.len() + 1);
        let mut chunks = Vec::with_capacity(done.len());
        for Done {
            chunk, blob_len, ..
        } in done
        {
            blobs.push((chunk.id, blob_len));
            chunks.push(chunk);
        }
        let entry = FileEntry::new(name, size, mime_type, ChunkSize::MAX, chunks)?;
        let sealed = seal_entry(&entry)?;
        for blob in &sealed.blobs {
            self.draft.put(blob)?;
            blobs.push((blob.id(), len_of(blob)));
        }
        self.store.flush()?;
        Ok(Ingested {
            entry,
            link: sealed.link,
            blobs,
            draft: self.draft,
        })
    }

    fn work(
        &self,
        source: &Mutex<Source>,
        due: &mpsc::Sender<()>,
    ) -> Result<Vec<Done>, IngestError> {
        let mut rng = UnwrapErr(getrandom::SysRng);
        let mut all = Vec::new();
        let len = ChunkSize::MAX.len();
        let mut chunk = Vec::with_capacity(padding::padme(len) + TAG_LEN);
        loop {
            let read = lock(source).read(&mut chunk);
            let Some(index) = read.map_err(|error| self.unreadable(error))? else {
                return Ok(all);
            };
            let len = chunk.len() as u64;
            padding::pad(&mut chunk);
            let (blob, key) = seal(SealingKey::generate(&mut rng), chunk);
            let result = self.draft.put(&blob);
            let stopped = (self.progress)(len).is_break();
            if result.is_err() || stopped {
                lock(source).ended = true;
                result?;
                return Err(IngestError::Stopped);
            }
            let before = self.put.fetch_add(len, Ordering::Relaxed);
            if (before + len) / SYNC_EVERY > before / SYNC_EVERY {
                // A sync that failed says so by itself.
                let _ = due.send(());
            }
            let id = blob.id();
            all.push(Done {
                index,
                chunk: Chunk { id, key },
                blob_len: len_of(&blob),
            });
            // Nobody else has the bytes: this is their memory, not a copy.
            chunk = Vec::from(blob.into_bytes());
        }
    }

    fn sync_when(
        &self,
        is_due: &mpsc::Receiver<()>,
        source: &Mutex<Source>,
    ) -> Result<(), IngestError> {
        while is_due.recv().is_ok() {
            // One sync covers all that is due.
            while is_due.try_recv().is_ok() {}
            self.store
                .sync()
                .inspect_err(|_| lock(source).ended = true)?;
        }
        Ok(())
    }

    fn unreadable(&self, source: io::Error) -> IngestError {
        let path = self.path.to_owned();
        IngestError::Read { path, source }
    }
}

fn len_of(blob: &Blob) -> u32 {
    u32::try_from(blob.bytes().len()).expect("a blob is about 1 MiB at most")
}

impl Source {
    /// Reads the next chunk and says which it is. An empty file has one, so
    /// that its entry holds a secret like any other.
    fn read(&mut self, chunk: &mut Vec<u8>) -> io::Result<Option<usize>> {
        if self.ended {
            return Ok(None);
        }
        // Memory that was used before needs no clearing.
        chunk.resize(ChunkSize::MAX.len(), 0);
        let read = self.fill(chunk).inspect_err(|_| self.ended = true)?;
        chunk.truncate(read);
        self.ended |= read < ChunkSize::MAX.len();
        self.size += read as u64;
        let index = self.next;
        if read == 0 && index > 0 {
            return Ok(None);
        }
        self.next += 1;
        Ok(Some(index))
    }

    /// Reads until `chunk` is full or the file ends.
    fn fill(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < chunk.len() {
            match self.file.read(&mut chunk[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use samara_core::seal::open;
    use samara_store::Options;
    use std::num::NonZeroU64;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn go_on(_: u64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn store(dir: &Path, max_bytes: Option<u64>) -> Store {
        let max_bytes = max_bytes.and_then(NonZeroU64::new);
        Store::open(&dir.join("store"), Options { max_bytes }).unwrap()
    }

    #[test]
    fn an_ingested_file_can_be_put_together_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a film.mkv");
        let bytes: Vec<u8> = (0..=250).cycle().take(5 * (1 << 20) + 3).collect();
        std::fs::write(&path, &bytes).unwrap();
        let store = store(dir.path(), None);
        let done = AtomicU64::new(0);
        let count = |bytes| {
            done.fetch_add(bytes, Ordering::Relaxed);
            ControlFlow::Continue(())
        };
        let ingested = ingest(&store, &path, &count).unwrap();
        ingested.draft.finish().unwrap();
        let (entry, link, blobs) = (ingested.entry, ingested.link, ingested.blobs);

        assert_eq!(done.into_inner(), bytes.len() as u64);
        assert_eq!(
            (entry.name(), entry.size()),
            ("a film.mkv", bytes.len() as u64)
        );
        assert_eq!(entry.link().unwrap(), link);
        let mut joined = Vec::new();
        for (index, chunk) in entry.chunks().iter().enumerate() {
            let blob = store.get(&chunk.id).unwrap().unwrap();
            let chunk = open(&chunk.key, blob.bytes()).unwrap();
            joined.extend_from_slice(&chunk[..entry.chunk_len(index)]);
        }
        assert!(joined == bytes);
        assert!(blobs.iter().all(|(id, _)| store.is_pinned(id)));
        assert_eq!(store.ids().len(), blobs.len());
    }

    #[test]
    fn what_nobody_can_open_does_not_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, vec![1; 3 << 20]).unwrap();
        let store = store(dir.path(), None);
        let ingested = ingest(&store, &path, &go_on).unwrap();
        assert_eq!(store.ids().len(), ingested.blobs.len());
        drop(ingested);
        assert!(store.ids().is_empty());
    }

    #[test]
    fn an_ingest_that_fails_leaves_nothing_in_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, vec![1; 6 << 20]).unwrap();
        let store = store(dir.path(), Some(3 << 20));
        let error = ingest(&store, &path, &go_on).unwrap_err();
        assert!(
            matches!(error, IngestError::Put(PutError::Full { .. })),
            "{error}"
        );
        assert!(store.ids().is_empty());
    }

    #[test]
    fn an_ingest_that_is_stopped_leaves_nothing_in_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, vec![1; 6 << 20]).unwrap();
        let store = store(dir.path(), None);
        let stop = |_| ControlFlow::Break(());
        let error = ingest(&store, &path, &stop).unwrap_err();
        assert!(matches!(error, IngestError::Stopped), "{error}");
        assert!(store.ids().is_empty());
    }
}
