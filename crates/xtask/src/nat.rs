//! Real processes behind real routers, in network namespaces.
//!
//! Needs root, so it is no part of `cargo xtask test`; what it finds stands in
//! `docs/nat.md`.

use std::convert::Infallible;

use crate::process::become_program;
use crate::setup::{self, FOR_NAT};
use crate::workspace::Workspace;

/// Makes the test write what it sees into the document.
const WRITE: &str = "SAMARA_WRITE_NAT";

/// Runs the tests; with `write` they make the document's tables anew.
pub fn run(workspace: &Workspace, write: bool) -> anyhow::Result<()> {
    setup::ensure(workspace, &FOR_NAT)?;
    let mut cargo = workspace.cargo();
    if write {
        cargo.env(WRITE, "1");
    }
    cargo.args(["test", "--workspace", "--test", "nat", "--"]);
    // One after the other: each is many processes.
    cargo.args(["--ignored", "--nocapture", "--test-threads=1"]);
    let never: Infallible = become_program(&mut cargo)?;
    match never {}
}
