//! One target's inputs: committed ones, ones that failed, ones found here.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::FOLDER;
use crate::process::run;
use crate::workspace::Workspace;

/// The folders of one target.
pub struct Corpus {
    /// Where the fuzzer adds what it finds.
    found: PathBuf,
    committed: PathBuf,
    crashes: PathBuf,
    seeds: PathBuf,
}

/// Where the first inputs of all targets are written.
pub fn seeds(workspace: &Workspace) -> PathBuf {
    workspace.target().join("fuzz/seeds")
}

/// The files in a folder, without their endings.
pub fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into()));
    }
    Ok(names)
}

impl Corpus {
    pub fn of(workspace: &Workspace, target: &str) -> Self {
        let folder = workspace.path(FOLDER);
        Self {
            found: workspace.target().join("fuzz/corpus").join(target),
            committed: folder.join("corpus").join(target),
            crashes: folder.join("crashes").join(target),
            seeds: seeds(workspace).join(target),
        }
    }

    /// All folders with inputs, the one to add to first.
    pub fn folders(&self) -> anyhow::Result<Vec<PathBuf>> {
        for written in [&self.found, &self.crashes] {
            fs::create_dir_all(written)?;
        }
        let others = [&self.committed, &self.crashes, &self.seeds];
        let others = others.into_iter().filter(|folder| folder.is_dir());
        Ok([&self.found].into_iter().chain(others).cloned().collect())
    }

    /// The fuzzer's option that leaves an input that fails beside the corpus.
    pub fn failures(&self) -> OsString {
        // The last separator counts: the rest is the beginning of a file name.
        let mut option = OsString::from("-artifact_prefix=");
        option.push(self.crashes.join(""));
        option
    }

    /// Makes the committed corpus anew: the smallest inputs that together
    /// reach what all inputs reach. `fuzzer` is cargo fuzz, to be told what.
    pub fn keep(&self, fuzzer: &mut Command, target: &str) -> anyhow::Result<()> {
        let kept = self.found.with_extension("kept");
        if kept.exists() {
            fs::remove_dir_all(&kept)?;
        }
        fs::create_dir_all(&kept)?;
        fuzzer.arg(target).arg(&kept).args(self.folders()?);
        run(fuzzer.args(["--", "-merge=1"]))?;
        if self.committed.exists() {
            fs::remove_dir_all(&self.committed)?;
        }
        fs::create_dir_all(&self.committed)?;
        for entry in fs::read_dir(&kept)? {
            let entry = entry?;
            fs::copy(entry.path(), self.committed.join(entry.file_name()))?;
        }
        Ok(())
    }
}
