//! Speed against bare baselines.

use std::convert::Infallible;
use std::ffi::OsString;
use std::process::Command;

use anyhow::Context;

use crate::process::{become_program, output};
use crate::setup::{self, CHROMIUM, FOR_BENCH};
use crate::workspace::Workspace;
use crate::{e2e, web};

/// The package that measures.
const PACKAGE: &str = "samara-bench";

/// Builds what is measured and becomes the benchmark.
pub fn run(workspace: &Workspace, arguments: &[OsString]) -> anyhow::Result<()> {
    setup::ensure(workspace, &FOR_BENCH)?;
    web::build(workspace)?;
    let commit = commit(workspace)?;
    let samara = e2e::binary(workspace, &["--release"])?;
    let mut cargo = workspace.cargo();
    cargo
        .env(CHROMIUM.variable, CHROMIUM.found()?)
        .args(["run", "--release", "--package", PACKAGE, "--", "--samara"])
        .arg(samara)
        .args(["--commit", &commit])
        .args(arguments);
    let never: Infallible = become_program(&mut cargo)?;
    match never {}
}

/// What the binary is about to be built from, in words.
fn commit(workspace: &Workspace) -> anyhow::Result<String> {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(workspace.path(".")).args(arguments);
        output(&mut git).context("git does not say what is built")
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    // The table itself is not in the binary.
    let changed = git(&["status", "--porcelain", "--", ".", ":!docs/benchmarks.md"])?;
    Ok(if changed.is_empty() {
        format!("commit `{commit}`")
    } else {
        format!("commit `{commit}` **with changes that are not committed**")
    })
}
