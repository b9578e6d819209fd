//! What a file takes over a path with delay and loss, between native nodes and
//! between browsers, in network namespaces.
//!
//! Needs root, so it is no part of `cargo xtask test`; what it finds stands in
//! `docs/delay.md`.

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

use crate::process::{become_program, run_cargo};
use crate::setup::{self, CHROMIUM, E2E, FOR_BENCH};
use crate::workspace::Workspace;
use crate::{e2e, web};

/// Makes the paths.
const LINE: &str = "samara-line";
const DOCUMENT: &str = "docs/delay.md";

/// Measures; with `write` the document's table is made anew.
pub fn run(workspace: &Workspace, write: bool) -> anyhow::Result<()> {
    setup::ensure(workspace, &FOR_BENCH)?;
    web::build(workspace)?;
    let samara = e2e::binary(workspace, &["--release"])?;
    let line = line(workspace)?;
    let mut node = Command::new("node");
    node.current_dir(workspace.path(E2E))
        .env(CHROMIUM.variable, CHROMIUM.found()?)
        .arg("bench/delay.mjs")
        .args([samara, line]);
    if write {
        node.arg(workspace.path(DOCUMENT));
    }
    let never: Infallible = become_program(&mut node)?;
    match never {}
}

fn line(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let mut cargo = workspace.cargo();
    let built = run_cargo(cargo.args(["build", "--release", "--bin", LINE]))?;
    built
        .into_iter()
        .filter(|artifact| artifact.target.name == LINE)
        .find_map(|artifact| artifact.executable)
        .map(PathBuf::from)
        .with_context(|| format!("cargo has built no {LINE}"))
}
