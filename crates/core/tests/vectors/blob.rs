use bytes::Bytes;
use samara_core::padding::{pad, padme};
use samara_core::seal::{open, seal};
use samara_core::{Blob, BlobId, BlobKey, SealingKey};
use serde::Deserialize;

use crate::{Given, Hex, read};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    chunks: Vec<Chunk>,
    refused: Vec<Refused>,
    ids: Vec<Id>,
    refused_ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk {
    name: String,
    key: Hex,
    length: usize,
    padded_length: usize,
    id: BlobIdText,
    blob: Option<Hex>,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    key: Hex,
    blob: Hex,
}

#[derive(Deserialize)]
struct Id {
    bytes: Hex,
    id: BlobIdText,
}

#[derive(Deserialize)]
struct BlobIdText(String);

impl BlobIdText {
    fn parse(&self) -> BlobId {
        self.0.parse().expect("the vector's id is one")
    }
}

/// Byte i is i·i mod 251, then zeros up to the padded length.
fn padded_squares(length: usize) -> Vec<u8> {
    let square = |i: usize| u8::try_from(i * i % 251).expect("below 251");
    let mut chunk: Vec<u8> = (0..length).map(square).collect();
    pad(&mut chunk);
    chunk
}

#[test]
fn chunks_seal_to_the_vectors_blobs_and_open_again() {
    let blobs: File = read("blob.json");
    for case in blobs.chunks {
        let chunk = padded_squares(case.length);
        assert_eq!(chunk.len(), case.padded_length, "{}", case.name);

        let key = SealingKey::generate(&mut Given(case.key.0.clone()));
        let (sealed, key) = seal(key, chunk.clone());
        assert_eq!(sealed.id(), case.id.parse(), "{}", case.name);
        if let Some(blob) = case.blob {
            assert_eq!(sealed.bytes(), &blob.0, "{}", case.name);
        }
        assert_eq!(open(&key, sealed.bytes()), Ok(chunk), "{}", case.name);
    }
}

#[test]
fn blobs_that_a_key_does_not_open_are_refused() {
    let blobs: File = read("blob.json");
    for case in blobs.refused {
        let key = BlobKey::from_bytes(case.key.array());
        assert!(open(&key, &case.blob.0).is_err(), "{}", case.name);
    }
}

#[test]
fn ids_are_what_the_vectors_say_and_nothing_else_is_an_id() {
    let blobs: File = read("blob.json");
    for case in blobs.ids {
        let id = case.id.parse();
        assert_eq!(BlobId::of(&case.bytes.0), id);
        assert_eq!(id.to_string(), case.id.0);
        let other = Bytes::from([&case.bytes.0[..], b"more than a tag is long"].concat());
        assert!(Blob::verify(id, other).is_err());
    }
    for text in blobs.refused_ids {
        assert!(text.parse::<BlobId>().is_err(), "{text}");
    }
}

#[derive(Deserialize)]
struct Padding {
    lengths: Vec<Length>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Length {
    length: usize,
    padded_length: usize,
}

#[test]
fn lengths_are_padded_as_the_vectors_say() {
    let padding: Padding = read("padding.json");
    for case in padding.lengths {
        assert_eq!(padme(case.length), case.padded_length, "{}", case.length);
    }
}
