//! Simulated networks, for as long as time allows.

use std::convert::Infallible;
use std::ffi::OsString;

use crate::process::become_program;
use crate::workspace::Workspace;

/// The package that simulates.
const PACKAGE: &str = "samara-sim";

/// Builds the simulator for speed and becomes it.
pub fn run(
    workspace: &Workspace,
    minutes: f64,
    scale: bool,
    arguments: &[OsString],
) -> anyhow::Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--release", "--package", PACKAGE, "--"]);
    if scale {
        cargo.arg("scale");
    } else {
        cargo.arg("soak").arg(format!("--minutes={minutes}"));
    }
    cargo.args(arguments);
    let never: Infallible = become_program(&mut cargo)?;
    match never {}
}
