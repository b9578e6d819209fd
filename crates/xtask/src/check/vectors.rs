//! The test vectors, made anew by the second implementation and compared.

use std::process::Command;

use crate::process::{output, run};
use crate::workspace::Workspace;

const SCRIPT: &str = "tests/vectors/make.py";

/// Compares the vectors where Python and its cryptography are installed.
pub fn check(workspace: &Workspace) -> anyhow::Result<()> {
    let mut probe = Command::new("python3");
    if output(probe.args(["-c", "import cryptography"])).is_none() {
        println!("skipped: {SCRIPT} needs Python's cryptography; run: pip install cryptography");
        return Ok(());
    }
    let mut python = Command::new("python3");
    run(python.arg(workspace.path(SCRIPT)).arg("--check"))
}
