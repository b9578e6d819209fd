//! Debian packages, where there is a Debian and the right to install.

use std::process::Command;

use anyhow::{Context, bail};

use crate::process::{find, line, output, run};

/// Installs `packages`, or fails with the command that would.
pub fn install(packages: &[&str]) -> anyhow::Result<()> {
    if find("apt-get").is_none() {
        bail!("this machine has no apt-get");
    }
    let by_hand = line(&apt_get(&["sudo"], packages));
    let Some(rights) = rights() else {
        bail!("installing needs root; run: {by_hand}");
    };
    println!("installing Debian packages: {}", packages.join(" "));
    // Package lists may be absent or name versions the mirror has dropped.
    let mut update = prefixed(rights, "apt-get");
    if let Err(error) = run(update.arg("update")) {
        println!("{error:#}; trying with the lists there are");
    }
    run(&mut apt_get(rights, packages))
        .with_context(|| format!("once its complaint above is met, run: {by_hand}"))
}

/// The command prefix that gives root's rights without asking for a password.
fn rights() -> Option<&'static [&'static str]> {
    if output(Command::new("id").arg("-u"))? == "0" {
        return Some(&[]);
    }
    output(Command::new("sudo").args(["-n", "true"]))?;
    Some(&["sudo", "-n"])
}

fn apt_get(rights: &[&str], packages: &[&str]) -> Command {
    let mut command = prefixed(rights, "apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "--yes", "--no-install-recommends"])
        .args(packages);
    command
}

fn prefixed(rights: &[&str], program: &str) -> Command {
    match rights {
        [] => Command::new(program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_to_run_by_hand_is_whole() {
        assert_eq!(
            line(&apt_get(&["sudo", "-n"], &["chromium"])),
            "sudo -n apt-get install --yes --no-install-recommends chromium"
        );
    }
}
