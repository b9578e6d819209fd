//! The `IndexedDB` database: blobs, a record about each, the ledger, this peer's
//! identity, and what it wants for others.
//!
//! Nothing is awaited inside a transaction but the transaction's own requests:
//! it would end meanwhile.

use std::cell::RefCell;
use std::future::IntoFuture as _;

use idb::{Database as Idb, DatabaseEvent as _, Factory, ObjectStoreParams, TransactionMode};
use js_sys::{Array, Promise, Uint8Array};
use samara_core::{Blob, BlobId, PeerSecret};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::IdbTransaction;

use super::error::{OpenStoreError, PutError};
use super::index::{LastUse, Record};
use crate::number::{length, number, whole};

const VERSION: u32 = 2;
/// Blob id to sealed bytes.
const BLOBS: &str = "blobs";
/// Blob id to `[length, last use]`.
const RECORDS: &str = "records";
/// Peer id to `[sent, received, last seen]`, see [`super::ledger`].
pub(super) const LEDGER: &str = "ledger";
/// Names to values: [`IDENTITY`], and see [`super::wants`].
pub(super) const META: &str = "meta";
/// The secret that this profile's peer is known by.
const IDENTITY: &str = "identity";

pub(crate) struct Database {
    pub(super) idb: Idb,
    /// Where blobs are copied on their way to the database. Most are of one
    /// length, and memory that was used before is faster.
    copy: RefCell<Uint8Array>,
}

/// What one transaction changes.
#[derive(Default)]
pub(crate) struct Batch {
    pub put: Vec<(Blob, Record)>,
    pub touched: Vec<(BlobId, Record)>,
    pub gone: Vec<BlobId>,
}

