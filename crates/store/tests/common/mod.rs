//! What the suites share: blobs out of nothing.

use bytes::Bytes;
use samara_core::{Blob, BlobId};

/// A blob of `len` bytes, another for each `seed`.
pub fn blob(seed: u64, len: usize) -> Blob {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let bytes: Bytes = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(len)
    .collect();
    Blob::verify(BlobId::of(&bytes), bytes).unwrap()
}
