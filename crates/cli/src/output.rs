//! Where a fetched file goes, and what else is written.

use std::fs::OpenOptions;
use std::io::{self, Write, stdout};
use std::path::{Path, PathBuf};

use samara_node::{Destination, DestinationError};

use crate::exit::{Code, Failure};

/// What `-o` means.
pub enum Output {
    /// A file or folder.
    Save(Destination),
    /// In order, as it comes.
    Stream(Box<dyn Write + Send>),
}

impl Output {
    /// `-` is standard output; a device or pipe is written to, not replaced.
    pub fn of(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self::Stream(Box::new(stdout())));
        }
        match Destination::of(path) {
            Ok(destination) => Ok(Self::Save(destination)),
            Err(DestinationError::Special { path }) => {
                let file = OpenOptions::new().write(true).open(&path);
                let file = file.map_err(|error| unwritable(&path, &error))?;
                Ok(Self::Stream(Box::new(file)))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Text on standard output.
pub fn print(text: &str) -> io::Result<()> {
    let mut output = stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}

/// A whole file or none, readable by its owner only: an entry opens a file.
pub fn write_secret(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    };
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|error: io::Error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::Full,
        _ => Code::Other,
    };
    let path = path.display();
    Failure::new(code, format!("{path} cannot be written: {error}"))
}
