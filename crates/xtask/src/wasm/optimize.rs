//! Binaryen's `wasm-opt` over the finished wasm.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::process::run;
use crate::setup::WEB;
use crate::workspace::Workspace;

/// What the compiler may use for this target by default, and `simd128`; the
/// wasm no longer says so itself after wasm-bindgen.
const FEATURES: [&str; 7] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
    "--enable-simd",
];

/// Replaces `wasm` by an optimized one.
pub fn in_place(workspace: &Workspace, wasm: &Path) -> anyhow::Result<()> {
    let optimized = wasm.with_extension("optimized");
    let mut command = Command::new(workspace.path(WEB).join("node_modules/.bin/wasm-opt"));
    command
        .arg("-O3")
        .args(FEATURES)
        .arg(wasm)
        .arg("-o")
        .arg(&optimized);
    run(&mut command)?;
    fs::rename(&optimized, wasm).with_context(|| format!("cannot replace {}", wasm.display()))
}
