//! Tests with the real binary and real browsers.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context;

use crate::process::{run_cargo, run_tests};
use crate::setup::{self, CHROMIUM, E2E, FIREFOX, FOR_E2E};
use crate::tally::Tally;
use crate::web;
use crate::workspace::Workspace;

/// The command under test.
const BINARY: &str = "samara";

/// Builds what the tests drive and runs them.
pub fn run(workspace: &Workspace, arguments: &[OsString]) -> anyhow::Result<()> {
    counted(workspace, arguments, &mut Tally::default())
}

/// As [`run`], counting the tests.
pub fn counted(
    workspace: &Workspace,
    arguments: &[OsString],
    tally: &mut Tally,
) -> anyhow::Result<()> {
    setup::ensure(workspace, &FOR_E2E)?;
    web::build(workspace)?;
    let mut tests = workspace.npm(E2E);
    tests
        .env("SAMARA_BIN", binary(workspace, &[])?)
        .env(CHROMIUM.variable, CHROMIUM.found()?)
        .env(FIREFOX.variable, FIREFOX.found()?)
        .args(["test", "--"])
        .args(arguments);
    run_tests(&mut tests, tally)
}

/// Builds the command under test, with cargo's `arguments` for how.
///
/// For the tests that is without optimization of our own code, except the
/// cipher's: it builds in a fraction of the time and is fast enough for files
/// of tens of megabytes.
pub fn binary(workspace: &Workspace, arguments: &[&str]) -> anyhow::Result<PathBuf> {
    built(workspace, BINARY, arguments)
}

/// Builds one of the workspace's programs.
pub fn built(workspace: &Workspace, name: &str, arguments: &[&str]) -> anyhow::Result<PathBuf> {
    let mut cargo = workspace.cargo();
    let built = run_cargo(cargo.args(["build", "--bin", name]).args(arguments))?;
    built
        .into_iter()
        .filter(|artifact| artifact.target.name == name)
        .find_map(|artifact| artifact.executable)
        .map(PathBuf::from)
        .with_context(|| format!("cargo has built no {name}"))
}
