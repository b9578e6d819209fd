//! A native fetch over loopback WebSocket into a file, against a bare
//! WebSocket that writes the same bytes to a file and syncs it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::figure::{Figure, Row};
use crate::input::MEBIBYTE;
use crate::place::{Kind, Place};
use crate::process::{self, Samara, Server};

pub fn measure(samara: &Samara, place: &Place, rounds: usize) -> anyhow::Result<Row> {
    let seeder = place.folder()?;
    let (store, entry) = (seeder.path().join("store"), seeder.path().join("entry"));
    let mut ingest = samara.command("ingest", &store);
    ingest.arg("-i").arg(&place.input).arg("-o").arg(&entry);
    ensure!(
        ingest.stderr(Stdio::null()).status()?.success(),
        "ingest failed"
    );
    let one = || Ok((ours(samara, &entry, &store, place)?, bare(place)?));
    let (what, goal) = match place.kind {
        Kind::Memory => ("native fetch into a file, in memory", Some(0.5)),
        Kind::Disk => ("native fetch into a file, on the disk", None),
    };
    Ok(Row {
        what,
        baseline: "a bare WebSocket writing to a file, synced",
        goal,
        rounds: (0..rounds).map(|_| one()).collect::<anyhow::Result<_>>()?,
    })
}

fn ours(samara: &Samara, entry: &Path, store: &Path, place: &Place) -> anyhow::Result<Figure> {
    let mut seed = samara.command("seed", store);
    seed.args(["--listen", "127.0.0.1:0", "--no-dht", "--json", "-i"])
        .arg(entry);
    let mut seed = seed.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let events = seed.stderr.take().context("standard error is piped")?;
    let seed = Server(seed);
    let address = listening(BufReader::new(events))?;

    let reader = place.folder()?;
    let mut fetch = samara.command("fetch", &reader.path().join("store"));
    fetch
        .args(["--no-dht", "--peer", &format!("ws://{address}"), "-i"])
        .arg(entry);
    fetch.arg("-o").arg(reader.path().join("out.bin"));
    process::measure(place.bytes()?, Some(seed), fetch.stderr(Stdio::null()))
}

/// The address that a seeding process says it listens at.
fn listening(events: impl std::io::BufRead) -> anyhow::Result<String> {
    for line in events.lines() {
        let event: serde_json::Value = serde_json::from_str(&line?)?;
        if let Some(address) = event["address"].as_str() {
            return Ok(address.into());
        }
    }
    anyhow::bail!("samara seed ended before it listened")
}

fn bare(place: &Place) -> anyhow::Result<Figure> {
    let bytes = place.bytes()?;
    let itself = std::env::current_exe()?;
    let mebibytes = (bytes / MEBIBYTE as u64).to_string();
    let mut send = Command::new(&itself);
    let mut send = send
        .args(["bare-send", &mebibytes])
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = send.stdout.take().context("standard output is piped")?;
    let send = Server(send);
    let mut port = String::new();
    BufReader::new(stdout).read_line(&mut port)?;

    let folder = place.folder()?;
    let mut receive = Command::new(&itself);
    receive
        .args(["bare-receive", port.trim()])
        .arg(folder.path().join("out.bin"));
    process::measure(bytes, Some(send), &mut receive)
}
