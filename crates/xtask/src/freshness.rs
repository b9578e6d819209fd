//! Skipping a build whose inputs have not changed, by modification times.
//!
//! A build is recorded by a stamp file made when the build *starts*, so a
//! source saved while it runs counts as changed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;

/// One skippable build.
pub struct Build<'a> {
    /// Written when the build has succeeded.
    pub stamp: PathBuf,
    /// Files and folders it reads; one that does not exist is left out.
    pub inputs: &'a [PathBuf],
    /// Files it writes.
    pub outputs: &'a [PathBuf],
}

impl Build<'_> {
    /// Runs `build` unless its outputs are there and newer than its inputs.
    ///
    /// Returns whether it ran.
    pub fn run(&self, build: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<bool> {
        if self.is_fresh()? {
            return Ok(false);
        }
        let started = self
            .start()
            .with_context(|| format!("cannot write beside {}", self.stamp.display()))?;
        build()?;
        fs::rename(started, &self.stamp)
            .with_context(|| format!("cannot write {}", self.stamp.display()))?;
        Ok(true)
    }

    fn is_fresh(&self) -> anyhow::Result<bool> {
        let Ok(built) = fs::metadata(&self.stamp).and_then(|stamp| stamp.modified()) else {
            return Ok(false);
        };
        if !self.outputs.iter().all(|output| output.exists()) {
            return Ok(false);
        }
        for input in self.inputs.iter().filter(|input| input.exists()) {
            let newest =
                newest(input).with_context(|| format!("cannot read {}", input.display()))?;
            // Equal times are the rule where one build follows another: what the
            // first wrote last is as old as the second's stamp.
            if newest > built {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes what becomes the stamp.
    ///
    /// Its time is the file system's, which may run some milliseconds behind the
    /// system's: only times of files compare.
    fn start(&self) -> io::Result<PathBuf> {
        if let Some(folder) = self.stamp.parent() {
            fs::create_dir_all(folder)?;
        }
        let started = self.stamp.with_extension("started");
        File::create(&started)?;
        Ok(started)
    }
}

/// The latest change at or below `path`. A folder's own time tells of removals.
fn newest(path: &Path) -> io::Result<SystemTime> {
    let metadata = fs::metadata(path)?;
    let mut latest = metadata.modified()?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            latest = latest.max(newest(&entry?.path())?);
        }
    }
    Ok(latest)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Fixture {
        folder: tempfile::TempDir,
        runs: u32,
    }

    impl Fixture {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("src")).unwrap();
            let mut fixture = Self { folder, runs: 0 };
            fixture.write("src/a.ts", 100);
            fixture.write("src/b.ts", 100);
            fixture.age("src", 100);
            fixture
        }

        /// Writes a file as if `seconds` ago.
        fn write(&mut self, path: &str, seconds: u64) {
            fs::write(self.folder.path().join(path), "").unwrap();
            self.age(path, seconds);
        }

        fn age(&self, path: &str, seconds: u64) {
            let file = File::open(self.folder.path().join(path)).unwrap();
            let time = SystemTime::now() - Duration::from_secs(seconds);
            file.set_modified(time).unwrap();
        }

        fn build(&mut self) -> u32 {
            let root = self.folder.path();
            let out = root.join("out.js");
            let build = Build {
                stamp: root.join("stamps/out"),
                inputs: &[root.join("src"), root.join("absent")],
                outputs: std::slice::from_ref(&out),
            };
            let runs = &mut self.runs;
            build
                .run(|| {
                    *runs += 1;
                    Ok(fs::write(&out, "")?)
                })
                .unwrap();
            self.runs
        }
    }

    #[test]
    fn a_build_runs_once_while_nothing_changes() {
        let mut fixture = Fixture::new();
        assert_eq!(fixture.build(), 1);
        assert_eq!(fixture.build(), 1);
    }

    #[test]
    fn a_changed_input_is_built_again() {
        let mut fixture = Fixture::new();
        fixture.build();
        fixture.age("stamps/out", 50);
        fixture.write("src/b.ts", 40);
        assert_eq!(fixture.build(), 2);
    }

    #[test]
    fn a_removed_input_is_built_again() {
        let mut fixture = Fixture::new();
        fixture.build();
        fixture.age("stamps/out", 50);
        fs::remove_file(fixture.folder.path().join("src/a.ts")).unwrap();
        assert_eq!(fixture.build(), 2);
    }

    #[test]
    fn a_missing_output_is_built_again() {
        let mut fixture = Fixture::new();
        fixture.build();
        fs::remove_file(fixture.folder.path().join("out.js")).unwrap();
        assert_eq!(fixture.build(), 2);
    }

    #[test]
    fn a_failed_build_is_not_recorded() {
        let fixture = Fixture::new();
        let build = Build {
            stamp: fixture.folder.path().join("stamp"),
            inputs: &[],
            outputs: &[],
        };
        build.run(|| anyhow::bail!("broken")).unwrap_err();
        assert!(build.run(|| Ok(())).unwrap());
    }
}
