//! The browsers the tests run in; nothing else needs one.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, bail};

use super::apt;
use crate::process;

/// A browser of the tests.
#[derive(Clone, Copy)]
pub struct Browser {
    /// For people.
    pub name: &'static str,
    /// Names it comes under.
    programs: &'static [&'static str],
    /// Overrides the search, and tells the tests what was found.
    pub variable: &'static str,
    /// Debian's package.
    package: &'static str,
}

pub const CHROMIUM: Browser = Browser {
    name: "chromium",
    programs: &[
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ],
    variable: "SAMARA_CHROMIUM",
    package: "chromium",
};

pub const FIREFOX: Browser = Browser {
    name: "firefox",
    programs: &["firefox-esr", "firefox"],
    variable: "SAMARA_FIREFOX",
    package: "firefox-esr",
};

impl Browser {
    /// The program, which set-up has seen to.
    pub fn found(&self) -> anyhow::Result<PathBuf> {
        let name = self.name;
        self.find()?
            .with_context(|| format!("set-up has found {name} and lost it"))
    }

    /// The program, installed if there is none.
    pub fn find_or_install(&self) -> anyhow::Result<PathBuf> {
        if let Some(found) = self.find()? {
            return Ok(found);
        }
        let Self { name, variable, .. } = self;
        apt::install(&[self.package]).with_context(|| {
            format!("there is no {name} for the tests ({variable} can name one)")
        })?;
        self.find()?
            .with_context(|| format!("{name} was installed but is not on the search path"))
    }

    fn find(&self) -> anyhow::Result<Option<PathBuf>> {
        let variable = self.variable;
        let Some(chosen) = env::var_os(variable).map(PathBuf::from) else {
            return Ok(self.programs.iter().copied().find_map(process::find));
        };
        if chosen.is_file() {
            Ok(Some(chosen))
        } else {
            bail!(
                "{variable} names {}, which does not exist",
                chosen.display()
            )
        }
    }
}
