//! Which store a command works on.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use samara_store::{Options, Store};

use crate::exit::{Code, Failure};

/// The folder asked for, or this platform's.
pub fn folder(asked: Option<PathBuf>) -> Result<PathBuf, Failure> {
    folder_named("store", asked)
}

/// A relay's, apart from the user's own: a store belongs to one process.
pub fn relay_folder(asked: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let dir = folder_named("relay", asked)?;
    make_parent(&dir)?;
    Ok(dir)
}

fn folder_named(name: &str, asked: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let default = || ProjectDirs::from("", "", "samara").map(|dirs| dirs.data_dir().join(name));
    asked.or_else(default).ok_or_else(|| {
        let message = "this user has no home folder to keep a store in; name one with --store";
        Failure::new(Code::Usage, message)
    })
}

/// Opens the store, made if it is missing, with the folders around it.
pub fn open(
    asked: Option<PathBuf>,
    max_bytes: Option<NonZeroU64>,
) -> Result<(Store, PathBuf), Failure> {
    let dir = folder(asked)?;
    make_parent(&dir)?;
    let store = Store::open(&dir, Options { max_bytes })?;
    Ok((store, dir))
}

fn make_parent(dir: &Path) -> Result<(), Failure> {
    let Some(parent) = dir.parent() else {
        return Ok(());
    };
    std::fs::create_dir_all(parent).map_err(|error| {
        let message = format!("the folder {} cannot be made: {error}", parent.display());
        Failure::new(Code::Other, message)
    })
}
