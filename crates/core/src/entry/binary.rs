//! The canonical binary form of an entry: one entry, one sequence of bytes.
//!
//! `version u8 · length u32 · fields`, each field `tag u8 · length u32 ·
//! value`, tags strictly ascending (`docs/protocol.md`, "Binary entry"). Tags
//! from 128 may be ignored by those who do not know them and are kept; lower
//! ones may not.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::{Map, Value};

use super::json::KNOWN_FIELDS;
use super::{Chunk, ChunkSize, EntryError, FileEntry, UnknownFields, VERSION};
use crate::blob::BlobId;
use crate::seal::BlobKey;
use crate::wire::{Reader, Truncated};

const NAME: u8 = 1;
const SIZE: u8 = 2;
const MIME_TYPE: u8 = 3;
const CHUNK_SIZE: u8 = 4;
const CHUNKS: u8 = 5;
/// Fields only the JSON form has a place for, as one compact JSON object with
/// sorted keys.
const JSON_FIELDS: u8 = 6;
/// Longest text of these fields, in bytes. A short text can be large in memory:
/// `{"":0}` takes some hundred times its length, and an entry is a stranger's.
pub(super) const MAX_JSON_FIELDS: usize = 64 << 10;
/// Tags from here on may be ignored by readers that do not know them.
pub(super) const FIRST_OPTIONAL: u8 = 128;

const HEADER_LEN: usize = 5;
const CHUNK_LEN: usize = BlobId::LEN + BlobKey::LEN;

impl From<Truncated> for EntryError {
    fn from(Truncated: Truncated) -> Self {
        Self::Damaged
    }
}

impl FileEntry {
    /// The one binary form of this entry.
    pub fn to_binary(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(600 + self.chunks.len() * CHUNK_LEN);
        put(&mut body, NAME, self.name.as_bytes());
        put(&mut body, SIZE, &self.size.to_be_bytes());
        put(&mut body, MIME_TYPE, self.mime_type.as_bytes());
        put(&mut body, CHUNK_SIZE, &self.chunk_size.get().to_be_bytes());
        put_header(&mut body, CHUNKS, self.chunks.len() * CHUNK_LEN);
        for chunk in &self.chunks {
            body.extend_from_slice(chunk.id.as_bytes());
            body.extend_from_slice(chunk.key.expose());
        }
        if !self.unknown.json.is_empty() {
            let json = serde_json::to_vec(&self.unknown.json).expect("a JSON map has a text");
            put(&mut body, JSON_FIELDS, &json);
        }
        for (tag, value) in &self.unknown.binary {
            put(&mut body, *tag, value);
        }
        let mut bytes = Vec::with_capacity(HEADER_LEN + body.len());
        put_header(&mut bytes, VERSION, body.len());
        bytes.append(&mut body);
        bytes
    }

    /// Reads an entry off the front of `bytes`; the rest must be zeros, the
    /// padding of the chunk it was sealed in.
    pub fn from_binary(bytes: &[u8]) -> Result<Self, EntryError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(EntryError::Newer);
        }
        let body = value(&mut reader)?;
        if reader.rest().iter().any(|byte| *byte != 0) {
            return Err(EntryError::Damaged);
        }
        Fields::read(body)?.into_entry()
    }
}

fn put_header(bytes: &mut Vec<u8>, tag: u8, len: usize) {
    let len = u32::try_from(len).expect("an entry is below 4 GiB");
    bytes.push(tag);
    bytes.extend_from_slice(&len.to_be_bytes());
}

fn put(bytes: &mut Vec<u8>, tag: u8, value: &[u8]) {
    put_header(bytes, tag, value.len());
    bytes.extend_from_slice(value);
}

fn value<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], EntryError> {
    let len = usize::try_from(reader.u32()?).map_err(|_| EntryError::Damaged)?;
    Ok(reader.take(len)?)
}

#[derive(Default)]
struct Fields<'a> {
    name: Option<&'a [u8]>,
    size: Option<&'a [u8]>,
    mime_type: Option<&'a [u8]>,
    chunk_size: Option<&'a [u8]>,
    chunks: Option<&'a [u8]>,
    unknown: UnknownFields,
}

impl<'a> Fields<'a> {
    fn read(body: &'a [u8]) -> Result<Self, EntryError> {
        let mut fields = Self::default();
        let mut reader = Reader::new(body);
        let mut last_tag = 0;
        while !reader.is_empty() {
            let tag = reader.u8()?;
            if tag <= last_tag {
                return Err(EntryError::Damaged);
            }
            last_tag = tag;
            fields.set(tag, value(&mut reader)?)?;
        }
        Ok(fields)
    }

    fn set(&mut self, tag: u8, value: &'a [u8]) -> Result<(), EntryError> {
        match tag {
            NAME => self.name = Some(value),
            SIZE => self.size = Some(value),
            MIME_TYPE => self.mime_type = Some(value),
            CHUNK_SIZE => self.chunk_size = Some(value),
            CHUNKS => self.chunks = Some(value),
            JSON_FIELDS => self.unknown.json = json_fields(value)?,
            FIRST_OPTIONAL.. => {
                self.unknown.binary.insert(tag, value.to_vec());
            }
            ..FIRST_OPTIONAL => return Err(EntryError::Newer),
        }
        Ok(())
    }

