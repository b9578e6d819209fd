//! A file into sealed blobs in the store.
//!
//! Chunks are independent: several threads each read, seal and store the next
//! one until the file ends. What is in memory at once is a chunk a thread.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use rand_core::UnwrapErr;
use samara_core::blob::TAG_LEN;
use samara_core::entry::EntryError;
use samara_core::entry::blob::seal_entry;
use samara_core::entry::{OCTET_STREAM, to_file_name};
use samara_core::seal::{SealingKey, seal};
use samara_core::{Blob, BlobId, Chunk, ChunkSize, FileEntry, Link, padding};
use samara_store::{Lease, PinError, PutError, Store};

/// Each has a chunk in memory.
const MAX_THREADS: usize = 32;

/// A file that was ingested.
#[derive(Debug, Clone)]
pub struct Ingested {
    /// What it takes to read the file.
    pub entry: FileEntry,
    /// The short form of the entry.
    pub link: Link,
    /// The blobs put into the store, with their lengths.
    pub blobs: Vec<(BlobId, u32)>,
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
    /// No entry can describe it.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// By the caller's wish.
    #[error("the ingest was stopped")]
    Stopped,
}

/// Cuts the file into chunks, seals them, and puts them into the store, pinned.
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
        put: Mutex::new(Put {
            lease: store.lease(&[]),
            lens: Vec::new(),
        }),
    };
    run.ingest().inspect_err(|_| run.undo())
}

struct Run<'a> {
    store: &'a Store,
    path: &'a Path,
    progress: &'a (dyn Fn(u64) -> ControlFlow<()> + Sync),
    put: Mutex<Put>,
}

/// Blobs of the file. Until all are there and pinned, the lease keeps each
/// from making room for the next.
struct Put {
    lease: Lease,
    /// In the lease's order.
    lens: Vec<u32>,
}

/// The file, read by one thread at a time.
struct Source {
    file: File,
    next: usize,
    size: u64,
    ended: bool,
}

impl Run<'_> {
    fn ingest(&self) -> Result<Ingested, IngestError> {
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
        let cores = thread::available_parallelism().map_or(1, usize::from);
        // Waiting for the disk takes no core.
        let threads = (4 * cores).min(MAX_THREADS);
        let mut chunks = thread::scope(|scope| {
            let work = || self.work(&source);
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let mut chunks = Vec::new();
            for thread in threads {
                chunks.extend(thread.join().expect("sealing does not panic")?);
            }
            Ok::<_, IngestError>(chunks)
        })?;
        chunks.sort_unstable_by_key(|(index, _)| *index);
        let chunks = chunks.into_iter().map(|(_, chunk)| chunk).collect();
        let size = lock(&source).size;
        self.seal_entry(size, chunks)
    }

    fn seal_entry(&self, size: u64, chunks: Vec<Chunk>) -> Result<Ingested, IngestError> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let guess = mime_guess::from_path(self.path).first_raw();
        let mime_type = guess.unwrap_or(OCTET_STREAM);
        let name = to_file_name(&name);
        let entry = FileEntry::new(name, size, mime_type, ChunkSize::MAX, chunks)?;
        let sealed = seal_entry(&entry)?;
        for blob in &sealed.blobs {
            self.put(blob)?;
        }
        let put = lock(&self.put);
        let ids = put.lease.ids();
        self.store.pin(ids)?;
        let blobs = ids.iter().copied().zip(put.lens.iter().copied()).collect();
        Ok(Ingested {
            entry,
            link: sealed.link,
            blobs,
        })
    }

    fn work(&self, source: &Mutex<Source>) -> Result<Vec<(usize, Chunk)>, IngestError> {
        let mut rng = UnwrapErr(getrandom::SysRng);
        let mut chunks = Vec::new();
        loop {
            let next = lock(source)
                .read()
                .map_err(|error| self.unreadable(error))?;
            let Some((index, mut chunk)) = next else {
                return Ok(chunks);
            };
            let len = chunk.len() as u64;
            padding::pad(&mut chunk);
            let (blob, key) = seal(SealingKey::generate(&mut rng), chunk);
            let result = self.put(&blob);
            let stopped = (self.progress)(len).is_break();
            if result.is_err() || stopped {
                lock(source).ended = true;
                result?;
                return Err(IngestError::Stopped);
            }
            let id = blob.id();
            chunks.push((index, Chunk { id, key }));
        }
    }

    fn put(&self, blob: &Blob) -> Result<(), IngestError> {
        let len = u32::try_from(blob.bytes().len()).expect("a blob is about 1 MiB at most");
        {
            let mut put = lock(&self.put);
            put.lease.extend(&[blob.id()]);
            put.lens.push(len);
        }
        self.store.put(blob)?;
        Ok(())
    }

    /// Nobody has the keys of what was put.
    fn undo(&self) {
        if let Err(error) = self.store.remove_all(lock(&self.put).lease.ids()) {
            tracing::warn!(%error, "blobs that nobody can open stay in the store");
        }
    }

    fn unreadable(&self, source: io::Error) -> IngestError {
        let path = self.path.to_owned();
        IngestError::Read { path, source }
    }
}

impl Source {
    /// The next chunk. An empty file has one, so that its entry holds a secret
    /// like any other.
    fn read(&mut self) -> io::Result<Option<(usize, Vec<u8>)>> {
        if self.ended {
            return Ok(None);
        }
        let len = ChunkSize::MAX.len();
        let mut chunk = Vec::with_capacity(padding::padme(len) + TAG_LEN);
        let read = (&self.file).take(len as u64).read_to_end(&mut chunk);
        let read = read.inspect_err(|_| self.ended = true)?;
        self.ended = read < len;
        self.size += read as u64;
        let index = self.next;
        if read == 0 && index > 0 {
            return Ok(None);
        }
        self.next += 1;
        Ok(Some((index, chunk)))
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
        let Ingested { entry, link, blobs } = ingest(&store, &path, &count).unwrap();

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
