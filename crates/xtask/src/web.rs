//! The npm package and the page.

use std::path::PathBuf;

use crate::freshness::Build;
use crate::process::run;
use crate::wasm;
use crate::workspace::Workspace;

/// The npm package; it reads what the wasm step wrote.
const CLIENT: Member = Member {
    folder: "web/client",
    reads: &["web/client/wasm"],
    writes: "web/client/dist/index.js",
};
/// The page; it reads what the npm package was built into.
const APP: Member = Member {
    folder: "web/app",
    reads: &["web/client/dist", "web/client/wasm"],
    writes: "web/app/dist/index.html",
};
/// What any member's build may read, in its own folder.
const OWN_INPUTS: [&str; 8] = [
    "index.html",
    "package.json",
    "public",
    "src",
    "tsconfig.build.json",
    "tsconfig.json",
    "vite.config.js",
    "vite.config.ts",
];
/// What every member's build reads.
const SHARED_INPUTS: [&str; 2] = ["web/package-lock.json", "web/tsconfig.base.json"];

/// A member of the npm workspace.
struct Member {
    folder: &'static str,
    reads: &'static [&'static str],
    writes: &'static str,
}

/// Builds the browser peer, then the npm package, then the page.
pub fn build(workspace: &Workspace) -> anyhow::Result<()> {
    wasm::build(workspace)?;
    CLIENT.build(workspace)?;
    APP.build(workspace)
}

impl Member {
    fn build(&self, workspace: &Workspace) -> anyhow::Result<()> {
        let name = self.folder.replace('/', "-");
        let build = Build {
            stamp: workspace.stamp(&name),
            inputs: &self.inputs(workspace),
            outputs: &[workspace.path(self.writes)],
        };
        build
            .run(|| run(workspace.npm(self.folder).args(["run", "build"])))
            .map(drop)
    }

    fn inputs(&self, workspace: &Workspace) -> Vec<PathBuf> {
        let own = OWN_INPUTS
            .iter()
            .map(|input| workspace.path(self.folder).join(input));
        let others = SHARED_INPUTS
            .iter()
            .chain(self.reads)
            .map(|input| workspace.path(input));
        own.chain(others).collect()
    }
}