    fn into_entry(self) -> Result<FileEntry, EntryError> {
        let chunk_size = u32::from_be_bytes(array(self.chunk_size, "chunkSize")?);
        let chunks = self.chunks.ok_or(EntryError::Missing("chunks"))?;
        let (chunks, []) = chunks.as_chunks::<CHUNK_LEN>() else {
            return Err(EntryError::Damaged);
        };
        FileEntry::checked(FileEntry {
            name: text(self.name, "name")?,
            size: u64::from_be_bytes(array(self.size, "size")?),
            mime_type: text(self.mime_type, "mimeType")?,
            chunk_size: ChunkSize::new(chunk_size).ok_or(EntryError::Damaged)?,
            chunks: chunks.iter().map(chunk).collect(),
            unknown: self.unknown,
        })
    }
}

fn array<const N: usize>(value: Option<&[u8]>, field: &'static str) -> Result<[u8; N], EntryError> {
    let value = value.ok_or(EntryError::Missing(field))?;
    value.try_into().map_err(|_| EntryError::Damaged)
}

fn text(value: Option<&[u8]>, field: &'static str) -> Result<String, EntryError> {
    let value = value.ok_or(EntryError::Missing(field))?;
    let text = core::str::from_utf8(value).map_err(|_| EntryError::Damaged)?;
    Ok(text.into())
}

/// The one text of at least one field that JSON entries have no place for.
fn json_fields(text: &[u8]) -> Result<Map<String, Value>, EntryError> {
    if text.len() > MAX_JSON_FIELDS {
        return Err(EntryError::UnknownTooLong);
    }
    let mut value: Value = serde_json::from_slice(text).map_err(|_| EntryError::Damaged)?;
    value.sort_all_objects();
    let canonical = value.to_string().as_bytes() == text;
    match value {
        Value::Object(fields) if canonical && !fields.is_empty() => {
            let known = KNOWN_FIELDS.iter().any(|name| fields.contains_key(*name));
            if known {
                Err(EntryError::Damaged)
            } else {
                Ok(fields)
            }
        }
        Value::Object(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_) => Err(EntryError::Damaged),
    }
}

fn chunk(bytes: &[u8; CHUNK_LEN]) -> Chunk {
    let (id, key) = bytes.split_at(BlobId::LEN);
    Chunk {
        id: BlobId::from_bytes(id.try_into().expect("split at an id's length")),
        key: BlobKey::from_bytes(key.try_into().expect("the rest is a key")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{entries, entry};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_entry_reads_back_from_its_binary_form(entry in entries()) {
            let mut bytes = entry.to_binary();
            prop_assert_eq!(&FileEntry::from_binary(&bytes), &Ok(entry.clone()));
            bytes.extend_from_slice(&[0; 9]);
            prop_assert_eq!(FileEntry::from_binary(&bytes), Ok(entry));
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes: Vec<u8>) {
            let _ = FileEntry::from_binary(&bytes);
        }

        #[test]
        fn whatever_is_accepted_is_canonical(
            entry in entries(), at: prop::sample::Index, byte: u8
        ) {
            let mut bytes = entry.to_binary();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(read) = FileEntry::from_binary(&bytes) {
                prop_assert_eq!(read.to_binary(), bytes);
            }
        }
    }

    #[test]
    fn a_field_that_may_be_ignored_is_kept_and_one_that_may_not_is_refused() {
        let mut bytes = entry(10).to_binary();
        let body_len = u32::try_from(bytes.len() - HEADER_LEN + 8).unwrap();
        bytes[1..5].copy_from_slice(&body_len.to_be_bytes());
        put(&mut bytes, 200, b"new");
        let read = FileEntry::from_binary(&bytes).unwrap();
        assert_eq!(read.to_binary(), bytes);
        assert_eq!(FileEntry::from_json(&read.to_json()), Ok(read));

        let tag_at = bytes.len() - 8;
        bytes[tag_at] = 100;
        assert_eq!(FileEntry::from_binary(&bytes), Err(EntryError::Newer));
    }

    #[test]
    fn json_fields_that_are_not_in_their_one_form_are_refused() {
        let good = entry(10).to_binary();
        let with = |json: &str| {
            let mut bytes = good.clone();
            put(&mut bytes, JSON_FIELDS, json.as_bytes());
            let body_len = u32::try_from(bytes.len() - HEADER_LEN).unwrap();
            bytes[1..HEADER_LEN].copy_from_slice(&body_len.to_be_bytes());
            FileEntry::from_binary(&bytes)
        };
        assert!(with("{\"a\":{\"b\":1,\"c\":2}}").is_ok());
        for json in [
            "{}",
            "[]",
            "{\"a\": 1}",
            "{\"a\":1,\"a\":1}",
            "{\"a\":{\"c\":2,\"b\":1}}",
            "{\"name\":\"another\"}",
            "{\"binaryFields\":{}}",
        ] {
            assert_eq!(with(json), Err(EntryError::Damaged), "{json}");
        }
    }

    #[test]
    fn an_entry_cut_short_anywhere_is_refused() {
        let bytes = entry(3000).to_binary();
        for len in 0..bytes.len() {
            assert!(FileEntry::from_binary(&bytes[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn fields_out_of_order_are_refused() {
        let mut body = Vec::new();
        put(&mut body, SIZE, &1_u64.to_be_bytes());
        put(&mut body, NAME, b"a");
        let mut bytes = Vec::new();
        put(&mut bytes, VERSION, &body);
        assert_eq!(FileEntry::from_binary(&bytes), Err(EntryError::Damaged));
    }
}
