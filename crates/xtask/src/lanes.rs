//! What a file takes over a path with delay and loss, between native nodes and
//! between browsers, in network namespaces.
//!
//! Needs root, so it is no part of `cargo xtask test`; what it finds stands in
//! `docs/delay.md`.

use std::convert::Infallible;
use std::process::Command;

use crate::process::become_program;
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
    let line = e2e::built(workspace, LINE, &["--release"])?;
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
