//! The whole product on this machine: everything built, the relay started.

use std::convert::Infallible;
use std::ffi::OsString;

use crate::process::become_program;
use crate::web;
use crate::workspace::Workspace;

/// Builds the page and becomes the relay that serves it.
pub fn relay(workspace: &Workspace, arguments: &[OsString]) -> anyhow::Result<()> {
    web::build(workspace)?;
    let mut cargo = workspace.cargo();
    cargo
        .args(["run", "--release", "--bin", "samara", "--", "relay"])
        .args(arguments);
    let never: Infallible = become_program(&mut cargo)?;
    match never {}
}
