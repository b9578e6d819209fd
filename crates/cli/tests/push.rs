//! Copies with others before a seeder stops.
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod common;
mod relays;

use common::{Desk, MIB, Running, Samara, noise};
use relays::Relay;
use serde_json::Value;

const LEN: usize = 3 * MIB + 17;

/// A seed of `ENTRY.json` that wants so many copies.
fn pushing(samara: Samara, copies: &str, keepers: &[&Relay]) -> Samara {
    let keepers = keepers
        .iter()
        .flat_map(|relay| ["--relay", relay.url.as_str()]);
    samara
        .args(["seed", "-i", "ENTRY.json", "--no-dht", "--push", copies])
        .args(keepers)
}

/// Waits until so many whole copies are proven; more must not come first.
#[track_caller]
fn wait_for_copies(seed: &Running, copies: u64) -> Value {
    seed.wait_until(|event| {
        let pushed = event["event"] == "pushed";
        assert!(
            !pushed || event["copies"].as_u64() <= Some(copies),
            "{event}"
        );
        pushed && event["copies"] == copies
    })
}

/// It is a push that is over, in JSON or in words.
fn is_safe(said: &Value) -> bool {
    let in_words = said
        .as_str()
        .is_some_and(|line| line.contains("safe to stop"));
    in_words || (said["event"] == "pushed" && said["copies"] == said["target"])
}

#[test]
fn relays_and_a_native_peer_prove_the_copies_that_outlive_the_seeder() {
    let desk = Desk::new();
    desk.ingest("native", &desk.file("another", MIB));
    let (_native, native) = desk.seed("native");
    let relays = [Relay::start(&desk, "first"), Relay::start(&desk, "second")];
    let link = desk.ingest("own", &desk.file("file", LEN));

    let seed = pushing(desk.samara("own"), "3", &[&relays[0], &relays[1]]);
    let seed = seed.peer(&native).start();
    let proven = wait_for_copies(&seed, 3);
    assert_eq!(proven["target"], 3, "{proven}");
    assert_eq!(proven["proven"], proven["wanted"], "{proven}");
    seed.kill();

    let urls = [&relays[0].url, &relays[1].url];
    let ways = urls.map(|url| ["--relay", url]);
    for (at, way) in ways.into_iter().chain([["--peer", &native]]).enumerate() {
        let (store, out) = (format!("reader {at}"), format!("out {at}"));
        let fetch = desk.fetch(&store, &link, &out).args(way);
        fetch.end().assert_code(0);
        assert!(
            std::fs::read(desk.path(&out)).unwrap() == noise(LEN),
            "{at}"
        );
    }
}

#[test]
fn a_fetch_ends_once_others_proved_the_copies_it_was_asked_for() {
    let desk = Desk::new();
    let relays = [Relay::start(&desk, "first"), Relay::start(&desk, "second")];
    desk.ingest("own", &desk.file("file", LEN));
    let (seed, address) = desk.seed("own");
    let urls = [&relays[0].url, &relays[1].url].map(String::as_str);
    let fetch = |store: &str, out: &str| {
        let copies = "3";
        desk.samara(store)
            .args(["fetch", "-i", "ENTRY.json", "-o", out, "--no-dht"])
            .args(["--relay", urls[0], "--relay", urls[1], "--push", copies])
            .args(["--timeout", "10"])
    };
    // The seeder holds what is offered, too.
    let ended = fetch("reader", "read").peer(&address).end();
    ended.assert_code(0);
    assert!(is_safe(&ended.event("pushed")), "{}", ended.stderr);
    seed.kill();

    let too_few = fetch("another", "read again").end();
    too_few.assert_failed(4, &["file is complete", "2 of 3 whole copies"]);
    assert!(std::fs::read(desk.path("read again")).unwrap() == noise(LEN));
}

#[test]
fn a_push_says_in_words_that_it_is_safe_to_stop() {
    let desk = Desk::new();
    let relays = [Relay::start(&desk, "first"), Relay::start(&desk, "second")];
    desk.ingest("own", &desk.file("file", LEN));
    let seed = pushing(desk.samara_in_words("own"), "2", &[&relays[0], &relays[1]]).start();
    let said = seed.wait_until(is_safe);
    assert_eq!(said, "kept elsewhere, 2 whole copies: safe to stop");
}

#[cfg(unix)]
#[test]
fn a_push_with_a_keeper_too_few_never_says_that_it_is_safe_to_stop() {
    let desk = Desk::new();
    let relays = [Relay::start(&desk, "first"), Relay::start(&desk, "second")];
    desk.ingest("own", &desk.file("file", LEN));
    for samara in [desk.samara("own"), desk.samara_in_words("own")] {
        let seed = pushing(samara, "3", &[&relays[0], &relays[1]]).start();
        seed.wait_until(|said| {
            assert!(!is_safe(said), "{said}");
            said == "2 of 3 whole copies are kept elsewhere" || said["copies"] == 2
        });
        let (code, rest) = seed.stop_and_hear();
        assert_eq!(code, Some(0));
        assert!(!rest.iter().any(is_safe), "{rest:?}");
    }
}

#[test]
fn a_keeper_that_comes_late_makes_a_push_safe() {
    let desk = Desk::new();
    let first = Relay::start(&desk, "first");
    let second = Relay::start(&desk, "second");
    let place = second.address().to_owned();
    desk.ingest("own", &desk.file("file", LEN));
    let seed = pushing(desk.samara("own"), "2", &[&first, &second]);
    drop(second);

    let seed = seed.start();
    let half = wait_for_copies(&seed, 1);
    assert_eq!(half["target"], 2, "{half}");
    let [proven, wanted] = ["proven", "wanted"].map(|name| half[name].as_u64().unwrap());
    assert_eq!(2 * proven, wanted, "{half}");

    let _second = Relay::start_at(&desk, "second", &place);
    assert!(is_safe(&wait_for_copies(&seed, 2)));
}
