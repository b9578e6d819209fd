//! The JSON form of an entry, `file_entry.json`, for people and scripts
//! (`docs/protocol.md`, "JSON entry").
//!
//! Fields this version does not know are kept. Errors name fields and never
//! show values: a misplaced value may be a key.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::{Map, Value, json};

use super::binary::{FIRST_OPTIONAL, MAX_JSON_FIELDS};
use super::{Chunk, ChunkSize, EntryError, FileEntry, UnknownFields, VERSION};
use crate::hex;
use crate::seal::BlobKey;

/// Holds the binary form's unknown fields: hexadecimal values by tag.
const BINARY_FIELDS: &str = "binaryFields";

/// Fields with a place of their own in the binary form.
pub(super) const KNOWN_FIELDS: [&str; 7] = [
    "version",
    "name",
    "size",
    "mimeType",
    "chunkSize",
    "chunks",
    BINARY_FIELDS,
];

impl FileEntry {
    /// The entry as indented JSON.
    pub fn to_json(&self) -> String {
        let chunks: Vec<Value> = self
            .chunks
            .iter()
            .map(|chunk| json!({ "id": chunk.id.to_string(), "key": hex::encode(chunk.key.expose()) }))
            .collect();
        let mut fields = Map::from_iter([
            ("version".into(), json!(VERSION)),
            ("name".into(), json!(self.name)),
            ("size".into(), json!(self.size)),
            ("mimeType".into(), json!(self.mime_type)),
            ("chunkSize".into(), json!(self.chunk_size.get())),
            ("chunks".into(), Value::Array(chunks)),
        ]);
        fields.extend(self.unknown.json.clone());
        if !self.unknown.binary.is_empty() {
            let binary = self.unknown.binary.iter();
            let binary = binary.map(|(tag, value)| (tag.to_string(), json!(hex::encode(value))));
            fields.insert(BINARY_FIELDS.into(), Value::Object(binary.collect()));
        }
        serde_json::to_string_pretty(&fields).expect("a JSON map has a text")
    }

    /// Reads an entry from JSON.
    pub fn from_json(text: &str) -> Result<Self, EntryError> {
        let mut value: Value = serde_json::from_str(text).map_err(|error| EntryError::Syntax {
            line: error.line(),
            column: error.column(),
        })?;
        value.sort_all_objects();
        let Value::Object(mut fields) = value else {
            return Err(EntryError::Missing("version"));
        };
        if number(&mut fields, "version")? != u64::from(VERSION) {
            return Err(EntryError::Newer);
        }
        let chunk_size = u32::try_from(number(&mut fields, "chunkSize")?).ok();
        Self::checked(Self {
            name: string(&mut fields, "name")?,
            size: number(&mut fields, "size")?,
            mime_type: string(&mut fields, "mimeType")?,
            chunk_size: chunk_size
                .and_then(ChunkSize::new)
                .ok_or(EntryError::Invalid {
                    field: "chunkSize",
                    expected: "a power of two from 1024 to 1048576",
                })?,
            chunks: chunks(&mut fields)?,
            unknown: UnknownFields {
                binary: binary_fields(&mut fields)?,
                json: unknown_fields(fields)?,
            },
        })
    }
}

type Fields = Map<String, Value>;

fn take(fields: &mut Fields, field: &'static str) -> Result<Value, EntryError> {
    fields.remove(field).ok_or(EntryError::Missing(field))
}

fn number(fields: &mut Fields, field: &'static str) -> Result<u64, EntryError> {
    let expected = "a whole number";
    let value = take(fields, field)?;
    value
        .as_u64()
        .ok_or(EntryError::Invalid { field, expected })
}

fn string(fields: &mut Fields, field: &'static str) -> Result<String, EntryError> {
    match take(fields, field)? {
        Value::String(text) => Ok(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            let expected = "a text";
            Err(EntryError::Invalid { field, expected })
        }
    }
}

fn chunks(fields: &mut Fields) -> Result<Vec<Chunk>, EntryError> {
    let (field, expected) = ("chunks", "a list");
    let value = take(fields, field)?;
    let chunks = value
        .as_array()
        .ok_or(EntryError::Invalid { field, expected })?;
    let chunks = chunks.iter().enumerate();
    chunks
        .map(|(index, value)| chunk(value).ok_or(EntryError::InvalidChunk { index }))
        .collect()
}

/// A chunk is exactly an id and a key: the binary form has no room for more.
fn chunk(value: &Value) -> Option<Chunk> {
    let fields = value.as_object().filter(|fields| fields.len() == 2)?;
    Some(Chunk {
        id: fields.get("id")?.as_str()?.parse().ok()?,
        key: BlobKey::from_bytes(hex::decode(fields.get("key")?.as_str()?).ok()?),
    })
}

