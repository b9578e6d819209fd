//! Verifying blobs, and proving possession of them.
//!
//! The browser's own SHA-256 is three times as fast as ours in wasm and runs
//! on another thread, but exists only in secure contexts.

use bytes::Bytes;
use js_sys::Uint8Array;
use samara_core::message::Nonce;
use samara_core::possession::Evidence;
use samara_core::{Blob, BlobId, PeerId, WrongBlob};
use wasm_bindgen::JsCast as _;
use wasm_bindgen_futures::JsFuture;

/// [`Blob::verify`], wherever that is fastest.
pub(crate) async fn verify(id: BlobId, bytes: Bytes) -> Result<Blob, WrongBlob> {
    match digest(&bytes).await {
        Some(digest) => Blob::from_digest(id, bytes, digest),
        None => Blob::verify(id, bytes),
    }
}

/// [`Evidence::of`], wherever that is fastest.
pub(crate) async fn evidence(nonce: Nonce, prover: PeerId, blob: &[u8]) -> Evidence {
    match digest(&Evidence::input(nonce, prover, blob)).await {
        Some(digest) => Evidence::from_bytes(*digest.as_bytes()),
        None => Evidence::of(nonce, prover, blob),
    }
}

async fn digest(bytes: &[u8]) -> Option<BlobId> {
    let scope: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
    let subtle = scope.crypto().ok()?.subtle();
    if subtle.is_undefined() {
        return None;
    }
    let digest = subtle.digest_with_str_and_u8_array("SHA-256", bytes).ok()?;
    let digest = JsFuture::from(digest).await.ok()?;
    let digest = Uint8Array::new(&digest).to_vec();
    Some(BlobId::from_bytes(digest.try_into().ok()?))
}
