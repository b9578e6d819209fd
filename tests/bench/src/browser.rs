//! A fetch between two browsers against a bare data channel between them.
//! The browsers are driven by `tests/e2e/bench/transfer.mjs`.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::figure::{Figure, Row};
use crate::process::{Samara, Server};

const MEBIBYTES: u64 = 100;

pub fn measure(samara: &Samara, rounds: usize) -> anyhow::Result<Row> {
    let store = tempfile::tempdir()?;
    let (_relay, page) = relay(samara, store.path())?;
    let arguments = [page, MEBIBYTES.to_string(), rounds.to_string()];
    let lines = drive("bench/transfer.mjs", &arguments)?;
    let rounds = lines.lines().map(|line| round(&line?));
    let rounds = rounds.collect::<Result<_, _>>()?;
    Ok(Row {
        what: "browser to browser, 100 MiB",
        baseline: "a bare data channel",
        goal: Some(0.95),
        rounds,
    })
}

/// What a script that drives browsers prints.
pub fn drive(script: &str, arguments: &[String]) -> anyhow::Result<Vec<u8>> {
    let output = Command::new("node")
        .arg(script)
        .args(arguments)
        .current_dir("tests/e2e")
        .stderr(Stdio::inherit())
        .output()
        .context("node drives the browsers")?;
    ensure!(output.status.success(), "the browsers' part failed");
    Ok(output.stdout)
}

/// A relay that serves the page, and its address.
pub fn relay(samara: &Samara, store: &Path) -> anyhow::Result<(Server, String)> {
    let mut relay = samara.command("relay", store);
    relay.args(["--listen", "127.0.0.1:0", "--no-dht"]);
    let mut relay = relay.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let stdout = relay.stdout.take().context("standard output is piped")?;
    let relay = Server(relay);
    for line in BufReader::new(stdout).lines() {
        if let Some((_, address)) = line?.split_once("http://") {
            return Ok((relay, format!("http://{address}")));
        }
    }
    anyhow::bail!("the relay ended before it listened")
}

fn round(line: &str) -> anyhow::Result<(Figure, Figure)> {
    let round: Value = serde_json::from_str(line)?;
    Ok((figure(&round["ours"])?, figure(&round["bare"])?))
}

fn figure(value: &Value) -> anyhow::Result<Figure> {
    let seconds = |field: &str| -> anyhow::Result<Duration> {
        let seconds = value[field]
            .as_f64()
            .context("a round has seconds and cpu")?;
        Ok(Duration::try_from_secs_f64(seconds)?)
    };
    Ok(Figure {
        bytes: MEBIBYTES << 20,
        wall: seconds("seconds")?,
        cpu: seconds("cpu")?,
    })
}
