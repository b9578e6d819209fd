//! Everything that can be found wrong without running the product.

mod layers;
mod licences;
mod vectors;

use crate::process::run;
use crate::report::Report;
use crate::setup::{self, E2E, Need, WEB};
use crate::web;
use crate::workspace::Workspace;

/// Sets up and checks everything.
pub fn everything(workspace: &Workspace) -> anyhow::Result<()> {
    setup::ensure(workspace, &[Need::Packages(E2E)])?;
    // The relay embeds the page, and the page's types come from its build.
    web::build(workspace)?;
    let mut report = Report::default();
    steps(workspace, &mut report);
    report.finish()
}

/// The checks themselves, when the page is built.
pub fn steps(workspace: &Workspace, report: &mut Report) {
    report.step("rust format", || {
        run(workspace.cargo().args(["fmt", "--all", "--check"]))
    });
    report.step("rust lints", || {
        let mut clippy = workspace.cargo();
        run(clippy.args(["clippy", "--workspace", "--all-targets", "--", "-Dwarnings"]))
    });
    report.step("layers", || layers::check(workspace));
    report.step("licences and sources", || licences::check(workspace));
    report.step("test vectors", || vectors::check(workspace));
    report.step("web types and lints", || {
        run(workspace.npm(WEB).args(["run", "check"]))
    });
    report.step("end-to-end test types", || {
        run(workspace.npm(E2E).args(["run", "check"]))
    });
}
