//! A file from one command to another, whole.
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod common;
mod proxy;

use common::{Desk, MIB, noise};
use mainline::Testnet;
use proxy::Proxy;

#[test]
fn a_seeded_file_is_fetched_by_entry_and_by_link() {
    let desk = Desk::new();
    let file = desk.file("a film.mkv", 3 * MIB + 17);
    let link = desk.ingest("a", &file);
    let (_seed, address) = desk.seed("a");

    desk.fetch("b", "ENTRY.json", "by-entry")
        .peer(&address)
        .end()
        .assert_code(0);
    desk.fetch("c", &link, "by-link")
        .peer(&address)
        .end()
        .assert_code(0);

    let bytes = std::fs::read(&file).unwrap();
    assert!(std::fs::read(desk.path("by-entry")).unwrap() == bytes);
    assert!(std::fs::read(desk.path("by-link")).unwrap() == bytes);
}

#[test]
fn files_of_every_awkward_size_come_whole() {
    for len in [0, 1, MIB - 1, MIB, MIB + 1] {
        let desk = Desk::new();
        let file = desk.file("file", len);
        let link = desk.ingest("a", &file);
        let (_seed, address) = desk.seed("a");
        desk.fetch("b", &link, "out")
            .peer(&address)
            .end()
            .assert_code(0);
        assert!(
            std::fs::read(desk.path("out")).unwrap() == noise(len),
            "{len}"
        );
    }
}

#[test]
fn an_entry_goes_to_standard_output_and_from_standard_input() {
    let desk = Desk::new();
    let file = desk.file("photo.jpg", 1000);
    let ended = desk.samara("a").args(["ingest", "-i"]).arg(&file).end();
    ended.assert_code(0);
    let entry: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(entry["name"], "photo.jpg");
    assert_eq!(entry["mimeType"], "image/jpeg");
    assert_eq!(entry["size"], 1000);

    std::fs::write(desk.path("ENTRY.json"), &ended.stdout).unwrap();
    let (_seed, address) = desk.seed("a");
    let ended = desk
        .fetch("b", "-", "out")
        .peer(&address)
        .stdin(desk.path("ENTRY.json"))
        .end();
    ended.assert_code(0);
    assert!(std::fs::read(desk.path("out")).unwrap() == noise(1000));
}

#[test]
fn a_folder_gets_the_file_under_its_own_name() {
    let desk = Desk::new();
    let file = desk.file("a film.mkv", MIB);
    let link = desk.ingest("a", &file);
    let (_seed, address) = desk.seed("a");
    std::fs::create_dir(desk.path("films")).unwrap();
    desk.fetch("b", &link, "films")
        .peer(&address)
        .end()
        .assert_code(0);
    assert_eq!(desk.names("films"), ["a film.mkv"]);

    let again = desk.fetch("b", &link, "films").peer(&address).end();
    again.assert_failed(1, &["exists", "a film.mkv"]);
}

#[test]
fn standard_output_gets_the_file_in_order() {
    let desk = Desk::new();
    let file = desk.file("file", 5 * MIB + 1);
    let link = desk.ingest("a", &file);
    let (_seed, address) = desk.seed("a");
    let ended = desk.fetch("b", &link, "-").peer(&address).end();
    ended.assert_code(0);
    assert!(ended.stdout == noise(5 * MIB + 1));
}

#[test]
fn a_reader_is_a_source_for_the_next() {
    let desk = Desk::new();
    let file = desk.file("file", 2 * MIB);
    let link = desk.ingest("a", &file);
    let (seed, address) = desk.seed("a");
    desk.fetch("b", &link, "first")
        .peer(&address)
        .end()
        .assert_code(0);
    seed.kill();

    let (_seed, address) = desk.seed("b");
    desk.fetch("c", &link, "second")
        .peer(&address)
        .end()
        .assert_code(0);
    assert!(std::fs::read(desk.path("second")).unwrap() == noise(2 * MIB));
}

