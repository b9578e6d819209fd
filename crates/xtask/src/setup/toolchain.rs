//! A compiler for wasm32-unknown-unknown.
//!
//! Where rustup can fetch the target's standard library, that is all it takes.
//! Elsewhere Debian's compiler comes with the standard library's source, and
//! cargo builds it along with the crate.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::apt;
use super::version::Version;
use crate::process::{find as find_program, output, run};
use crate::workspace::without_package_variables;

/// What the browser runs.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// Linkers that can link it, by any of the names they come under.
const LINKERS: [&str; 5] = ["rust-lld", "wasm-ld", "wasm-ld-22", "wasm-ld-19", "lld"];
/// A recent compiler, cargo, the standard library's source and a linker.
const DEBIAN: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm"];

/// A compiler that can build for the browser.
pub struct Toolchain {
    cargo: PathBuf,
    rustc: PathBuf,
    std: Std,
}

/// Where the target's standard library comes from.
enum Std {
    /// It is installed.
    Installed,
    /// It is built from source; no compiler that lacks the target brings its linker for sure.
    Source { linker: PathBuf },
}

/// The compiler to use, installed if there is none.
pub fn find_or_install() -> anyhow::Result<Toolchain> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let rustup = add_by_rustup();
    if let Some(found) = find() {
        return Ok(found);
    }
    let by_hand = match rustup {
        Ok(()) => "the compiler in use is not rustup's and has no standard library for it",
        Err(_) => "with a reachable rustup server, run: rustup target add wasm32-unknown-unknown",
    };
    apt::install(&DEBIAN)
        .with_context(|| format!("no compiler can build for {TARGET}; {by_hand}; otherwise"))?;
    find().with_context(|| {
        format!(
            "Debian's compiler was installed but is older than {}",
            env!("CARGO_PKG_RUST_VERSION")
        )
    })
}

/// The compiler to use, if there is one.
fn find() -> Option<Toolchain> {
    let cargo = env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from);
    // The compiler beside cargo is the active one; its name alone may be a proxy's.
    let beside = cargo.with_file_name("rustc");
    let rustc = if beside.is_file() {
        beside
    } else {
        "rustc".into()
    };
    Toolchain::new(cargo, rustc)
        .or_else(|| Toolchain::new("/usr/bin/cargo".into(), "/usr/bin/rustc".into()))
}

/// Asks rustup for the target; that it has none is no error here.
fn add_by_rustup() -> anyhow::Result<()> {
    if find_program("rustup").is_none() {
        return Ok(());
    }
    println!("adding the target {TARGET} to the Rust toolchain");
    run(Command::new("rustup").args(["target", "add", TARGET]))
}

impl Toolchain {
    fn new(cargo: PathBuf, rustc: PathBuf) -> Option<Self> {
        let ask = |arguments: &[&str]| output(alone(&rustc).args(arguments));
        let libraries = ask(&["--print", "target-libdir", "--target", TARGET])?;
        if has_std(Path::new(&libraries)) {
            return Some(Self {
                cargo,
                rustc,
                std: Std::Installed,
            });
        }
        let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?);
        let source = sysroot.join("lib/rustlib/src/rust/library/std/Cargo.toml");
        if !source.is_file() || version(&ask(&["--version"])?)? < oldest() {
            return None;
        }
        let linker = linker(&sysroot)?;
        Some(Self {
            cargo,
            rustc,
            std: Std::Source { linker },
        })
    }

    /// `cargo build` for the browser, to be told what to build.
    pub fn build(&self) -> Command {
        let mut command = alone(&self.cargo);
        command
            .env("RUSTC", &self.rustc)
            .args(["build", "--target", TARGET]);
        if let Std::Source { linker } = &self.std {
            command
                // `-Z` options are for nightly compilers; this lets a stable one have them.
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
                .arg("-Zbuild-std=std,panic_abort");
        }
        command
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.std {
            Std::Installed => "with its standard library",
            Std::Source { .. } => "building its standard library from source",
        };
        write!(f, "{} {how}", self.rustc.display())
    }
}

/// `program` without what the cargo that started us has set for its own toolchain.
fn alone(program: &Path) -> Command {
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

fn linker(sysroot: &Path) -> Option<PathBuf> {
    let active = output(Command::new("rustc").args(["--print", "sysroot"]));
    [Some(sysroot.to_path_buf()), active.map(PathBuf::from)]
        .into_iter()
        .flatten()
        .find_map(|sysroot| linker_of(&sysroot))
        .or_else(|| LINKERS.into_iter().find_map(find_program))
}

/// The linker inside a toolchain: `lib/rustlib/<host>/bin/rust-lld`.
fn linker_of(sysroot: &Path) -> Option<PathBuf> {
    let hosts = sysroot.join("lib/rustlib").read_dir().ok()?;
    hosts
        .filter_map(|host| Some(host.ok()?.path().join("bin/rust-lld")))
        .find(|linker| linker.is_file())
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
