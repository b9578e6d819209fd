use std::collections::BTreeMap;

use samara_core::entry::blob::{SealedEntry, join_entry, open_entry, seal_entry};
use samara_core::entry::{EntryError, FileEntry};
use samara_core::seal::open;
use samara_core::{BlobId, BlobKey, Link};
use serde::Deserialize;
use serde_json::Value;

use crate::{Hex, read};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    entries: Vec<TwoForms>,
    texts: Vec<Unknown>,
    long_texts: Vec<Long>,
    refused_json: Vec<RefusedJson>,
    refused_binary: Vec<RefusedBinary>,
}

#[derive(Deserialize)]
struct TwoForms {
    name: String,
    entry: Value,
    binary: Hex,
}

#[derive(Deserialize)]
struct Unknown {
    name: String,
    text: String,
    binary: Hex,
}

/// Both forms stand around a text that is repeated.
#[derive(Deserialize)]
struct Long {
    name: String,
    repeated: String,
    times: usize,
    text: [String; 2],
    binary: [Hex; 2],
    reason: Option<String>,
}

#[derive(Deserialize)]
struct RefusedJson {
    name: String,
    text: String,
    reason: String,
    field: Option<String>,
}

#[derive(Deserialize)]
struct RefusedBinary {
    name: String,
    binary: Hex,
    reason: String,
    field: Option<String>,
}

/// The vectors' name for an error, and the field it is about.
fn reason(error: &EntryError) -> (&'static str, Option<String>) {
    match error {
        EntryError::Syntax { .. } => ("syntax", None),
        EntryError::Missing(field) => ("missing", Some((*field).into())),
        EntryError::Invalid { field, .. } => ("invalid", Some((*field).into())),
        EntryError::InvalidChunk { .. } => ("invalid-chunk", None),
        EntryError::ChunkCount { .. } => ("chunk-count", None),
        EntryError::RepeatedChunk { .. } => ("repeated-chunk", None),
        EntryError::Newer => ("newer", None),
        EntryError::Damaged => ("damaged", None),
        EntryError::TooLarge => ("too-large", None),
        EntryError::UnknownTooLong => ("too-long", None),
        other => panic!("the vectors have no name for {other}"),
    }
}

fn parse(entry: &Value) -> FileEntry {
    FileEntry::from_json(&entry.to_string()).expect("the vector's entry is one")
}

#[test]
fn both_forms_of_an_entry_turn_into_each_other() {
    let entries: File = read("entry.json");
    for case in entries.entries {
        let entry = parse(&case.entry);
        assert_eq!(entry.to_binary(), case.binary.0, "{}", case.name);

        let read = FileEntry::from_binary(&case.binary.0);
        assert_eq!(read.as_ref(), Ok(&entry), "{}", case.name);
        let json: Value = serde_json::from_str(&entry.to_json()).unwrap();
        assert_eq!(json, case.entry, "{}", case.name);

        let padded = [&case.binary.0[..], &[0; 100]].concat();
        assert_eq!(FileEntry::from_binary(&padded), read, "{}", case.name);
    }
}

#[test]
fn unknown_fields_have_one_text_in_the_binary_form() {
    let file: File = read("entry.json");
    for case in file.texts {
        let entry = FileEntry::from_json(&case.text).unwrap();
        let (ours, theirs) = (entry.to_binary(), case.binary.0);
        let text = String::from_utf8_lossy;
        assert_eq!(text(&ours), text(&theirs), "{}", case.name);
        assert_eq!(FileEntry::from_binary(&ours).as_ref(), Ok(&entry));
        assert_eq!(FileEntry::from_json(&entry.to_json()), Ok(entry));
    }
}

