//! Telling whether a file was touched without reading it.
//!
//! Hashing a blob on every read would cost more than reading it. Instead the
//! index keeps what the file system said when the blob was last verified;
//! while it says the same, nobody wrote to the file.

use std::fs::Metadata;

/// What the file system says about one state of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// Length in bytes.
    pub len: u64,
    /// Nanoseconds since 1970 at the last change.
    pub changed: i64,
    /// Which file it is, so that one put in its place is noticed.
    pub inode: u64,
}

impl Fingerprint {
    /// The change time, unlike the modification time, cannot be set by
    /// programs such as `touch` or `cp -p`.
    #[cfg(unix)]
    pub fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let seconds = metadata.ctime().wrapping_mul(1_000_000_000);
        Self {
            len: metadata.len(),
            changed: seconds.wrapping_add(metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }

    /// Where there is no change time, the modification time has to do.
    #[cfg(not(unix))]
    pub fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().ok();
        let since = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let nanos = since.and_then(|since| i64::try_from(since.as_nanos()).ok());
        Self {
            len: metadata.len(),
            changed: nanos.unwrap_or_default(),
            inode: 0,
        }
    }
}
