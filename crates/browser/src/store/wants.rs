//! What is wanted for others, in `IndexedDB`: one record of blob and distance
//! after the other.

use idb::TransactionMode;
use js_sys::Uint8Array;
use samara_core::BlobId;
use wasm_bindgen::JsValue;

use super::database::{Database, META, commit};
use super::error::PutError;

/// A want and how many hops away whoever wants the blob is.
pub(crate) type Want = (BlobId, u8);

/// Its name in [`META`]. An older version leaves alone what it does not know.
const WANTS: &str = "wants";

const RECORD_LEN: usize = BlobId::LEN + 1;

impl Database {
    /// What was written last.
    pub async fn wants(&self) -> Result<Vec<Want>, idb::Error> {
        let transaction = self.idb.transaction(&[META], TransactionMode::ReadOnly)?;
        let meta = transaction.object_store(META)?;
        let found = meta.get(JsValue::from_str(WANTS))?.await?;
        let bytes = found.map(|found| Uint8Array::new(&found).to_vec());
        Ok(decode(&bytes.unwrap_or_default()))
    }

    /// Writes these in the place of all.
    pub async fn replace_wants(&self, wants: &[Want]) -> Result<(), PutError> {
        let transaction = self.idb.transaction(&[META], TransactionMode::ReadWrite)?;
        let bytes = Uint8Array::from(&encode(wants)[..]);
        let meta = transaction.object_store(META)?;
        meta.put(&bytes, Some(&JsValue::from_str(WANTS)))?;
        commit(&transaction.into()).await
    }
}

fn encode(wants: &[Want]) -> Vec<u8> {
    let records = wants.iter().flat_map(|(blob, distance)| {
        let bytes = blob.as_bytes().iter();
        bytes.chain(std::iter::once(distance)).copied()
    });
    records.collect()
}

/// A record cut short is no want.
fn decode(bytes: &[u8]) -> Vec<Want> {
    let records = bytes.as_chunks::<RECORD_LEN>().0.iter();
    let wants = records.filter_map(|record| {
        let (distance, id) = record.split_last()?;
        Some((BlobId::from_bytes(id.try_into().ok()?), *distance))
    });
    wants.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wants_are_read_as_they_were_written() {
        let wants = [1, 2].map(|number| (BlobId::from_bytes([number; 32]), number));
        let bytes = encode(&wants);
        assert_eq!(decode(&bytes), wants);
        assert_eq!(decode(&bytes[..RECORD_LEN + 7]), wants[..1]);
        assert_eq!(decode(&[]), []);
    }
}
