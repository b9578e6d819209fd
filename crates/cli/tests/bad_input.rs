//! What goes wrong is said in one sentence, with a code, and nothing is lost.
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod common;
mod strangers;

use common::{Desk, Ended, MIB, noise};
use strangers::{Liar, garbage_socket, web_server};

/// Fetches with nobody to fetch from: for what fails before.
fn fetch(desk: &Desk, what: &[&str]) -> Ended {
    let fetch = ["fetch", "-o", "out", "--no-dht", "--listen", "127.0.0.1:0"];
    desk.samara("b").args(fetch).args(what).end()
}

#[test]
fn a_wrong_link_is_refused() {
    let desk = Desk::new();
    let file = desk.file("file", 10);
    let link = desk.ingest("a", &file);
    let cut = &link[..link.len() - 3];
    fetch(&desk, &[cut]).assert_failed(3, &["91 characters", "94", "copy it again"]);
    let swapped = if link.ends_with('A') { "B" } else { "A" };
    let mistyped = format!("{}{swapped}", &link[..link.len() - 1]);
    fetch(&desk, &[&mistyped]).assert_failed(3, &["damaged", "copy it again"]);
    fetch(&desk, &["https://example.org/"]).assert_failed(3, &["not a samara link"]);
    assert!(!desk.path("b").exists(), "a store was made for nothing");
}

#[test]
fn a_wrong_entry_is_refused() {
    let desk = Desk::new();
    let file = desk.file("file", 10);
    desk.ingest("a", &file);
    let entry = std::fs::read_to_string(desk.path("ENTRY.json")).unwrap();
    let key_at = entry.find("\"key\"").unwrap();
    let foreign = format!("{}\"shoe\": 43, {}", &entry[..key_at], &entry[key_at..]);
    let missing = entry.replace("\"chunkSize\"", "\"lumpSize\"");
    for (text, words) in [
        (missing, ["no field", "chunkSize"]),
        (foreign, ["chunk 0", "\"id\", \"key\""]),
        (entry[..entry.len() / 2].to_owned(), ["not JSON", "line"]),
        (
            String::new(),
            ["not JSON", "use the file that ingest wrote"],
        ),
    ] {
        std::fs::write(desk.path("wrong.json"), text).unwrap();
        fetch(&desk, &["-i", "wrong.json"]).assert_failed(3, &words);
        let seed = ["seed", "-i", "wrong.json", "--no-dht"];
        desk.samara("a").args(seed).end().assert_failed(3, &words);
    }
    std::fs::write(desk.path("wrong.json"), noise(5000)).unwrap();
    fetch(&desk, &["-i", "wrong.json"]).assert_failed(3, &["no entry"]);
    fetch(&desk, &["-i", "missing.json"]).assert_failed(3, &["missing.json", "cannot be read"]);
}

#[test]
fn an_entry_with_a_wrong_key_gives_no_file() {
    let desk = Desk::new();
    let file = desk.file("file", 2 * MIB);
    desk.ingest("a", &file);
    let (_seed, address) = desk.seed("a");
    let entry = std::fs::read_to_string(desk.path("ENTRY.json")).unwrap();
    let mut entry: serde_json::Value = serde_json::from_str(&entry).unwrap();
    entry["chunks"][1]["key"] = "00".repeat(32).into();
    std::fs::write(desk.path("forged.json"), entry.to_string()).unwrap();
    std::fs::create_dir(desk.path("out")).unwrap();

    let forged = [
        "fetch",
        "-i",
        "forged.json",
        "--no-dht",
        "--peer",
        &address,
        "-o",
    ];
    let ended = desk.samara("b").args(forged).arg("out/file").end();
    ended.assert_failed(3, &["chunk 1", "damaged or forged"]);
    assert!(desk.names("out").is_empty());
    let ended = desk.samara("c").args(forged).arg("-").end();
    ended.assert_failed(3, &["chunk 1", "damaged or forged"]);
}

#[test]
fn a_tampered_blob_is_not_served() {
    let desk = Desk::new();
    let file = desk.file("file", 3 * MIB);
    let link = desk.ingest("a", &file);
    let (seed, address) = desk.seed("a");
    desk.fetch("honest", &link, "out")
        .peer(&address)
        .end()
        .assert_code(0);
    std::fs::remove_file(desk.path("out")).unwrap();
    drop(seed);

    let entry = std::fs::read_to_string(desk.path("ENTRY.json")).unwrap();
    let entry: serde_json::Value = serde_json::from_str(&entry).unwrap();
    let id = entry["chunks"][1]["id"].as_str().unwrap();
    let blob = desk.path("a").join("blobs").join(&id[..2]).join(id);
    let mut bytes = std::fs::read(&blob).unwrap();
    bytes[500] ^= 1;
    std::fs::write(&blob, bytes).unwrap();

    let (seed, address) = desk.seed("a");
    let ended = desk
        .fetch("b", &link, "out")
        .args(["--timeout", "2"])
        .peer(&address)
        .end();
    ended.assert_failed(4, &["nobody who has the file was found", "try again"]);
    assert!(!desk.path("out").exists());
    drop(seed);

    // What came is kept: an honest source has to give the rest only.
    let held = desk.stored_bytes("b");
    assert!(held > 2 * MIB as u64);
    let (_seed, address) = desk.seed("honest");
    let ended = desk.fetch("b", &link, "out").peer(&address).end();
    ended.assert_code(0);
    let received = ended.event("done")["receivedBytes"].as_u64().unwrap();
    assert_eq!(received, desk.stored_bytes("b") - held);
    assert!(std::fs::read(desk.path("out")).unwrap() == noise(3 * MIB));
}

