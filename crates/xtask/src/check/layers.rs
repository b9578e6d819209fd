//! Imports point one way, as drawn in `ARCHITECTURE.md`.
//!
//! The Cargo manifests say who uses whom; this compares them with the drawing,
//! and sees that the layers without IO stay without it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use crate::process::output;
use crate::workspace::Workspace;

/// Each layer and the layers it may use.
const LAYERS: [(&str, &[&str]); 8] = [
    ("samara-core", &[]),
    ("samara-swarm", &["samara-core"]),
    ("samara-store", &["samara-core"]),
    (
        "samara-node",
        &["samara-core", "samara-swarm", "samara-store"],
    ),
    ("samara-browser", &["samara-core", "samara-swarm"]),
    (
        "samara-relay",
        &["samara-core", "samara-swarm", "samara-store", "samara-node"],
    ),
    (
        "samara-cli",
        &[
            "samara-core",
            "samara-swarm",
            "samara-store",
            "samara-node",
            "samara-relay",
        ],
    ),
    ("samara-xtask", &[]),
];
/// Folder of suites and measurements, which may use anything.
const TESTS: &str = "tests";
/// Layers that know no clock, socket, thread or randomness.
const WITHOUT_IO: [(&str, &str); 2] = [
    ("samara-core", "crates/core"),
    ("samara-swarm", "crates/swarm"),
];
/// Crates that would bring them.
const IO: [&str; 10] = [
    "async-std",
    "getrandom",
    "js-sys",
    "mio",
    "rand",
    "rustix",
    "smol",
    "socket2",
    "tokio",
    "web-sys",
];
/// Sources of the page, which may use the npm package by its name only.
const PAGE: &str = "web/app/src";

/// Fails with every import that points the wrong way.
pub fn check(workspace: &Workspace) -> anyhow::Result<()> {
    let mut wrong = dependencies(workspace)?;
    for (package, folder) in WITHOUT_IO {
        wrong.extend(io_in_tree(workspace, package)?);
        wrong.extend(without_no_std(&workspace.path(folder))?);
    }
    wrong.extend(page_imports(&workspace.path(PAGE))?);
    if wrong.is_empty() {
        Ok(())
    } else {
        bail!(
            "imports do not point as ARCHITECTURE.md says\n{}",
            wrong.join("\n")
        )
    }
}

fn dependencies(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let metadata = MetadataCommand::new()
        .current_dir(workspace.path(""))
        .no_deps()
        .exec()?;
    let tests = workspace.path(TESTS);
    let layered = metadata
        .workspace_packages()
        .into_iter()
        .filter(|package| !package.manifest_path.starts_with(&tests));
    Ok(layered.flat_map(not_allowed).collect())
}

/// The layers that `package` uses and may not.
fn not_allowed(package: &Package) -> Vec<String> {
    let name = package.name.as_str();
    let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == name) else {
        return vec![format!("{name} has no place among the layers")];
    };
    package
        .dependencies
        .iter()
        .filter(|used| used.kind == DependencyKind::Normal && used.path.is_some())
        .filter(|used| !allowed.contains(&used.name.as_str()))
        .map(|used| format!("{name} uses {}", used.name))
        .collect()
}

/// The crates with IO that `package` draws in.
fn io_in_tree(workspace: &Workspace, package: &str) -> anyhow::Result<Vec<String>> {
    let mut cargo = workspace.cargo();
    cargo.args([
        "tree",
        "--package",
        package,
        "--edges",
        "normal",
        "--target",
        "all",
    ]);
    cargo.args(["--prefix", "none", "--format", "{p}"]);
    let tree = output(&mut cargo).context("`cargo tree` failed")?;
    Ok(io_among(package, &tree))
}

fn io_among(package: &str, tree: &str) -> Vec<String> {
    tree.lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|used| IO.contains(used))
        .map(|used| format!("{package} draws in {used}"))
        .collect()
}

fn without_no_std(krate: &Path) -> anyhow::Result<Option<String>> {
    let file = krate.join("src/lib.rs");
    let source = fs::read_to_string(&file)?;
    let declared = source.lines().any(|line| line.trim() == "#![no_std]");
    Ok((!declared).then(|| format!("{} lacks #![no_std]", file.display())))
}

/// Imports of the page that reach past the npm package's public face.
fn page_imports(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    for file in files(folder)? {
        let source = fs::read_to_string(&file)?;
        let reaching = source.lines().filter(|line| reaches_into_client(line));
        wrong.extend(reaching.map(|line| format!("{}: {}", file.display(), line.trim())));
    }
    Ok(wrong)
}

fn reaches_into_client(line: &str) -> bool {
    ["samara-web/", "client/src", "client/dist", "client/wasm"]
        .iter()
        .any(|inside| line.contains(inside))
        && (line.contains("import") || line.contains("from"))
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if !folder.exists() {
        return Ok(found);
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "ts" || extension == "tsx")
        {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_is_found_by_a_crates_whole_name() {
        let tree =
            "samara-swarm v0.1.0 (/crates/swarm)\ntokio v1.50.0\nrand_core v0.10.0\nmio v1.1.0 (*)";
        assert_eq!(
            io_among("samara-swarm", tree),
            ["samara-swarm draws in tokio", "samara-swarm draws in mio"]
        );
    }

    #[test]
    fn the_page_imports_the_client_by_its_name_only() {
        assert!(!reaches_into_client(
            r#"import { open } from "samara-web";"#
        ));
        assert!(reaches_into_client(
            r#"import { Worker } from "samara-web/dist/worker.js";"#
        ));
        assert!(reaches_into_client(
            r#"import { Worker } from "../../client/src/worker.ts";"#
        ));
    }

    #[test]
    fn no_layer_may_use_one_that_uses_it() {
        for (layer, allowed) in LAYERS {
            for used in allowed {
                let back = LAYERS.iter().find(|(name, _)| name == used).unwrap().1;
                assert!(!back.contains(&layer), "{layer} and {used} use each other");
            }
        }
    }
}
