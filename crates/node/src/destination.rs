//! Where a fetched file goes.

use std::io;
use std::path::{Path, PathBuf};

use samara_core::FileEntry;

/// Where a fetched file goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Destination {
    /// Under this very name; what has the name already is replaced.
    File(PathBuf),
    /// Into this folder, under the name in the entry. That name is a
    /// stranger's choice, so it replaces nothing.
    Folder(PathBuf),
}

/// A path is no place for a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DestinationError {
    /// The folder is missing.
    #[error("there is no folder {path}; create it or choose another", path = path.display())]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A device or pipe cannot be replaced by a file.
    #[error("{path} is neither a file nor a folder; choose another name", path = path.display())]
    Special {
        /// The path.
        path: PathBuf,
    },
    /// To replace the link, or to make what it leads to, is a guess.
    #[error("{path} is a link to nothing; remove it or choose another name", path = path.display())]
    Dangling {
        /// The link.
        path: PathBuf,
    },
    /// The system does not say what is there.
    #[error("{path} cannot be looked at; check the permissions", path = path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Destination {
    /// What `path` means: a folder if there is one or it ends in a separator,
    /// else a file.
    pub fn of(path: &Path) -> Result<Self, DestinationError> {
        match path.canonicalize() {
            Ok(found) if found.is_dir() => Ok(Self::Folder(found)),
            // The file a symbolic link leads to is replaced, not the link.
            Ok(found) if found.is_file() => Ok(Self::File(found)),
            Ok(_) => Err(DestinationError::Special {
                path: path.to_owned(),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if path.is_symlink() {
                    return Err(DestinationError::Dangling {
                        path: path.to_owned(),
                    });
                }
                Self::of_new(path)
            }
            Err(source) => Err(DestinationError::Unreadable {
                path: path.to_owned(),
                source,
            }),
        }
    }

    fn of_new(path: &Path) -> Result<Self, DestinationError> {
        let text = path.as_os_str().as_encoded_bytes();
        let separator = |byte: &u8| std::path::is_separator(char::from(*byte));
        let parent = match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => path,
        };
        let (true, false) = (parent.is_dir(), text.last().is_some_and(separator)) else {
            let folder = if parent.is_dir() { path } else { parent };
            return Err(DestinationError::NoFolder {
                path: folder.to_owned(),
            });
        };
        Ok(Self::File(path.to_owned()))
    }

    /// The file's path once its entry is known, and whether it may replace
    /// what is there.
    pub(crate) fn path_for(&self, entry: &FileEntry) -> (PathBuf, bool) {
        match self {
            Self::File(path) => (path.clone(), true),
            Self::Folder(path) => (path.join(entry.name()), false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().canonicalize().unwrap();
        assert_eq!(
            Destination::of(&at).unwrap(),
            Destination::Folder(at.clone())
        );
        let new = at.join("new");
        assert_eq!(
            Destination::of(&new).unwrap(),
            Destination::File(new.clone())
        );
        for missing in ["none/", "none/file"] {
            let error = Destination::of(&at.join(missing)).unwrap_err();
            assert!(
                matches!(error, DestinationError::NoFolder { .. }),
                "{missing}"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_not_replaced_by_a_file() {
        let error = Destination::of(Path::new("/dev/null")).unwrap_err();
        assert!(matches!(error, DestinationError::Special { .. }));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_behind_a_symbolic_link_is_meant() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().canonicalize().unwrap();
        std::fs::write(at.join("file"), "").unwrap();
        std::os::unix::fs::symlink(at.join("file"), at.join("link")).unwrap();
        let found = Destination::of(&at.join("link")).unwrap();
        assert_eq!(found, Destination::File(at.join("file")));
        std::fs::remove_file(at.join("file")).unwrap();
        let error = Destination::of(&at.join("link")).unwrap_err();
        assert!(matches!(error, DestinationError::Dangling { .. }));
    }
}
