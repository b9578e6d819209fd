//! cargo-fuzz, and the C++ compiler its fuzzer is built with.

use std::env;

use anyhow::{Context, bail};

use super::apt;
use crate::process::{find, line, output, run};
use crate::workspace::Workspace;

/// Overrides the compiler, as the crate that builds the fuzzer reads it.
const COMPILER: &str = "CXX";

/// The version of cargo-fuzz, installed if there is none.
pub fn find_or_install(workspace: &Workspace) -> anyhow::Result<String> {
    if let Some(version) = version(workspace) {
        return Ok(version);
    }
    println!("installing cargo-fuzz");
    let mut install = workspace.cargo();
    install.args(["install", "--locked", "cargo-fuzz"]);
    if let Err(error) = run(&mut install) {
        bail!("{error:#}; once its complaint above is met, run: cargo install --locked cargo-fuzz");
    }
    version(workspace).with_context(|| {
        let command = line(workspace.cargo().args(["fuzz", "--version"]));
        format!("cargo-fuzz was installed, but `{command}` does not find it")
    })
}

fn version(workspace: &Workspace) -> Option<String> {
    output(workspace.cargo().args(["fuzz", "--version"]))
}

/// The name of a C++ compiler, installed if there is none.
pub fn find_or_install_compiler() -> anyhow::Result<String> {
    if let Some(chosen) = env::var_os(COMPILER) {
        return Ok(chosen.to_string_lossy().into_owned());
    }
    let found = || find("c++").map(|path| path.display().to_string());
    if let Some(found) = found() {
        return Ok(found);
    }
    apt::install(&["g++"]).context("there is no C++ compiler for the fuzzer")?;
    found().context("a C++ compiler was installed but is not on the search path")
}
