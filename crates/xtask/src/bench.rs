//! Speed against bare baselines.

use std::convert::Infallible;
use std::ffi::OsString;

use crate::process::become_program;
use crate::setup::{self, CHROMIUM, FOR_BENCH};
use crate::workspace::Workspace;
use crate::{e2e, web};

/// The package that measures.
const PACKAGE: &str = "samara-bench";

/// Builds what is measured and becomes the benchmark.
pub fn run(workspace: &Workspace, arguments: &[OsString]) -> anyhow::Result<()> {
    setup::ensure(workspace, &FOR_BENCH)?;
    web::build(workspace)?;
    let samara = e2e::binary(workspace, &["--release"])?;
    let mut cargo = workspace.cargo();
    cargo
        .env(CHROMIUM.variable, CHROMIUM.found()?)
        .args(["run", "--release", "--package", PACKAGE, "--", "--samara"])
        .arg(samara)
        .args(arguments);
    let never: Infallible = become_program(&mut cargo)?;
    match never {}
}
