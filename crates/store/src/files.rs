//! Blob files: written so that a crash leaves none half-written under its
//! name, read in one go.
//!
//! Knows nothing of limits, pins or the index. That no two calls work on the
//! same blob's file at once is the caller's promise.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use samara_core::blob::MAX_BLOB_LEN;
use samara_core::{Blob, BlobId};

use crate::fingerprint::Fingerprint;
use crate::parallel;

/// Syncs under way at once: measured on ext4, sixteen take 0.6 times as long as
/// four, since the file system settles what waits together.
const SYNCERS: usize = 16;

#[derive(Debug)]
pub(crate) struct Files {
    blobs: PathBuf,
    incoming: PathBuf,
    next_name: AtomicU64,
}

/// A blob as read, not yet believed.
pub(crate) struct Found {
    pub bytes: Vec<u8>,
    /// What the file was after the read; nothing that changed it before or
    /// during the read goes unseen.
    pub fingerprint: Fingerprint,
}

/// What checking a file against its name showed.
pub(crate) enum Checked {
    Missing,
    Corrupt,
    /// The blob, and the file's fingerprint if it stood still meanwhile.
    Right(Blob, Option<Fingerprint>),
}

impl Files {
    /// The folders, made if they are missing; leaves no incoming file.
    /// Returns how many of those a crash had left.
    pub fn open(dir: &Path) -> io::Result<(Self, u64)> {
        let files = Self {
            blobs: dir.join("blobs"),
            incoming: dir.join("incoming"),
            next_name: AtomicU64::new(0),
        };
        create_dir(&files.incoming)?;
        create_dir(&files.blobs)?;
        let mut made = false;
        for shard in 0..=u8::MAX {
            made |= create_dir(&files.shard(shard))?;
        }
        if made {
            sync_dir(&files.blobs)?;
            sync_dir(dir)?;
        }
        let left = files.empty_incoming()?;
        Ok((files, left))
    }

    /// A path for a file under construction; emptied by the next open.
    pub fn incoming_path(&self) -> PathBuf {
        let name = self.next_name.fetch_add(1, Ordering::Relaxed);
        self.incoming.join(name.to_string())
    }

    /// Writes all these blobs, or leaves none of their files. Each file is whole
    /// when it gets its name, as far as a kill of the process goes; it outlives
    /// a power cut after [`Files::sync_all`]. With `whole_after_power_cut` it is
    /// whole or not there even then.
    pub fn write(
        &self,
        blobs: &[&Blob],
        whole_after_power_cut: impl Fn(&BlobId) -> bool,
    ) -> io::Result<Vec<Fingerprint>> {
        let write = |blob: &&Blob| self.write_one(blob, whole_after_power_cut(&blob.id()));
        let written = blobs.iter().map(write).collect();
        if io::Result::is_err(&written) {
            for blob in blobs {
                // The write's error matters more; the next open finds what stays.
                let _ = self.remove(&blob.id());
            }
        }
        written
    }

    fn write_one(&self, blob: &Blob, sync: bool) -> io::Result<Fingerprint> {
        let mut incoming = Incoming::create(self.incoming_path())?;
        incoming.file.write_all(blob.bytes())?;
        if sync {
            incoming.file.sync_data()?;
        }
        incoming.rename(&self.path(&blob.id()))?;
        Ok(Fingerprint::of(&incoming.file.metadata()?))
    }

    /// Makes these blobs durable: their files, then the folders that name them.
    /// Returns those whose bytes did not reach the disk.
    pub fn sync_all(&self, ids: &[BlobId]) -> io::Result<Vec<(BlobId, io::Error)>> {
        let sync = |id: &BlobId| io::Result::Ok(self.sync(id).err().map(|error| (*id, error)));
        let lost = parallel::try_map(ids, SYNCERS, sync)?;
        self.sync_shards(ids.iter().copied())?;
        Ok(lost.into_iter().flatten().collect())
    }

    /// A file that is gone needs no sync.
    fn sync(&self, id: &BlobId) -> io::Result<()> {
        // Windows flushes only what is open for writing.
        let file = OpenOptions::new().write(true).open(self.path(id));
        none_if_missing(file)?.map_or(Ok(()), |file| file.sync_data())
    }