impl From<idb::Error> for OpenStoreError {
    fn from(error: idb::Error) -> Self {
        match error {
            idb::Error::TransactionOpenFailed(_) => Self::Foreign,
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl Database {
    pub async fn open(name: &str) -> Result<Self, OpenStoreError> {
        let mut request = Factory::new()?.open(name, Some(VERSION))?;
        request.on_upgrade_needed(|event| {
            let Ok(database) = event.database() else {
                return;
            };
            let there = database.store_names();
            for store in [BLOBS, RECORDS, LEDGER, META] {
                if there.iter().all(|name| name != store) {
                    // A failure aborts the upgrade, which fails the request.
                    let _ = database.create_object_store(store, ObjectStoreParams::new());
                }
            }
        });
        match request.await {
            Ok(idb) => Ok(Self {
                idb,
                copy: RefCell::new(Uint8Array::new_with_length(0)),
            }),
            Err(idb::Error::DomException(error)) if error.name() == "VersionError" => {
                Err(OpenStoreError::Newer)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The identity in the database; `fresh` becomes it if there is none.
    pub async fn identity(&self, fresh: PeerSecret) -> Result<PeerSecret, OpenStoreError> {
        let transaction = self.idb.transaction(&[META], TransactionMode::ReadWrite)?;
        let meta = transaction.object_store(META)?;
        let key = JsValue::from_str(IDENTITY);
        if let Some(found) = meta.get(key.clone())?.await? {
            let bytes = Uint8Array::new(&found).to_vec();
            let seed = bytes.as_slice().try_into();
            let seed = seed.map_err(|_| OpenStoreError::Foreign)?;
            return Ok(PeerSecret::from_bytes(seed));
        }
        let bytes = Uint8Array::from(fresh.expose().as_slice());
        meta.put(&bytes, Some(&key))?.await?;
        let committed = commit(&transaction.into()).await;
        committed.map_err(|error| OpenStoreError::Unavailable(error.to_string()))?;
        Ok(fresh)
    }

    /// Throws the identity away; `fresh` takes its place.
    pub async fn replace_identity(&self, fresh: &PeerSecret) -> Result<(), idb::Error> {
        let transaction = self.idb.transaction(&[META], TransactionMode::ReadWrite)?;
        let bytes = Uint8Array::from(fresh.expose().as_slice());
        let key = JsValue::from_str(IDENTITY);
        let meta = transaction.object_store(META)?;
        meta.put(&bytes, Some(&key))?.await?;
        transaction.commit()?.await?;
        Ok(())
    }

    pub async fn records(&self) -> Result<Vec<(BlobId, Record)>, OpenStoreError> {
        let transaction = self
            .idb
            .transaction(&[RECORDS], TransactionMode::ReadOnly)?;
        let store = transaction.object_store(RECORDS)?;
        let keys = store.get_all_keys(None, None)?.into_future();
        let values = store.get_all(None, None)?.into_future();
        let (keys, values) = (keys.await?, values.await?);
        let records = keys
            .iter()
            .zip(&values)
            .map(|(key, value)| record(key, value));
        records
            .collect::<Option<_>>()
            .ok_or(OpenStoreError::Foreign)
    }

    pub async fn get(&self, blob: BlobId) -> Result<Option<Uint8Array>, idb::Error> {
        let transaction = self.idb.transaction(&[BLOBS], TransactionMode::ReadOnly)?;
        let found = transaction.object_store(BLOBS)?.get(key(&blob))?.await?;
        Ok(found.map(JsCast::unchecked_into))
    }

    /// Makes all of a batch true, or nothing.
    pub async fn write(&self, batch: &Batch) -> Result<(), PutError> {
        let stores = [BLOBS, RECORDS];
        let transaction = self.idb.transaction(&stores, TransactionMode::ReadWrite)?;
        let asked = self.ask(&transaction, batch);
        let transaction = IdbTransaction::from(transaction);
        if let Err(error) = asked {
            // Without this, what was asked before the failure would be done.
            let _ = transaction.abort();
            return Err(error.into());
        }
        commit(&transaction).await
    }

    fn ask(&self, transaction: &idb::Transaction, batch: &Batch) -> Result<(), idb::Error> {
        let blobs = transaction.object_store(BLOBS)?;
        let records = transaction.object_store(RECORDS)?;
        for blob in &batch.gone {
            blobs.delete(key(blob))?;
            records.delete(key(blob))?;
        }
        for (blob, record) in &batch.put {
            let key = key(&blob.id());
            blobs.put(&self.copied(blob.bytes()), Some(&key))?;
            records.put(&value(*record), Some(&key))?;
        }
        for (blob, record) in &batch.touched {
            records.put(&value(*record), Some(&key(blob)))?;
        }
        Ok(())
    }

    /// The bytes in JavaScript's memory, until the next call. A request takes
    /// its own copy at once.
    fn copied(&self, bytes: &[u8]) -> Uint8Array {
        let mut copy = self.copy.borrow_mut();
        if length(f64::from(copy.length())) == bytes.len() {
            copy.copy_from(bytes);
        } else {
            *copy = Uint8Array::from(bytes);
        }
        copy.clone()
    }

    pub fn close(&self) {
        self.idb.close();
    }
}

/// Waits for the end of a transaction in which all is asked.
///
/// Not by way of `idb`, whose future is over with the first failed request
/// and gone when the transaction then aborts, which would end the worker.
pub(super) async fn commit(transaction: &IdbTransaction) -> Result<(), PutError> {
    let end = Promise::new(&mut |complete, abort| {
        transaction.set_oncomplete(Some(&complete));
        transaction.set_onabort(Some(&abort));
    });
    let failed = |_: JsValue| PutError::of_exception(transaction.error().as_ref());
    #[expect(
        deprecated,
        reason = "web-sys says not why, and nothing else ends it at once"
    )]
    transaction.commit().map_err(failed)?;
    JsFuture::from(end).await.map(drop).map_err(failed)
}

fn key(blob: &BlobId) -> JsValue {
    Uint8Array::from(blob.as_bytes().as_slice()).into()
}

fn value(record: Record) -> JsValue {
    Array::of2(&record.len.into(), &number(record.used.0).into()).into()
}

fn record(key: &JsValue, value: &JsValue) -> Option<(BlobId, Record)> {
    let id = Uint8Array::new(key).to_vec().try_into().ok()?;
    let value: &Array = value.dyn_ref()?;
    let record = Record {
        len: u32::try_from(whole(value.get(0).as_f64()?)).ok()?,
        used: LastUse(whole(value.get(1).as_f64()?)),
    };
    Some((BlobId::from_bytes(id), record))
}
