//! Starting other programs: what is run is said, and a failure names the command.

use std::convert::Infallible;
use std::env;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, bail};
use cargo_metadata::{Artifact, Message};

use crate::tally::Tally;

/// Runs `command` to its end with its output shown.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    announce(command);
    let status = command.status().with_context(|| cannot_start(command))?;
    succeeded(command, status)
}

/// Runs the test runner `command`, shows its output and counts its tests.
pub fn run_tests(command: &mut Command, tally: &mut Tally) -> anyhow::Result<()> {
    announce(command);
    let mut child = command
        // Colour codes would stand between the runner's words.
        .env_remove("FORCE_COLOR")
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| cannot_start(command))?;
    let stdout = child.stdout.take().expect("stdout is piped");
    for read in BufReader::new(stdout).split(b'\n') {
        let read = read?;
        let text = String::from_utf8_lossy(&read);
        println!("{text}");
        tally.read(&text);
    }
    succeeded(command, child.wait()?)
}

/// Runs the cargo build `command` and returns what it built, or found built.
pub fn run_cargo(command: &mut Command) -> anyhow::Result<Vec<Artifact>> {
    announce(command);
    let mut child = command
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| cannot_start(command))?;
    let stdout = child.stdout.take().expect("stdout is piped");
    let mut built = Vec::new();
    for message in Message::parse_stream(BufReader::new(stdout)) {
        if let Message::CompilerArtifact(artifact) = message? {
            built.push(artifact);
        }
    }
    succeeded(command, child.wait()?)?;
    Ok(built)
}

/// What `command` prints, or `None` when it cannot start or fails.
pub fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Becomes `command`, so that signals reach it directly.
#[cfg(unix)]
pub fn become_program(command: &mut Command) -> anyhow::Result<Infallible> {
    use std::os::unix::process::CommandExt;
    announce(command);
    Err(command.exec()).with_context(|| cannot_start(command))
}

/// Runs `command` and ends as it ends.
#[cfg(not(unix))]
pub fn become_program(command: &mut Command) -> anyhow::Result<Infallible> {
    announce(command);
    let status = command.status().with_context(|| cannot_start(command))?;
    std::process::exit(status.code().unwrap_or(1))
}

/// The first file called `program` on the search path.
pub fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// `command` as one would type it.
pub fn line(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        write!(text, " {}", argument.to_string_lossy()).expect("a string grows");
    }
    text
}

fn succeeded(command: &Command, status: ExitStatus) -> anyhow::Result<()> {
    if status.success() {
        Ok(())
    } else {
        bail!("`{}` failed ({status})", line(command))
    }
}

fn announce(command: &Command) {
    println!("$ {}", line(command));
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start `{}`", line(command))
}