    /// Makes durable which files the folders of these blobs hold.
    pub fn sync_shards(&self, ids: impl Iterator<Item = BlobId>) -> io::Result<()> {
        let mut shards: Vec<u8> = ids.map(|id| id.as_bytes()[0]).collect();
        shards.sort_unstable();
        shards.dedup();
        parallel::try_map(&shards, SYNCERS, |shard| sync_dir(&self.shard(*shard)))?;
        Ok(())
    }

    /// Reads `len` bytes of a blob's file; fewer if it is shorter.
    pub fn read(&self, id: &BlobId, len: u64) -> io::Result<Option<Found>> {
        let Some(file) = self.open_blob(id)? else {
            return Ok(None);
        };
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(MAX_BLOB_LEN));
        (&file).take(len).read_to_end(&mut bytes)?;
        let fingerprint = Fingerprint::of(&file.metadata()?);
        Ok(Some(Found { bytes, fingerprint }))
    }

    /// Hashes a blob's file.
    pub fn check(&self, id: &BlobId) -> io::Result<Checked> {
        let Some(file) = self.open_blob(id)? else {
            return Ok(Checked::Missing);
        };
        let before = Fingerprint::of(&file.metadata()?);
        if before.len > MAX_BLOB_LEN as u64 {
            return Ok(Checked::Corrupt);
        }
        let Some(Found { bytes, fingerprint }) = self.read(id, before.len)? else {
            return Ok(Checked::Missing);
        };
        Ok(match Blob::verify(*id, Bytes::from(bytes)) {
            Ok(blob) => Checked::Right(blob, (before == fingerprint).then_some(fingerprint)),
            Err(_) => Checked::Corrupt,
        })
    }

    /// Removes a blob's file; true if there was one.
    pub fn remove(&self, id: &BlobId) -> io::Result<bool> {
        Ok(none_if_missing(fs::remove_file(self.path(id)))?.is_some())
    }

    /// What a blob's file is now, without reading it.
    pub fn fingerprint(&self, id: &BlobId) -> io::Result<Option<Fingerprint>> {
        let metadata = none_if_missing(fs::metadata(self.path(id)))?;
        Ok(metadata.map(|metadata| Fingerprint::of(&metadata)))
    }

    /// The names of all blob files, in order. Files with other names are not
    /// ours and are left alone.
    pub fn ids(&self) -> io::Result<Vec<BlobId>> {
        let mut ids = Vec::new();
        for shard in 0..=u8::MAX {
            for entry in fs::read_dir(self.shard(shard))? {
                let entry = entry?;
                let name = entry.file_name();
                let id = name.to_str().and_then(|name| name.parse::<BlobId>().ok());
                let id = id.filter(|id| id.as_bytes()[0] == shard);
                if entry.file_type()?.is_file() {
                    ids.extend(id);
                }
            }
        }
        ids.sort_unstable();
        Ok(ids)
    }

    fn empty_incoming(&self) -> io::Result<u64> {
        let mut removed = 0;
        for entry in fs::read_dir(&self.incoming)? {
            fs::remove_file(entry?.path())?;
            removed += 1;
        }
        Ok(removed)
    }

    fn open_blob(&self, id: &BlobId) -> io::Result<Option<File>> {
        none_if_missing(File::open(self.path(id)))
    }

    fn path(&self, id: &BlobId) -> PathBuf {
        let mut path = self.shard(id.as_bytes()[0]);
        path.push(id.to_string());
        path
    }

    fn shard(&self, shard: u8) -> PathBuf {
        self.blobs.join(format!("{shard:02x}"))
    }
}

/// A file under construction, gone unless it is renamed.
struct Incoming {
    file: File,
    path: Option<PathBuf>,
}

impl Incoming {
    fn create(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        Ok(Self {
            file,
            path: Some(path),
        })
    }

    fn rename(&mut self, to: &Path) -> io::Result<()> {
        if let Some(path) = &self.path {
            fs::rename(path, to)?;
        }
        self.path = None;
        Ok(())
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // The next open removes what stays.
            let _ = fs::remove_file(path);
        }
    }
}

/// Creates a folder only its owner may enter. True if it was not there.
pub(crate) fn create_dir(path: &Path) -> io::Result<bool> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes durable which files a folder holds.
#[cfg(unix)]
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Elsewhere folders cannot be synced by themselves; NTFS journals them.
#[cfg(not(unix))]
pub(crate) fn sync_dir(_path: &Path) -> io::Result<()> {
    Ok(())
}

fn none_if_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
