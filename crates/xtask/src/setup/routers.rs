//! What makes networks with routers in them, and a TURN server.

use anyhow::Context;

use super::apt;
use crate::process;

/// Programs, and Debian's packages of them.
const PROGRAMS: [(&str, &str); 4] = [
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("sysctl", "procps"),
    ("turnserver", "coturn"),
];

/// Installs what is missing.
pub fn find_or_install() -> anyhow::Result<String> {
    let missing = PROGRAMS
        .iter()
        .filter(|(program, _)| process::find(program).is_none());
    let missing: Vec<_> = missing.map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        apt::install(&missing).context("networks with routers need them")?;
    }
    let names = PROGRAMS.map(|(program, _)| program);
    Ok(names.join(", "))
}
