//! Entries for JavaScript.

use bytes::Bytes;
use samara_core::entry::EntryError;
use samara_core::entry::blob::{Depth, open_entry, seal_entry};
use samara_core::{Blob, FileEntry, Link};
use serde::Serialize;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::link::Parts;
use crate::error::to_js;
use crate::host::to_object_with_bytes;

/// The binary form of an entry in JSON.
#[wasm_bindgen(js_name = entryToBinary)]
pub fn entry_to_binary(json: &str) -> Result<Vec<u8>, JsValue> {
    let entry = FileEntry::from_json(json).map_err(|error| to_js(&error))?;
    Ok(entry.to_binary())
}

/// The JSON form of an entry in binary, padding allowed.
#[wasm_bindgen(js_name = entryToJson)]
pub fn entry_to_json(binary: &[u8]) -> Result<String, JsValue> {
    let entry = FileEntry::from_binary(binary).map_err(|error| to_js(&error))?;
    Ok(entry.to_json())
}

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** An entry as sealed blobs. */
export interface SealedEntry {
  link: LinkParts;
  /** First those of the entries in between, the entry blob last. */
  blobs: Uint8Array[];
}
"#;

#[wasm_bindgen]
extern "C" {
    /// `SealedEntry` in the generated types.
    #[wasm_bindgen(typescript_type = "SealedEntry")]
    pub type SealedEntry;
}

#[derive(Serialize)]
struct Sealed {
    link: Parts,
    blobs: Vec<Bytes>,
}

/// Seals an entry in JSON.
#[wasm_bindgen(js_name = sealEntry)]
pub fn seal_entry_blobs(json: &str) -> Result<SealedEntry, JsValue> {
    let seal = || -> Result<_, EntryError> { seal_entry(&FileEntry::from_json(json)?) };
    let sealed = seal().map_err(|error| to_js(&error))?;
    let blobs = sealed.blobs.into_iter().map(Blob::into_bytes);
    let sealed = Sealed {
        link: Parts::from(&sealed.link),
        blobs: blobs.collect(),
    };
    Ok(to_object_with_bytes(&sealed).into())
}

/// Opens the entry blob of a link that needs no other, into JSON.
#[wasm_bindgen(js_name = openEntry)]
pub fn open_entry_blob(link: &str, blob: &[u8]) -> Result<String, JsValue> {
    let link: Link = link.parse().map_err(|error| to_js(&error))?;
    let entry = open_entry(&link.key, blob, Depth::ZERO).map_err(|error| to_js(&error))?;
    Ok(entry.to_json())
}