#[test]
fn unknown_fields_are_as_long_as_the_vectors_allow() {
    let file: File = read("entry.json");
    for case in file.long_texts {
        let middle = case.repeated.repeat(case.times);
        let text = case.text.join(&middle);
        let [before, after] = &case.binary;
        let binary = [&before.0, middle.as_bytes(), &after.0].concat();
        let (of_text, of_binary) = (FileEntry::from_json(&text), FileEntry::from_binary(&binary));
        if let Some(expected) = case.reason {
            for refused in [of_text, of_binary] {
                let (found, _) = reason(&refused.expect_err(&case.name));
                assert_eq!(found, expected, "{}", case.name);
            }
        } else {
            let entry = of_text.expect(&case.name);
            assert!(entry.to_binary() == binary, "{}", case.name);
            assert!(of_binary == Ok(entry), "{}", case.name);
        }
    }
}

#[test]
fn what_is_no_entry_is_refused_for_the_vectors_reason() {
    let entries: File = read("entry.json");
    for case in entries.refused_json {
        let error = FileEntry::from_json(&case.text).expect_err(&case.name);
        let expected = (case.reason.as_str(), case.field);
        assert_eq!(reason(&error), expected, "{}", case.name);
    }
    for case in entries.refused_binary {
        let error = FileEntry::from_binary(&case.binary.0).expect_err(&case.name);
        let expected = (case.reason.as_str(), case.field);
        assert_eq!(reason(&error), expected, "{}", case.name);
    }
}

#[derive(Deserialize)]
struct EntryBlobs {
    entries: Vec<Sealed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sealed {
    name: String,
    entry: Value,
    depth: u8,
    layers: Vec<Layer>,
    entry_blob: Top,
    link: String,
}

#[derive(Deserialize)]
struct Layer {
    binary: Hex,
    chunks: Vec<Chunk>,
}

#[derive(Deserialize)]
struct Chunk {
    id: Hex,
    key: Hex,
    blob: Hex,
}

#[derive(Deserialize)]
struct Top {
    binary: Hex,
    #[serde(flatten)]
    chunk: Chunk,
}

impl Chunk {
    fn id(&self) -> BlobId {
        BlobId::from_bytes(self.id.array())
    }

    fn key(&self) -> BlobKey {
        BlobKey::from_bytes(self.key.array())
    }
}

#[test]
fn entries_seal_to_the_vectors_blobs_and_links() {
    let entries: EntryBlobs = read("entry-blob.json");
    for case in entries.entries {
        let SealedEntry { link, blobs } = seal_entry(&parse(&case.entry)).unwrap();
        assert_eq!(link.to_text(), case.link, "{}", case.name);
        assert_eq!(link.depth.get(), case.depth, "{}", case.name);
        assert_eq!(link.id, case.entry_blob.chunk.id(), "{}", case.name);
        assert_eq!(link.key, case.entry_blob.chunk.key(), "{}", case.name);

        let inner = case.layers.iter().flat_map(|layer| &layer.chunks);
        let expected: Vec<_> = inner.chain([&case.entry_blob.chunk]).collect();
        assert_eq!(blobs.len(), expected.len(), "{}", case.name);
        for (blob, expected) in blobs.iter().zip(expected) {
            assert_eq!(blob.id(), expected.id(), "{}", case.name);
            assert_eq!(blob.bytes(), &expected.blob.0, "{}", case.name);
        }
    }
}

#[test]
fn the_vectors_blobs_open_from_the_link_layer_by_layer() {
    let entries: EntryBlobs = read("entry-blob.json");
    for case in entries.entries {
        let link: Link = case.link.parse().unwrap();
        let top = &case.entry_blob;
        let opened = open(&link.key, &top.chunk.blob.0).unwrap();
        assert!(opened.starts_with(&top.binary.0), "{}", case.name);

        let mut entry = open_entry(&link.key, &top.chunk.blob.0, link.depth).unwrap();
        for layer in case.layers.iter().rev() {
            let blobs: BTreeMap<_, _> = layer.chunks.iter().map(|c| (c.id(), &c.blob.0)).collect();
            let parts = entry.chunks().iter().map(|chunk| &blobs[&chunk.id][..]);
            entry = join_entry(&entry, parts.collect::<Vec<_>>()).unwrap();
            assert_eq!(entry.to_binary(), layer.binary.0, "{}", case.name);
        }
        assert_eq!(entry, parse(&case.entry), "{}", case.name);
    }
}
