//! Speed against bare baselines.

use std::convert::Infallible;
use std::ffi::OsString;

use anyhow::bail;

use crate::process::{become_program, output};
use crate::workspace::Workspace;

/// The package that measures.
const PACKAGE: &str = "samara-bench";

/// Becomes the benchmark.
pub fn run(workspace: &Workspace, arguments: &[OsString]) -> anyhow::Result<()> {
    if output(workspace.cargo().args(["pkgid", "--package", PACKAGE])).is_none() {
        bail!("the package {PACKAGE} does not exist, so there is nothing to measure yet");
    }
    let mut cargo = workspace.cargo();
    cargo
        .args(["run", "--release", "--package", PACKAGE, "--"])
        .args(arguments);
    let never: Infallible = become_program(&mut cargo)?;
    match never {}
}
