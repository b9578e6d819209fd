//! The browser peer: Rust to wasm, then JavaScript and types around it, then smaller wasm.
//!
//! Each stage is skipped when what it reads has not changed: cargo sees to the
//! first, a stamp to the others.

mod optimize;
mod settings;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use wasm_bindgen_cli_support::Bindgen;

use self::settings::Settings;
use crate::freshness::Build;
use crate::process::run_cargo;
use crate::setup::toolchain;
use crate::setup::{self, FOR_WASM};
use crate::workspace::Workspace;

/// The settings' file.
const SETTINGS: &str = "wasm-pack.toml";

/// Builds the browser peer.
pub fn build(workspace: &Workspace) -> anyhow::Result<()> {
    setup::ensure(workspace, &FOR_WASM)?;
    let settings = Settings::read(&workspace.path(SETTINGS))?;
    let compiled = compile(workspace, &settings)?;
    let out = workspace.path(&settings.out_dir);
    let name = file_stem(&compiled)?.to_owned();
    let wrapped = Build {
        stamp: workspace.stamp("wasm"),
        inputs: &[
            compiled.clone(),
            workspace.path(SETTINGS),
            // Contains wasm-bindgen.
            env::current_exe()?,
        ],
        outputs: &[
            out.join(format!("{name}.js")),
            out.join(format!("{name}.d.ts")),
            out.join(format!("{name}_bg.wasm")),
        ],
    };
    if wrapped.run(|| wrap(workspace, &settings, &compiled, &out))? {
        tell_size(&out.join(format!("{name}_bg.wasm")))?;
    }
    Ok(())
}

/// Compiles the crate and returns the wasm that came of it.
///
/// It has a build folder of its own: another compiler may have to build it, and
/// the two would throw away each other's work.
fn compile(workspace: &Workspace, settings: &Settings) -> anyhow::Result<PathBuf> {
    let krate = workspace.path(&settings.krate);
    let mut cargo = toolchain::find_or_install()?.build();
    cargo
        .current_dir(&krate)
        .args(["--lib", "--profile", &settings.profile, "--target-dir"])
        .arg(workspace.target().join("wasm"))
        .env("CARGO_ENCODED_RUSTFLAGS", settings.rustc_flags());
    let built = run_cargo(&mut cargo)?;
    let wasm = built.into_iter().find(|artifact| {
        artifact.manifest_path == krate.join("Cargo.toml") && artifact.target.is_cdylib()
    });
    wasm.and_then(|artifact| artifact.filenames.into_iter().next())
        .map(PathBuf::from)
        .with_context(|| {
            let krate = settings.krate.display();
            format!("{krate} builds no wasm; it needs `crate-type = [\"cdylib\", \"rlib\"]`")
        })
}

/// Generates the JavaScript and the types, and puts the finished files into `out`.
fn wrap(
    workspace: &Workspace,
    settings: &Settings,
    compiled: &Path,
    out: &Path,
) -> anyhow::Result<()> {
    println!("generating {}", out.display());
    let _ = fs::remove_dir_all(out);
    let mut bindgen = Bindgen::new();
    match settings.target {
        settings::Target::Web => bindgen.web(true)?,
    };
    bindgen
        .input_path(compiled)
        .typescript(true)
        // Whoever names no wasm gets the one beside the JavaScript.
        .omit_default_module_path(false)
        .generate(out)
        .with_context(|| format!("wasm-bindgen cannot read {}", compiled.display()))?;
    let wasm = out.join(format!("{}_bg.wasm", file_stem(compiled)?));
    optimize::in_place(workspace, &wasm)
}

fn file_stem(path: &Path) -> anyhow::Result<&str> {
    path.file_stem()
        .and_then(|stem| stem.to_str())
        .with_context(|| format!("{} has no name", path.display()))
}

fn tell_size(wasm: &Path) -> anyhow::Result<()> {
    println!(
        "{}: {} KiB",
        wasm.display(),
        fs::metadata(wasm)?.len() / 1024
    );
    Ok(())
}
