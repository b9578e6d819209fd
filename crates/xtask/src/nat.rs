//! Real processes behind real routers and at the ends of long paths, in network
//! namespaces.
//!
//! Needs root and network namespaces; `cargo xtask test` leaves it out without.
//! What is found stands in `docs/nat.md`.

use std::convert::Infallible;

use std::path::Path;
use std::process::Command;

use crate::process::{become_program, output, run_tests};
use crate::setup::{self, FOR_NAT};
use crate::tally::Tally;
use crate::workspace::Workspace;

/// Makes the test write what it sees into the document.
const WRITE: &str = "SAMARA_WRITE_NAT";

/// Whether networks can be made here; if not, why.
pub fn is_possible() -> Result<(), &'static str> {
    if output(Command::new("unshare").args(["--net", "true"])).is_none() {
        return Err("needs root and network namespaces");
    }
    if !Path::new("/dev/net/tun").exists() {
        return Err("needs /dev/net/tun");
    }
    Ok(())
}

/// Runs the tests of routers and of long paths.
pub fn counted(workspace: &Workspace, tally: &mut Tally) -> anyhow::Result<()> {
    setup::ensure(workspace, &FOR_NAT)?;
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--workspace", "--test", "nat", "--test", "delay"]);
    // One after the other: each is many processes.
    run_tests(cargo.args(["--", "--ignored", "--test-threads=1"]), tally)
}

/// Runs the tests of routers; with `write` they make the document's tables anew.
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
