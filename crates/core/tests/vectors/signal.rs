use samara_core::{BlobKey, SignalKey, Topic};
use serde::Deserialize;

use crate::{Given, Hex, read};

#[derive(Deserialize)]
struct Derived {
    keys: Vec<Keys>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    link_key: Hex,
    topic: Hex,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    link_key: Hex,
    signals: Vec<Case>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    topic: Hex,
    context: Hex,
    plain: Hex,
    nonce: Hex,
    sealed: Hex,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    context: Hex,
    sealed: Hex,
}

#[test]
fn a_links_topic_is_the_vectors() {
    let derived: Derived = read("derived.json");
    for case in derived.keys {
        let topic = Topic::of(&BlobKey::from_bytes(case.link_key.array()));
        assert_eq!(topic.as_bytes(), &case.topic.array());
    }
}

#[test]
fn signals_seal_to_the_vectors_bytes_and_open_again() {
    let signals: File = read("signal.json");
    let link_key = BlobKey::from_bytes(signals.link_key.array());
    let key = SignalKey::of(&link_key);
    for case in signals.signals {
        assert_eq!(Topic::of(&link_key).as_bytes(), &case.topic.array());
        let opened = key.open(&case.context.0, &case.sealed.0);
        assert_eq!(opened.as_ref(), Ok(&case.plain.0), "{}", case.name);

        let sealed = key.seal(&mut Given(case.nonce.0), &case.context.0, &case.plain.0);
        assert_eq!(sealed, case.sealed.0, "{}", case.name);
    }
}

#[test]
fn signals_of_another_link_or_context_do_not_open() {
    let signals: File = read("signal.json");
    let key = SignalKey::of(&BlobKey::from_bytes(signals.link_key.array()));
    for case in signals.refused {
        let opened = key.open(&case.context.0, &case.sealed.0);
        assert!(opened.is_err(), "{}", case.name);
    }
}
