//! Every input there is, through the functions the fuzzer runs: what the
//! fuzzer found stays found where there is no fuzzer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use samara_fuzz::{TARGETS, Target};

/// Inputs that reach all there is, and those that once failed.
const FOLDERS: [&str; 2] = ["corpus", "crashes"];

fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    for seed in (target.seeds)() {
        (target.check)(&seed);
    }
    let files: Vec<_> = FOLDERS
        .iter()
        .flat_map(|folder| inputs(folder, target))
        .collect();
    assert!(!files.is_empty(), "the corpus of {name} is not there");
    for file in files {
        // Shown when the check panics.
        println!("{}", file.display());
        (target.check)(&fs::read(file).unwrap());
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn inputs(kind: &str, target: &Target) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(kind).join(target.name));
    let files = entries.into_iter().flatten();
    files.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn messages_hold_what_is_said_of_them() {
    replay("message");
}

#[test]
fn binary_entries_hold_what_is_said_of_them() {
    replay("entry_binary");
}

#[test]
fn json_entries_hold_what_is_said_of_them() {
    replay("entry_json");
}

#[test]
fn links_hold_what_is_said_of_them() {
    replay("link");
}

#[test]
fn signals_hold_what_is_said_of_them() {
    replay("signal");
}

#[test]
fn the_machine_holds_what_is_said_of_it() {
    replay("machine");
}

#[test]
fn every_folder_of_inputs_and_every_program_belongs_to_a_target() {
    let targets: BTreeSet<_> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    let mut named = BTreeSet::new();
    for kind in FOLDERS.into_iter().chain(["targets"]) {
        for entry in fs::read_dir(folder(kind)).into_iter().flatten() {
            let path = entry.unwrap().path();
            named.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    assert_eq!(named, targets);
}
