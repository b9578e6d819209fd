//! Disks and stores without room.
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod common;

use std::io::Write as _;
use std::process::{Command, Stdio};

use common::{Desk, Ended, MIB, noise};

/// A mount namespace of its own, which goes with the process that made it.
const NAMESPACE: [&str; 2] = ["--map-root-user", "--mount"];

/// Whether this system lets a user have one; says so if not.
fn small_disks_work(test: &str) -> bool {
    let tried = Command::new("unshare")
        .args(NAMESPACE)
        .arg("true")
        .stderr(Stdio::null())
        .status();
    let work = tried.is_ok_and(|status| status.success());
    if !work {
        // Past the capture of a passing test's output.
        let skipped = format!("SKIPPED {test}: unshare(1) may not make a mount namespace here\n");
        std::io::stderr().write_all(skipped.as_bytes()).unwrap();
    }
    work
}

/// Runs shell lines with a disk of 4 MiB at `small`.
fn with_small_disk(desk: &Desk, lines: &str) -> Ended {
    std::fs::create_dir_all(desk.path("small")).unwrap();
    let mount = "mount -t tmpfs -o size=4m none small &&";
    let mut shell = Command::new("unshare");
    shell
        .args(NAMESPACE)
        .args(["sh", "-c", &format!("{mount} {lines}")]);
    shell.current_dir(desk.path("."));
    Ended::of(shell.output().unwrap())
}

#[test]
fn a_full_disk_takes_no_half_of_a_file() {
    if !small_disks_work("a_full_disk_takes_no_half_of_a_file") {
        return;
    }
    let desk = Desk::new();
    let file = desk.file("file", 6 * MIB);
    let link = desk.ingest("a", &file);
    let (_seed, address) = desk.seed("a");
    let onto_small = desk.fetch("b", &link, "small/file").peer(&address).shell();
    let ended = with_small_disk(
        &desk,
        &format!("{onto_small}; code=$?; ls -A small; exit $code"),
    );
    ended.assert_failed(5, &["disk", "full", "run the fetch again"]);
    assert_eq!(ended.stdout, b"");

    let ended = desk.fetch("b", &link, "out").peer(&address).end();
    ended.assert_code(0);
    assert!(std::fs::read(desk.path("out")).unwrap() == noise(6 * MIB));
}

#[test]
fn a_store_on_a_full_disk_keeps_what_it_has() {
    if !small_disks_work("a_store_on_a_full_disk_keeps_what_it_has") {
        return;
    }
    let desk = Desk::new();
    let one = desk.file("one", MIB);
    let six = desk.file("six", 6 * MIB);
    let ingest = |file| {
        desk.samara("small/store")
            .args(["ingest", "-o"])
            .arg("E")
            .arg("-i")
            .arg(file)
    };
    let status = desk.samara("small/store").args(["status"]).shell();
    let ended = with_small_disk(
        &desk,
        &format!(
            "{} && {status} && {}; code=$?; {status}; exit $code",
            ingest(&one).shell(),
            ingest(&six).shell()
        ),
    );
    ended.assert_failed(5, &["disk", "full"]);
    let stdout = String::from_utf8(ended.stdout).unwrap();
    let held: Vec<_> = stdout.lines().collect();
    assert_eq!(held.len(), 2);
    assert_eq!(
        held[0], held[1],
        "what was there before is there after, and nothing else"
    );
}

#[test]
fn a_store_with_a_limit_says_that_it_is_full() {
    let desk = Desk::new();
    let file = desk.file("file", 6 * MIB);
    let ended = desk
        .samara("b")
        .args(["ingest", "--max-size", "3M", "-i"])
        .arg(&file)
        .end();
    ended.assert_failed(5, &["do not fit", "raise the limit"]);
    assert_eq!(desk.stored_bytes("b"), 0);

    let link = desk.ingest("a", &file);
    let (_seed, address) = desk.seed("a");
    let ended = desk
        .fetch("b", &link, "out")
        .peer(&address)
        .args(["--max-size", "3M"])
        .end();
    ended.assert_failed(5, &["do not fit", "raise the limit"]);
    assert!(!desk.path("out").exists());
    desk.fetch("b", &link, "out")
        .peer(&address)
        .end()
        .assert_code(0);
}
