//! Whole files between native nodes that know a relay and nothing else.

#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod common;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::Relay;
use common::native::{CONTENT, NAME, Native, pushed};

const LEN: usize = 3_000_000;

fn content() -> Vec<u8> {
    CONTENT.iter().copied().cycle().take(LEN).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_through_the_relay_as_sealed_signals_and_none_of_it_as_blobs() {
    let relay = Relay::start().await;
    let (seeder, reader) = (Native::at(&relay).await, Native::at(&relay).await);
    let (ingested, _seeding) = seeder.seed(LEN);
    assert!(reader.fetch(&ingested).await == content());
    assert_eq!(relay.metric("samara_blob_bytes_sent_total").await, 0);
    assert_eq!(relay.metric("samara_blob_bytes_received_total").await, 0);
    assert!(relay.metric("samara_signal_bytes_total").await > LEN as u64);
    assert_eq!(relay.metric("samara_store_blobs").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_file_outlives_its_seeder_and_the_relay_cannot_open_it() {
    let relay = Relay::start().await;
    let seeder = Native::at(&relay).await;
    let (ingested, mut seeding) = seeder.seed(LEN);
    pushed(&mut seeding).await;
    drop(seeding);
    seeder.node.shutdown().await;

    let reader = Native::at(&relay).await;
    assert!(reader.fetch(&ingested).await == content());
    reader.node.shutdown().await;

    let Relay { server, dir } = relay;
    server.shutdown().await;
    let ids: HashSet<_> = ingested
        .blobs
        .iter()
        .map(|(id, _)| id.to_string())
        .collect();
    let mut blobs = HashSet::new();
    for path in files_of(dir.path()) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let bytes = fs::read(&path).unwrap();
        for (what, secret) in secrets(&ingested) {
            let found = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!found, "{name} holds {what}");
        }
        if ids.contains(&name) {
            blobs.insert(name);
        } else {
            let known = ["index.redb", "lock", "identity", "ledger.redb"].contains(&name.as_str());
            assert!(known, "{name} is on the relay's disk");
        }
    }
    assert_eq!(blobs, ids);
}

/// What would name or open the file.
fn secrets(ingested: &samara_node::Ingested) -> Vec<(&'static str, Vec<u8>)> {
    let link = &ingested.link;
    let text = link.to_text();
    let mut secrets = vec![
        ("the file's content", CONTENT.to_vec()),
        ("the file's name", NAME.into()),
        ("the link", text["samara:".len()..].into()),
        ("the topic", link.topic().as_bytes().to_vec()),
        ("the topic as text", link.topic().to_string().into()),
        ("the link's key", link.key.expose().to_vec()),
        ("the link's key as text", hex(link.key.expose())),
    ];
    for chunk in ingested.entry.chunks() {
        secrets.push(("a chunk's key", chunk.key.expose().to_vec()));
        secrets.push(("a chunk's key as text", hex(chunk.key.expose())));
    }
    secrets
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat().into_bytes()
}

fn files_of(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_of(&path));
        } else {
            files.push(path);
        }
    }
    files
}
