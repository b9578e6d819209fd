//! Bytes out of JavaScript's memory, which is given back at once.
//!
//! Waiting for the garbage collector would make every message and every blob
//! come in fresh memory, and touching fresh pages costs more than copying.

use bytes::Bytes;
use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast as _, JsValue};

#[wasm_bindgen]
extern "C" {
    type Transferable;

    /// Moves the bytes that fit into a new buffer and frees the old one.
    /// Browsers before 2024 lack it.
    #[wasm_bindgen(method, catch)]
    fn transfer(this: &Transferable, length: u32) -> Result<JsValue, JsValue>;
}

/// Takes the bytes of a buffer that nobody else uses.
pub(crate) fn take(buffer: &ArrayBuffer) -> Bytes {
    let bytes = Bytes::from(Uint8Array::new(buffer).to_vec());
    // Where this is not possible, the garbage collector will do it.
    let _ = buffer.unchecked_ref::<Transferable>().transfer(0);
    bytes
}
