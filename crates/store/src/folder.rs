//! The folder a store lives in: there for good, its own, and private.

use std::fs;
use std::io;
use std::path::Path;

use crate::files::{create_dir, sync_dir};

/// Creates the folder and its parents so that a power loss does not take them.
pub(crate) fn create(dir: &Path) -> io::Result<()> {
    let missing: Vec<_> = dir
        .ancestors()
        .take_while(|path| is_missing(path))
        .collect();
    for path in missing.into_iter().rev() {
        create_dir(path)?;
        sync_dir(parent(path))?;
    }
    Ok(())
}

fn is_missing(path: &Path) -> bool {
    // The empty path is the parent of a relative one: the current folder.
    !path.as_os_str().is_empty() && !path.exists()
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Whether somebody else's files are in the folder. A store whose index was
/// deleted still has its `blobs`; a disk of its own has `lost+found`.
pub(crate) fn is_foreign(dir: &Path) -> io::Result<bool> {
    const OURS: [&str; 6] = [
        "blobs",
        "incoming",
        "index.redb",
        "lock",
        "lost+found",
        "unfinished",
    ];
    if dir.join("blobs").is_dir() {
        return Ok(false);
    }
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        if !OURS.iter().any(|ours| name == *ours) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The blobs open nothing by themselves, but which are held is nobody's business.
#[cfg(unix)]
pub(crate) fn make_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let others = 0o077;
    if fs::metadata(dir)?.permissions().mode() & others != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Elsewhere a folder inherits who may enter it.
#[cfg(not(unix))]
pub(crate) fn make_private(_dir: &Path) -> io::Result<()> {
    Ok(())
}
