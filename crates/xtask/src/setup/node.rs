//! Node, which builds the page: only looked for, since every system has its own way to install it.

use std::process::Command;

use anyhow::bail;

use super::version::Version;
use crate::process::output;

/// What the build tools of the page require.
const OLDEST: Version = Version(20, 19);

/// The version of Node, if it is new enough and npm is there.
pub fn find() -> anyhow::Result<String> {
    let Version(major, minor) = OLDEST;
    let advice = format!("install Node {major}.{minor} or newer from https://nodejs.org");
    let Some(version) = output(Command::new("node").arg("--version")) else {
        bail!("node is not installed; {advice}");
    };
    let found = version.strip_prefix('v').and_then(Version::parse);
    if found.is_none_or(|found| found < OLDEST) {
        bail!("node {version} is too old; {advice}");
    }
    if crate::process::find("npm").is_none() {
        bail!("npm is not installed; {advice}");
    }
    Ok(version)
}
