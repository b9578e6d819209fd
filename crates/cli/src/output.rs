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

/// Writes an entry. A file appears whole or not at all, readable by its owner
/// only: an entry opens a file.
pub fn write_secret(output: Output, text: &str) -> Result<(), Failure> {
    match output {
        Output::Save(Destination::File(path)) => replace_secret(&path, text),
        Output::Save(Destination::Folder(path)) => Err(is_folder(&path)),
        Output::Stream(mut stream) => {
            let written = stream.write_all(text.as_bytes());
            let written = written.and_then(|()| stream.write_all(b"\n"));
            let written = written.and_then(|()| stream.flush());
            written.map_err(|error| unwritable(Path::new("the entry"), &error))
        }
    }
}

/// Where an entry goes: a file, a device or pipe, or standard output.
pub fn for_secret(path: &Path) -> Result<Output, Failure> {
    match Output::of(path)? {
        Output::Save(Destination::Folder(path)) => Err(is_folder(&path)),
        output => Ok(output),
    }
}

fn is_folder(path: &Path) -> Failure {
    let message = format!("{} is a folder; name a file in it", path.display());
    Failure::new(Code::Other, message)
}

fn replace_secret(path: &Path, text: &str) -> Result<(), Failure> {
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
    let path = path.display();
    let why = match error.raw_os_error() {
        Some(_) => error.to_string(),
        // Otherwise it names a temporary file, which nobody asked for.
        None => error.kind().to_string(),
    };
    Failure::new(
        Code::of_write(error),
        format!("{path} cannot be written: {why}"),
    )
}
