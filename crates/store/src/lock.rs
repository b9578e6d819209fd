//! One process at a time in a store.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::OpenError;

/// Where the process that has the store in `dir` open may say how it is doing,
/// for those it keeps out. What a process left that was killed says nothing any
/// more; it goes when the store is opened next.
pub fn status_in(dir: &Path) -> PathBuf {
    dir.join("status.json")
}

/// How long somebody who only looks at a store may have it open: a command that
/// begins meanwhile waits, instead of failing for it.
const LOOK: Duration = Duration::from_millis(500);

/// Keeps other processes out until it is dropped or the process ends, however
/// it ends.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    pub fn take(dir: &Path) -> Result<Self, OpenError> {
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        let file = options.open(dir.join("lock"));
        let file = file.map_err(|error| OpenError::io(dir, error))?;
        match lock_in_time(&file) {
            Ok(()) => {
                let lock = Self(file);
                match fs::remove_file(status_in(dir)) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        Err(OpenError::io(dir, error))
                    }
                    Ok(()) | Err(_) => Ok(lock),
                }
            }
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
                dir: dir.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(OpenError::io(dir, error)),
        }
    }
}

/// There is no waiting for a lock with a limit but by trying.
fn lock_in_time(file: &File) -> Result<(), TryLockError> {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if start.elapsed() < LOOK => {
                thread::sleep(LOOK / 50);
            }
            result => return result,
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child process that is just being started
        // has the file open too, until it begins its own program.
        let _ = self.0.unlock();
    }
}