#[test]
fn the_dht_alone_brings_two_peers_together() {
    let desk = Desk::new();
    let testnet = Testnet::builder(10).build().unwrap();
    let bootstrap = testnet.bootstrap.iter().take(3);
    let bootstrap: Vec<_> = bootstrap
        .flat_map(|node| ["--bootstrap".to_owned(), node.clone()])
        .collect();
    let file = desk.file("file", 2 * MIB);
    let link = desk.ingest("a", &file);
    let seed = desk
        .samara("a")
        .args(["seed", &link, "--listen", "127.0.0.1:0"]);
    let seed = seed.args(&bootstrap).start();
    seed.wait_until(|event| event["event"] == "announced" && event["problem"].is_null());

    let fetch = desk.samara("b").args(["fetch", &link, "-o", "out"]);
    fetch.args(&bootstrap).end().assert_code(0);
    assert!(std::fs::read(desk.path("out")).unwrap() == noise(2 * MIB));
}

#[test]
fn a_killed_fetch_goes_on_where_it_was() {
    let desk = Desk::new();
    let file = desk.file("file", 24 * MIB);
    let link = desk.ingest("a", &file);
    let (_seed, address) = desk.seed("a");
    let proxy = Proxy::that_stalls_after(12 * MIB, &address);

    std::fs::create_dir(desk.path("out")).unwrap();
    let first = desk
        .fetch("b", &link, "out/file")
        .peer(&proxy.url())
        .start();
    let held = |event: &serde_json::Value| event["bytes"].as_u64().unwrap_or(0);
    first.wait_until(|event| event["event"] == "progress" && held(event) >= 8 * MIB as u64);
    first.kill();
    let left = desk.names("out");
    assert!(left.iter().all(|name| name.starts_with('.')), "{left:?}");

    let held = desk.stored_bytes("b");
    assert!(held >= 8 * MIB as u64);
    let second = desk.fetch("b", &link, "out/file").peer(&address).end();
    second.assert_code(0);
    let received = second.event("done")["receivedBytes"].as_u64().unwrap();
    assert_eq!(received, desk.stored_bytes("b") - held);
    assert_eq!(desk.names("out"), ["file"]);
    assert!(std::fs::read(desk.path("out/file")).unwrap() == noise(24 * MIB));
}

#[cfg(unix)]
#[test]
fn a_stopped_fetch_leaves_no_file_and_goes_on_later() {
    let desk = Desk::new();
    let file = desk.file("file", 8 * MIB);
    let link = desk.ingest("a", &file);
    let (seed, address) = desk.seed("a");
    let proxy = Proxy::that_stalls_after(4 * MIB, &address);
    std::fs::create_dir(desk.path("out")).unwrap();
    let first = desk
        .fetch("b", &link, "out/file")
        .peer(&proxy.url())
        .start();
    first.wait_until(|event| event["event"] == "progress" && event["chunks"] != 0);
    assert_eq!(first.stop(), Some(130));
    assert!(desk.names("out").is_empty());

    desk.fetch("b", &link, "out/file")
        .peer(&address)
        .end()
        .assert_code(0);
    assert_eq!(desk.names("out"), ["file"]);
    assert_eq!(seed.stop(), Some(0));
}

#[cfg(unix)]
#[test]
fn a_pipe_and_a_link_get_the_entry_and_stay_what_they_are() {
    use std::os::unix::fs::{FileTypeExt as _, symlink};
    let desk = Desk::new();
    let file = desk.file("file", 10);
    let ingest = |output: &str| {
        let ingest = desk.samara("a").args(["ingest", "-o", output, "-i"]);
        ingest.arg(&file).end()
    };
    desk.pipe("pipe");
    let pipe = desk.path("pipe");
    let reader = std::thread::spawn(move || std::fs::read_to_string(pipe).unwrap());
    ingest("pipe").assert_code(0);
    assert!(reader.join().unwrap().contains("\"chunks\""));
    let found = std::fs::symlink_metadata(desk.path("pipe")).unwrap();
    assert!(found.file_type().is_fifo());

    std::fs::write(desk.path("real.json"), "").unwrap();
    symlink("real.json", desk.path("link.json")).unwrap();
    ingest("link.json").assert_code(0);
    assert!(desk.path("link.json").is_symlink());
    let entry = std::fs::read_to_string(desk.path("real.json")).unwrap();
    assert!(entry.contains("\"chunks\""));
}
