//! A store on a disk without room.
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

use std::io::Write as _;
use std::process::{Command, Stdio};

/// The disk is a tmpfs in a mount namespace of its own, which goes with the
/// process that made it, however that ends.
const NAMESPACE: [&str; 2] = ["--map-root-user", "--mount"];

#[test]
fn a_full_disk_loses_nothing() {
    let allowed = Command::new("unshare")
        .args(NAMESPACE)
        .arg("true")
        .stderr(Stdio::null())
        .status();
    if !allowed.is_ok_and(|status| status.success()) {
        // Past the capture of a passing test's output.
        let skipped =
            "SKIPPED a_full_disk_loses_nothing: unshare(1) may not make a mount namespace here";
        writeln!(std::io::stderr(), "{skipped}").unwrap();
        return;
    }
    let disk = tempfile::tempdir().unwrap();
    let mut filler = Command::new("unshare");
    filler
        .args(NAMESPACE)
        .arg(env!("CARGO_BIN_EXE_filler"))
        .arg(disk.path());
    let status = filler.status().unwrap();
    assert!(status.success(), "{status}");
}
