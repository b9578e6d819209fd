//! One process at a time in a store.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::error::OpenError;

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
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
                dir: dir.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(OpenError::io(dir, error)),
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
