//! Files in the store's folder: there as a whole or not at all, and for their
//! owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// What a file is to outlast once it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outlasts {
    /// The process that wrote it.
    Process,
    /// A power cut too.
    PowerCut,
}

/// Writes the file anew. Nobody else writes it meanwhile: the store's lock
/// keeps others away.
pub(crate) fn replace(path: &Path, bytes: &[u8], outlasts: Outlasts) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = private().open(&new)?;
    file.write_all(bytes)?;
    match outlasts {
        Outlasts::Process => fs::rename(&new, path),
        Outlasts::PowerCut => {
            file.sync_all()?;
            fs::rename(&new, path)?;
            sync_dir(path)
        }
    }
}

#[cfg(unix)]
fn private() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
}

/// The user's folders are private there.
#[cfg(not(unix))]
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    options
}

#[cfg(unix)]
fn sync_dir(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

/// A folder cannot be opened there.
#[cfg(not(unix))]
fn sync_dir(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file.json");
        for outlasts in [Outlasts::Process, Outlasts::PowerCut] {
            replace(&path, b"a long text", outlasts).unwrap();
            replace(&path, b"short", outlasts).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"short");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        replace(&path, b"text", Outlasts::Process).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
