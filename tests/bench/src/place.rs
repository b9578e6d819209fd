//! Where the measured programs keep their files.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

/// Linux's file system in memory.
const MEMORY: &str = "/dev/shm";

/// A kind of place for files, and the input in it.
pub struct Place {
    pub kind: Kind,
    folder: PathBuf,
    /// The file that is measured with.
    pub input: PathBuf,
    _input: TempDir,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing waits for a disk: what is measured is the work.
    Memory,
    /// What is durable for the user is durable for the baseline too.
    Disk,
}

impl Place {
    /// The memory file system, with an input of so many MiB.
    pub fn memory(mebibytes: usize) -> anyhow::Result<Self> {
        let missing = || {
            format!(
                "{MEMORY} is not there: without a file system in memory these rows would measure the disk"
            )
        };
        Self::new(Kind::Memory, Path::new(MEMORY), mebibytes).with_context(missing)
    }

    /// The disk that the workspace is built on.
    pub fn disk(mebibytes: usize) -> anyhow::Result<Self> {
        let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        Self::new(Kind::Disk, Path::new(&target), mebibytes)
    }

    fn new(kind: Kind, folder: &Path, mebibytes: usize) -> anyhow::Result<Self> {
        let input = tempfile::tempdir_in(folder)?;
        Ok(Self {
            kind,
            folder: folder.to_owned(),
            input: crate::input::file(input.path(), mebibytes)?,
            _input: input,
        })
    }

    /// An empty folder, gone with its scope.
    pub fn folder(&self) -> anyhow::Result<TempDir> {
        Ok(tempfile::tempdir_in(&self.folder)?)
    }

    pub fn bytes(&self) -> anyhow::Result<u64> {
        Ok(self.input.metadata()?.len())
    }
}
