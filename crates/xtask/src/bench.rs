//! Speed against bare baselines.

use std::convert::Infallible;
use std::ffi::OsString;

use anyhow::Context;

use crate::process::become_program;
use crate::setup::{self, FOR_E2E};
use crate::workspace::Workspace;
use crate::{e2e, web};

/// The package that measures.
const PACKAGE: &str = "samara-bench";

/// Builds what is measured and becomes the benchmark.
pub fn run(workspace: &Workspace, arguments: &[OsString]) -> anyhow::Result<()> {
    setup::ensure(workspace, &FOR_E2E)?;
    web::build(workspace)?;
    let chromium = setup::find_chromium()?.context("set-up has found Chromium and lost it")?;
    let samara = e2e::binary(workspace, &["--release"])?;
    let mut cargo = workspace.cargo();
    cargo
        .env("SAMARA_CHROMIUM", chromium)
        .args(["run", "--release", "--package", PACKAGE, "--", "--samara"])
        .arg(samara)
        .args(arguments);
    let never: Infallible = become_program(&mut cargo)?;
    match never {}
}
