//! A compiler for wasm32-unknown-unknown.
//!
//! Where rustup can fetch the target's standard library, that is all it takes.
//! Elsewhere Debian's compiler comes with the standard library's source, and
//! cargo builds it along with the crate.

use std::env;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use super::apt;
use super::compiler::{Compiler, alone};
use crate::process::{find as find_program, run};

/// What the browser runs.
const TARGET: &str = "wasm32-unknown-unknown";
/// Linkers that can link it, by any of the names they come under.
const LINKERS: [&str; 5] = ["rust-lld", "wasm-ld", "wasm-ld-22", "wasm-ld-19", "lld"];
/// A recent compiler, cargo, the standard library's source and a linker.
const DEBIAN: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm"];

/// A compiler that can build for the browser.
pub struct Toolchain {
    compiler: Compiler,
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
    let by_rustup = add_by_rustup();
    if let Some(found) = find() {
        return Ok(found);
    }
    apt::install(&DEBIAN).with_context(|| {
        format!("no compiler here can build for {TARGET}; {by_rustup}; or Debian packages")
    })?;
    find().with_context(|| {
        let oldest = env!("CARGO_PKG_RUST_VERSION");
        format!("Debian's compiler is older than {oldest}; {by_rustup}")
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
    let debian = Compiler::new("/usr/bin/cargo".into(), "/usr/bin/rustc".into());
    let compilers: Vec<_> = [Compiler::new(cargo, rustc), debian]
        .into_iter()
        .flatten()
        .collect();
    compilers.iter().find_map(|compiler| {
        let std = std_of(compiler, &compilers)?;
        let compiler = compiler.clone();
        Some(Toolchain { compiler, std })
    })
}

/// The standard library `compiler` has for the target; any of `compilers` may lend its linker.
fn std_of(compiler: &Compiler, compilers: &[Compiler]) -> Option<Std> {
    if compiler.has_target(TARGET) {
        return Some(Std::Installed);
    }
    if !compiler.has_std_source() {
        return None;
    }
    let linker = compilers
        .iter()
        .find_map(Compiler::linker)
        .or_else(|| LINKERS.into_iter().find_map(find_program))?;
    Some(Std::Source { linker })
}

/// Asks rustup for the target and returns what is left to do by hand.
fn add_by_rustup() -> String {
    let by_hand = format!("run: rustup target add {TARGET}");
    if find_program("rustup").is_none() {
        return format!("install rustup from https://rustup.rs and {by_hand}");
    }
    println!("adding the target {TARGET} to the Rust toolchain");
    match run(Command::new("rustup").args(["target", "add", TARGET])) {
        Ok(()) => "select rustup's cargo".to_owned(),
        Err(_) => by_hand,
    }
}

impl Toolchain {
    /// `cargo build` for the browser, to be told what to build.
    pub fn build(&self) -> Command {
        let mut command = alone(&self.compiler.cargo);
        command
            .env("RUSTC", &self.compiler.rustc)
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
        write!(f, "{} {how}", self.compiler.rustc.display())
    }
}
