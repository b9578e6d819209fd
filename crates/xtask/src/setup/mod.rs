//! Getting what a machine lacks.
//!
//! Every need is looked for first, so a complete machine costs a few lookups
//! and no network. A need that cannot be met ends in the command that meets it.

mod apt;
mod browser;
mod compiler;
mod fuzzer;
mod node;
mod packages;
mod routers;
pub mod toolchain;
mod version;

use std::path::PathBuf;

use anyhow::bail;

use crate::workspace::Workspace;

pub use self::browser::{Browser, CHROMIUM, FIREFOX};

/// npm workspace of the client and the page.
pub const WEB: &str = "web";
/// npm package of the browser tests.
pub const E2E: &str = "tests/e2e";
/// npm package of the tests with others' implementations.
pub const INTEROP: &str = "tests/interop";

/// What the browser peer takes.
pub const FOR_WASM: [Need; 3] = [Need::WasmTarget, Need::Node, Need::Packages(WEB)];
/// What the tests in browsers take beyond the build.
pub const FOR_E2E: [Need; 4] = [
    Need::Node,
    Need::Packages(E2E),
    Need::Browser(CHROMIUM),
    Need::Browser(FIREFOX),
];
/// What measuring in a browser takes beyond the build.
pub const FOR_BENCH: [Need; 3] = [Need::Node, Need::Packages(E2E), Need::Browser(CHROMIUM)];

/// What networks with routers take.
pub const FOR_NAT: [Need; 1] = [Need::Routers];

/// What fuzzing takes.
pub const FOR_FUZZ: [Need; 2] = [Need::CppCompiler, Need::Fuzzer];

/// Something a step needs of the machine.
#[derive(Clone, Copy)]
pub enum Need {
    /// A compiler with a standard library for wasm32-unknown-unknown.
    WasmTarget,
    /// Node and npm.
    Node,
    /// The npm packages locked in a folder.
    Packages(&'static str),
    /// A browser of the tests.
    Browser(Browser),
    /// The compiler of the fuzzer's own library.
    CppCompiler,
    /// cargo-fuzz.
    Fuzzer,
    /// Programs for networks with routers, and a TURN server.
    Routers,
}

/// Meets every need there is and says what it found or did.
pub fn everything(workspace: &Workspace) -> anyhow::Result<()> {
    let mut unmet = Vec::new();
    for need in [
        Need::WasmTarget,
        Need::Node,
        Need::Packages(WEB),
        Need::Packages(E2E),
        Need::Packages(INTEROP),
        Need::Browser(CHROMIUM),
        Need::Browser(FIREFOX),
    ] {
        match need.meet(workspace) {
            Ok(found) => println!("{:<26} {found}", need.name()),
            Err(error) => {
                println!("{:<26} missing", need.name());
                unmet.push(format!("{error:#}"));
            }
        }
    }
    if unmet.is_empty() {
        Ok(())
    } else {
        bail!("set-up is not complete\n{}", unmet.join("\n"))
    }
}

/// Meets `needs` and is silent about those already met.
pub fn ensure(workspace: &Workspace, needs: &[Need]) -> anyhow::Result<()> {
    needs
        .iter()
        .try_for_each(|need| need.meet(workspace).map(drop))
}

impl Need {
    fn name(self) -> String {
        match self {
            Self::WasmTarget => "wasm target".to_owned(),
            Self::Node => "node and npm".to_owned(),
            Self::Packages(folder) => format!("npm packages of {folder}"),
            Self::Browser(browser) => browser.name.to_owned(),
            Self::CppCompiler => "c++ compiler".to_owned(),
            Self::Fuzzer => "cargo-fuzz".to_owned(),
            Self::Routers => "routers".to_owned(),
        }
    }

    /// Looks for it, installs it if it is missing, and tells what there is now.
    fn meet(self, workspace: &Workspace) -> anyhow::Result<String> {
        let shown = |path: PathBuf| path.display().to_string();
        match self {
            Self::WasmTarget => toolchain::find_or_install().map(|found| found.to_string()),
            Self::Node => node::find(),
            Self::Packages(folder) => packages::find_or_install(workspace, folder),
            Self::Browser(browser) => browser.find_or_install().map(shown),
            Self::CppCompiler => fuzzer::find_or_install_compiler(),
            Self::Fuzzer => fuzzer::find_or_install(workspace),
            Self::Routers => routers::find_or_install(),
        }
    }
}
