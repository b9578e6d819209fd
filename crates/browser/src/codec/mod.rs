//! The formats alone, for JavaScript: links, entries, blobs, messages, proofs.
//!
//! They need neither a worker nor a browser. What is read is checked as by any
//! peer; every error has a `code`.

mod convert;
mod entry;
mod link;
mod message;
mod proof;

use samara_core::{BlobId, BlobKey, HexError, padding, seal};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::error::{Coded, to_js};

pub use self::entry::{entry_to_binary, entry_to_json, open_entry_blob, seal_entry_blobs};
pub use self::link::{read_link, write_link};
pub use self::message::{read_message, write_message};
pub use self::proof::proof_holds;

impl Coded for HexError {
    fn code(&self) -> &'static str {
        "bad-entry"
    }
}

/// The name of a blob: SHA-256 of its bytes, in hexadecimal.
#[wasm_bindgen(js_name = blobId)]
pub fn blob_id(blob: &[u8]) -> String {
    BlobId::of(blob).to_string()
}

/// Opens a blob into its padded chunk.
#[wasm_bindgen(js_name = openBlob)]
pub fn open_blob(key: &str, blob: &[u8]) -> Result<Vec<u8>, JsValue> {
    let key = key_of(key).map_err(|error| to_js(&error))?;
    seal::open(&key, blob).map_err(|error| to_js(&error))
}

/// The length that a last chunk of `length` bytes is padded to.
#[wasm_bindgen(js_name = paddedLength)]
pub fn padded_length(length: u32) -> Option<u32> {
    let padded = padding::padme(usize::try_from(length).ok()?);
    u32::try_from(padded).ok()
}

/// A key from its text. Its digits are those of an id.
fn key_of(text: &str) -> Result<BlobKey, HexError> {
    let digits: BlobId = text.parse()?;
    Ok(BlobKey::from_bytes(*digits.as_bytes()))
}

/// The text of a key.
fn text_of_key(key: &BlobKey) -> String {
    BlobId::from_bytes(*key.expose()).to_string()
}
