//! Every check and every test, and one line that sums them up.

use crate::process::run_tests;
use crate::report::Report;
use crate::setup::{self, WEB};
use crate::workspace::Workspace;
use crate::{check, e2e, fuzz, nat, web};

/// Sets up, checks and tests everything.
pub fn everything(workspace: &Workspace) -> anyhow::Result<()> {
    let mut report = Report::default();
    report.step("setup", || setup::everything(workspace));
    if !report.is_clean() {
        return report.finish();
    }
    report.step("build browser and page", || web::build(workspace));
    check::steps(workspace, &mut report);
    report.tests("rust tests", |tally| {
        let mut cargo = workspace.cargo();
        run_tests(cargo.args(["test", "--workspace", "--no-fail-fast"]), tally)
    });
    let routers = "routers and long paths";
    match nat::is_possible() {
        Ok(()) => report.tests(routers, |tally| nat::counted(workspace, tally)),
        Err(why) => report.skip(routers, why),
    }
    report.step("fuzz", || fuzz::briefly(workspace));
    report.tests("web tests", |tally| {
        let mut npm = workspace.npm(WEB);
        run_tests(npm.args(["test", "--workspaces", "--if-present"]), tally)
    });
    report.tests("end-to-end tests", |tally| {
        e2e::counted(workspace, &[], tally)
    });
    report.finish()
}
