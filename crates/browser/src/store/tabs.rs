//! What tabs with the same database tell each other.

use js_sys::{Array, Uint8Array};
use samara_core::BlobId;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{BroadcastChannel, MessageEvent};

use super::error::OpenStoreError;
use super::index::{LastUse, Record};
use crate::error::text_of;
use crate::handlers::Handlers;

/// `id 32 · length 4 · last use 8`
const RECORD_LEN: usize = 44;

/// The channel between the tabs.
pub(super) struct Tabs {
    channel: BroadcastChannel,
    handlers: Handlers,
}

/// What one tab did.
#[derive(Default)]
pub(super) struct Told {
    /// Stored or used.
    pub records: Vec<(BlobId, Record)>,
    /// Evicted or removed.
    pub gone: Vec<BlobId>,
}

impl Tabs {
    pub fn open(store: &str) -> Result<Self, OpenStoreError> {
        let channel = BroadcastChannel::new(&format!("samara store {store}"));
        let channel = channel.map_err(|error| OpenStoreError::Unavailable(text_of(&error)))?;
        Ok(Self {
            channel,
            handlers: Handlers::default(),
        })
    }

    pub fn on_told(&self, told: impl Fn(Told) + 'static) {
        let handler = self.handlers.function(move |event: JsValue| {
            let event: MessageEvent = event.unchecked_into();
            if let Some(change) = decode(&event.data()) {
                told(change);
            }
        });
        self.channel.set_onmessage(Some(&handler));
    }

    pub fn tell(&self, told: &Told) {
        let records: Vec<u8> = told.records.iter().flat_map(encode).collect();
        let gone: Vec<u8> = told.gone.iter().flat_map(|id| *id.as_bytes()).collect();
        let message = Array::of2(
            &Uint8Array::from(&records[..]),
            &Uint8Array::from(&gone[..]),
        );
        // Fails only once closed; the other tabs then find out by reading.
        let _ = self.channel.post_message(&message);
    }

    pub fn close(&self) {
        self.channel.close();
    }
}

fn encode((blob, record): &(BlobId, Record)) -> Vec<u8> {
    let fields: [&[u8]; 3] = [
        blob.as_bytes(),
        &record.len.to_be_bytes(),
        &record.used.0.to_be_bytes(),
    ];
    fields.concat()
}

/// Another tab may run another version: what is not understood is ignored.
fn decode(message: &JsValue) -> Option<Told> {
    let message: &Array = message.dyn_ref()?;
    let bytes = |index| -> Option<Vec<u8>> {
        let array = message.get(index).dyn_into::<Uint8Array>().ok()?;
        Some(array.to_vec())
    };
    let (records, gone) = (bytes(0)?, bytes(1)?);
    let (records, []) = records.as_chunks::<RECORD_LEN>() else {
        return None;
    };
    let (gone, []) = gone.as_chunks::<{ BlobId::LEN }>() else {
        return None;
    };
    Some(Told {
        records: records.iter().map(record).collect::<Option<_>>()?,
        gone: gone.iter().map(|id| BlobId::from_bytes(*id)).collect(),
    })
}

fn record(bytes: &[u8; RECORD_LEN]) -> Option<(BlobId, Record)> {
    let (id, rest) = bytes.split_first_chunk::<{ BlobId::LEN }>()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let used = rest.first_chunk::<8>()?;
    let record = Record {
        len: u32::from_be_bytes(*len),
        used: LastUse(u64::from_be_bytes(*used)),
    };
    Some((BlobId::from_bytes(*id), record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_from_what_tabs_tell() {
        let used = LastUse(1 << 40);
        let told = (BlobId::from_bytes([7; 32]), Record { len: 9, used });
        let bytes: [u8; RECORD_LEN] = encode(&told).try_into().unwrap();
        assert_eq!(record(&bytes), Some(told));
    }
}
