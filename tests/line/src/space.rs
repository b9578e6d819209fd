//! Network namespaces.

use std::process::Command;

use anyhow::{Context as _, ensure};

/// A network namespace. It goes when it is dropped.
pub struct Space(String);

impl Space {
    /// Makes one of this name.
    pub fn new(name: String) -> anyhow::Result<Self> {
        ip(&format!("netns add {name}"))?;
        let space = Self(name);
        space.ip("link set lo up")?;
        Ok(space)
    }

    /// As `ip netns` knows it.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Runs `ip` on what is inside.
    pub fn ip(&self, what: &str) -> anyhow::Result<()> {
        ip(&format!("-n {} {what}", self.0))
    }

    /// A command inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, program]);
        command
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // What is left goes with the machine.
        let _ = ip(&format!("netns del {}", self.0));
    }
}

pub(crate) fn ip(what: &str) -> anyhow::Result<()> {
    let ended = Command::new("ip").args(what.split(' ')).output();
    let ended = ended.context("there is no command ip (iproute2)")?;
    let said = String::from_utf8_lossy(&ended.stderr);
    ensure!(ended.status.success(), "ip {what}: {}", said.trim());
    Ok(())
}