#[test]
fn a_lying_peer_is_cut_off() {
    let desk = Desk::new();
    let file = desk.file("file", 2 * MIB);
    let link = desk.ingest("a", &file);
    let liar = Liar::start(&desk.path("ENTRY.json"));
    let fetch = desk.fetch("b", "ENTRY.json", "out").peer(liar.url());
    let ended = fetch.args(["--timeout", "2"]).end();
    ended.assert_failed(4, &["nobody who has the file was found"]);
    let said = ended.event("misbehaved");
    assert_eq!(said["peer"], Liar::peer());
    assert_eq!(said["what"], "a wrong blob");
    assert!(!desk.path("out").exists());
    let entry = desk.stored_bytes("b");
    assert!(entry < 1024, "{entry} bytes, the sealed entry alone");

    // Beside an honest peer the liar only costs time.
    let (_seed, address) = desk.seed("a");
    desk.fetch("c", &link, "out")
        .peer(liar.url())
        .peer(&address)
        .end()
        .assert_code(0);
    assert!(std::fs::read(desk.path("out")).unwrap() == noise(2 * MIB));
}

#[test]
fn a_store_in_use_is_left_alone() {
    let desk = Desk::new();
    let file = desk.file("file", MIB);
    desk.ingest("a", &file);
    let (_seed, address) = desk.seed("a");
    for command in [
        vec!["ingest", "-i", "file"],
        vec!["seed", "-i", "ENTRY.json", "--no-dht"],
        vec!["fetch", "-i", "ENTRY.json", "-o", "out", "--no-dht"],
    ] {
        let ended = desk.samara("a").args(&command).end();
        ended.assert_failed(6, &["another process has the store", "choose another"]);
    }
    desk.fetch("b", "ENTRY.json", "out")
        .peer(&address)
        .end()
        .assert_code(0);
}

#[test]
fn a_folder_with_other_files_is_no_store() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("documents")).unwrap();
    std::fs::write(desk.path("documents/letter.txt"), "dear").unwrap();
    let ended = desk.samara("documents").args(["status"]).end();
    ended.assert_failed(1, &["not a store's", "choose"]);
    assert_eq!(desk.names("documents"), ["letter.txt"]);
}

#[test]
fn an_unreachable_relay_is_named() {
    let desk = Desk::new();
    let file = desk.file("file", MIB);
    let link = desk.ingest("a", &file);
    // A port that was free a moment ago, held so that nobody else takes it.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let relay = format!("http://127.0.0.1:{port}");
    let ended = desk
        .fetch("b", &link, "out")
        .args(["--relay", &relay])
        .end();
    ended.assert_failed(4, &["nobody could be reached", &port.to_string()]);

    // With somebody else to ask it is a warning.
    let (_seed, address) = desk.seed("a");
    let ended = desk
        .fetch("b", &link, "out")
        .args(["--relay", &relay])
        .args(["--peer", &address])
        .end();
    ended.assert_code(0);
    assert!(std::fs::read(desk.path("out")).unwrap() == noise(MIB));
}

#[test]
fn nobody_to_ask_is_said_at_once() {
    let desk = Desk::new();
    let file = desk.file("file", 10);
    let link = desk.ingest("a", &file);
    desk.fetch("b", &link, "out")
        .end()
        .assert_failed(2, &["--relay or --peer"]);
}

#[test]
fn a_web_server_is_no_peer() {
    let desk = Desk::new();
    let file = desk.file("file", 10);
    let link = desk.ingest("a", &file);
    let url = web_server();
    let ended = desk.fetch("b", &link, "out").peer(&url).end();
    ended.assert_failed(4, &["no samara relay or peer", "404"]);
}

#[test]
fn a_socket_that_sends_garbage_is_no_peer() {
    let desk = Desk::new();
    let file = desk.file("file", 10);
    let link = desk.ingest("a", &file);
    for (text, words) in [
        (true, "not a samara peer"),
        (false, "nobody could be reached"),
    ] {
        let url = garbage_socket(text);
        desk.fetch("b", &link, "out")
            .peer(&url)
            .end()
            .assert_failed(4, &[words]);
    }
}

#[test]
fn wrong_arguments_are_said_with_their_own_code() {
    let desk = Desk::new();
    for args in [
        vec!["fetch"],
        vec!["fetch", "link"],
        vec!["ingest"],
        vec!["seed", "-i", "e", "--relay", "relay.example"],
        vec!["seed", "-i", "e", "--max-size", "many"],
        vec!["fly"],
    ] {
        let ended = desk.samara("a").args(&args).end();
        ended.assert_code(2);
        assert!(ended.stderr.contains("--help"), "{}", ended.stderr);
    }
}

#[test]
fn a_file_that_is_not_there_is_not_ingested() {
    let desk = Desk::new();
    let ended = desk.samara("a").args(["ingest", "-i", "none"]).end();
    ended.assert_failed(1, &["none cannot be read"]);
    assert_eq!(desk.stored_bytes("a"), 0);
}

#[test]
fn an_entry_that_has_no_place_is_said_before_the_work() {
    let desk = Desk::new();
    let file = desk.file("file", 10);
    for (output, words) in [
        ("nodir/x.json", ["no folder nodir", "create it"]),
        (".", ["is a folder", "name a file"]),
    ] {
        let ingest = desk.samara("a").args(["ingest", "-o", output, "-i"]);
        ingest.arg(&file).end().assert_failed(1, &words);
    }
    assert!(!desk.path("a").exists(), "a store was made for nothing");
}

#[cfg(unix)]
#[test]
fn only_a_regular_file_is_ingested() {
    let desk = Desk::new();
    desk.pipe("pipe");
    for input in ["pipe", "."] {
        let ended = desk.samara("a").args(["ingest", "-i", input]).end();
        ended.assert_failed(1, &[input, "not a regular file", "first"]);
    }
}