/// What is left is for later versions, as far as the binary form takes it.
fn unknown_fields(fields: Fields) -> Result<Fields, EntryError> {
    let text = serde_json::to_vec(&fields).expect("a JSON map has a text");
    if text.len() > MAX_JSON_FIELDS {
        return Err(EntryError::UnknownTooLong);
    }
    Ok(fields)
}

fn binary_fields(fields: &mut Fields) -> Result<BTreeMap<u8, Vec<u8>>, EntryError> {
    let wrong = EntryError::Invalid {
        field: BINARY_FIELDS,
        expected: "hexadecimal texts by number from 128 to 255",
    };
    let Some(value) = fields.remove(BINARY_FIELDS) else {
        return Ok(BTreeMap::new());
    };
    let fields = value.as_object().ok_or(wrong.clone())?.iter();
    let read = fields.map(|(tag, value)| {
        let tag = tag.parse().ok().filter(|tag| *tag >= FIRST_OPTIONAL)?;
        Some((tag, hex::decode_any(value.as_str()?)?))
    });
    read.collect::<Option<_>>().ok_or(wrong)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{entries, entry};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_entry_reads_back_from_json(entry in entries()) {
            prop_assert_eq!(FileEntry::from_json(&entry.to_json()), Ok(entry));
        }

        #[test]
        fn a_number_in_an_unknown_field_survives_both_forms(number in prop::num::f64::NORMAL) {
            let text = std::format!("{{\"frameRate\": {number:e},");
            let text = entry(10).to_json().replacen('{', &text, 1);
            let read = FileEntry::from_json(&text).unwrap();
            prop_assert_eq!(FileEntry::from_json(&read.to_json()), Ok(read.clone()));
            prop_assert_eq!(FileEntry::from_binary(&read.to_binary()), Ok(read));
        }
    }

    #[test]
    fn an_unknown_field_survives_both_forms() {
        let text = entry(10)
            .to_json()
            .replacen('{', "{\"poster\": [1, {\"b\": 2.5}],", 1);
        let read = FileEntry::from_json(&text).unwrap();
        assert!(read.to_json().contains("\"poster\""));
        assert_eq!(FileEntry::from_binary(&read.to_binary()), Ok(read));
    }

    #[test]
    fn unknown_fields_are_kept_up_to_a_length() {
        let with = |len: usize| {
            let field = std::format!("{{\"x\": \"{}\",", "y".repeat(len));
            FileEntry::from_json(&entry(10).to_json().replacen('{', &field, 1))
        };
        let fits = with(MAX_JSON_FIELDS - "{\"x\":\"\"}".len()).unwrap();
        assert_eq!(FileEntry::from_binary(&fits.to_binary()), Ok(fits));
        let longer = with(MAX_JSON_FIELDS);
        assert_eq!(longer, Err(EntryError::UnknownTooLong));
    }

    #[test]
    fn a_missing_field_is_named() {
        for field in ["version", "name", "size", "mimeType", "chunkSize", "chunks"] {
            let mut fields: Map<_, _> = serde_json::from_str(&entry(10).to_json()).unwrap();
            fields.remove(field);
            let text = serde_json::to_string(&fields).unwrap();
            assert_eq!(FileEntry::from_json(&text), Err(EntryError::Missing(field)));
        }
    }

    #[test]
    fn a_foreign_field_in_a_chunk_is_refused_by_its_position() {
        let text = entry(1500).to_json();
        let at = text.rfind("\"key\"").unwrap();
        let text = std::format!("{}\"size\": 5, {}", &text[..at], &text[at..]);
        let index = 1;
        assert_eq!(
            FileEntry::from_json(&text),
            Err(EntryError::InvalidChunk { index })
        );
    }

    #[test]
    fn a_wrong_entry_is_refused_without_showing_its_values() {
        let good = entry(10).to_json();
        let wrong = [
            ("\"size\": 10", "\"size\": \"5ec4e7\""),
            ("\"size\": 10", "\"size\": -1"),
            ("\"version\": 1", "\"version\": 2"),
            ("\"name\": \"a film.mkv\"", "\"name\": \"../5ec4e7\""),
            ("\"chunkSize\": 1024", "\"chunkSize\": 1000"),
            ("\"id\": \"00", "\"id\": \"5ec4e7"),
        ];
        for (from, to) in wrong {
            assert!(good.contains(from), "{from}");
            let error = FileEntry::from_json(&good.replacen(from, to, 1)).unwrap_err();
            assert!(!error.to_string().contains("5ec4e7"), "{error}");
        }
        for text in ["", "[]", "{", "null", "\"5ec4e7\""] {
            let error = FileEntry::from_json(text).unwrap_err();
            assert!(!error.to_string().contains("5ec4e7"), "{error}");
        }
    }
}
