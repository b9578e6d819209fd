//! Messages: whatever a stranger sends is one message, or none.

use bytes::Bytes;
use samara_core::Message;
use samara_core::message::MAX_MESSAGE_LEN;

use crate::memory::bounded;

/// A member of a list is at most 1.8 times as long in memory as on the wire;
/// growing lists are copied once.
const FACTOR: usize = 4;
/// A list of the most addresses SOURCES may have.
const ALLOWANCE: usize = 16 << 10;

/// What decodes has one encoding, and takes memory in proportion.
pub fn check(bytes: &[u8]) {
    if bytes.len() > MAX_MESSAGE_LEN {
        return;
    }
    let bytes = Bytes::copy_from_slice(bytes);
    let Ok(message) = bounded(bytes.len(), FACTOR, ALLOWANCE, || Message::decode(&bytes)) else {
        return;
    };
    let encoded = message.encode();
    assert_eq!(encoded, bytes, "{message:?} is encoded in another way");
    assert_eq!(Message::decode(&encoded), Ok(message));
}
