//! The browser the tests run in; nothing else needs one.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, bail};

use super::apt;
use crate::process;

/// Names a Chromium comes under.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];
/// Overrides the search.
const VARIABLE: &str = "SAMARA_CHROMIUM";

/// The Chromium to test with, if there is one.
pub fn find() -> anyhow::Result<Option<PathBuf>> {
    let Some(chosen) = env::var_os(VARIABLE).map(PathBuf::from) else {
        return Ok(NAMES.into_iter().find_map(process::find));
    };
    if chosen.is_file() {
        Ok(Some(chosen))
    } else {
        bail!(
            "{VARIABLE} names {}, which does not exist",
            chosen.display()
        )
    }
}

/// The Chromium to test with, installed if there is none.
pub fn find_or_install() -> anyhow::Result<PathBuf> {
    if let Some(found) = find()? {
        return Ok(found);
    }
    apt::install(&["chromium"])
        .with_context(|| format!("there is no Chromium for the tests ({VARIABLE} can name one)"))?;
    find()?.context("Chromium was installed but is not on the search path")
}
