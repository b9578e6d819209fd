//! What a store acknowledged is there after its disk lost power.
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

use std::io::Write as _;
use std::process::{Command, Stdio};

#[test]
fn no_acknowledged_blob_is_lost_with_the_power() {
    let work = tempfile::tempdir().unwrap();
    if !may_mount(work.path()) {
        // Past the capture of a passing test's output.
        let skipped = "SKIPPED no_acknowledged_blob_is_lost_with_the_power: \
            only root with loop devices and mkfs.ext4 can mount a disk to cut off";
        writeln!(std::io::stderr(), "{skipped}").unwrap();
        return;
    }
    // Its mounts go with it, however it ends.
    let mut cutter = Command::new("unshare");
    cutter
        .arg("--mount")
        .arg(env!("CARGO_BIN_EXE_power_cutter"));
    cutter.arg(work.path()).arg(env!("CARGO_BIN_EXE_putter"));
    let status = cutter.status().unwrap();
    assert!(status.success(), "{status}");
}

fn may_mount(work: &std::path::Path) -> bool {
    let script = "cd $0 && truncate -s 16M probe && mkfs.ext4 -q probe \
        && mkdir probed && mount -o loop probe probed";
    let mut probe = Command::new("unshare");
    probe.args(["--mount", "sh", "-c", script]).arg(work);
    let status = probe.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
