//! Licences, duplicates and origins of the dependencies, as `deny.toml` wants them.

use crate::process::{output, run};
use crate::workspace::Workspace;

/// Runs cargo-deny where it is installed.
pub fn check(workspace: &Workspace) -> anyhow::Result<()> {
    if output(workspace.cargo().args(["deny", "--version"])).is_none() {
        println!("skipped: cargo-deny is not installed; run: cargo install --locked cargo-deny");
        return Ok(());
    }
    // Advisories come from a server, and this must work without one.
    run(workspace
        .cargo()
        .args(["deny", "check", "bans", "licenses", "sources"]))
}
