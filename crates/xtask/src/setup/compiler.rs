//! A Rust compiler on this machine and what it brings along.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::version::Version;
use crate::process::output;
use crate::workspace::without_package_variables;

/// A compiler and its cargo.
#[derive(Clone)]
pub struct Compiler {
    pub cargo: PathBuf,
    pub rustc: PathBuf,
    sysroot: PathBuf,
}

impl Compiler {
    /// The compiler `rustc`, driven by `cargo`, if it is there and runs.
    pub fn new(cargo: PathBuf, rustc: PathBuf) -> Option<Self> {
        let sysroot = output(alone(&rustc).args(["--print", "sysroot"]))?.into();
        Some(Self {
            cargo,
            rustc,
            sysroot,
        })
    }

    /// Whether it can build for `target` as it is.
    pub fn has_target(&self, target: &str) -> bool {
        has_std(&self.rustlib().join(target).join("lib"))
    }

    /// Whether it can build the standard library, and is new enough for the rest.
    pub fn has_std_source(&self) -> bool {
        let source = self.rustlib().join("src/rust/library/std/Cargo.toml");
        source.is_file() && self.version().is_some_and(|version| version >= oldest())
    }

    fn version(&self) -> Option<Version> {
        version(&output(alone(&self.rustc).arg("--version"))?)
    }

    /// The linker it brings: `lib/rustlib/<host>/bin/rust-lld`.
    pub fn linker(&self) -> Option<PathBuf> {
        let hosts = self.rustlib().read_dir().ok()?;
        hosts
            .filter_map(|host| Some(host.ok()?.path().join("bin/rust-lld")))
            .find(|linker| linker.is_file())
    }

    fn rustlib(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib")
    }
}

/// `program` without what the cargo that started us has set for its own toolchain.
pub fn alone(program: &Path) -> Command {
    let mut command = Command::new(program);
    // Two toolchains' compiler libraries can bear the same file name.
    for variable in [
        "CARGO",
        "RUSTC",
        "RUSTDOC",
        "LD_LIBRARY_PATH",
        "DYLD_FALLBACK_LIBRARY_PATH",
    ] {
        command.env_remove(variable);
    }
    without_package_variables(&mut command);
    command
}

fn has_std(libraries: &Path) -> bool {
    let Ok(mut entries) = libraries.read_dir() else {
        return false;
    };
    entries.any(|entry| {
        entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
    })
}

/// The workspace's `rust-version`.
fn oldest() -> Version {
    Version::parse(env!("CARGO_PKG_RUST_VERSION")).expect("rust-version is two numbers")
}

/// `rustc 1.96.0 (…)`
fn version(line: &str) -> Option<Version> {
    Version::parse(line.split(' ').nth(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_tells_its_version() {
        let line = "rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)";
        assert_eq!(version(line), Some(Version(1, 96)));
    }

    #[test]
    fn a_folder_without_a_standard_library_is_no_target() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_std(&folder.path().join("absent")));
        assert!(!has_std(folder.path()));
        std::fs::write(folder.path().join("libstd-0123.rlib"), "").unwrap();
        assert!(has_std(folder.path()));
    }
}
