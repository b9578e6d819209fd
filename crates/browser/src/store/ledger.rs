//! The ledger: bytes exchanged with each identity, added up in `IndexedDB`.
//!
//! All tabs of a profile add to the same rows, each addition in a transaction
//! of its own.

use std::future::IntoFuture as _;

use idb::TransactionMode;
use js_sys::{Array, Uint8Array};
use samara_core::PeerId;
use samara_swarm::{LEDGER_PEERS, Traffic};
use wasm_bindgen::{JsCast as _, JsValue};

use super::LastUse;
use super::database::{Database, LEDGER};
use crate::number::{number, whole};

/// What is known of one identity.
pub(crate) struct Account {
    pub peer: PeerId,
    pub traffic: Traffic,
    pub last_seen: LastUse,
}

impl Database {
    /// All accounts. A row that is not understood is left out.
    pub async fn accounts(&self) -> Result<Vec<Account>, idb::Error> {
        let transaction = self.idb.transaction(&[LEDGER], TransactionMode::ReadOnly)?;
        accounts(&transaction.object_store(LEDGER)?).await
    }

    /// Adds up, and forgets those not seen for longest if there are too many.
    pub async fn add(&self, more: &[(PeerId, Traffic)], now: LastUse) -> Result<(), idb::Error> {
        let transaction = self
            .idb
            .transaction(&[LEDGER], TransactionMode::ReadWrite)?;
        let ledger = transaction.object_store(LEDGER)?;
        for (peer, more) in more {
            let key = key(peer);
            let known = ledger.get(key.clone())?.await?;
            let known = known.and_then(|row| account(&key, &row));
            let traffic = known.map_or(*more, |known| known.traffic.plus(*more));
            ledger.put(&row(traffic, now), Some(&key))?.await?;
        }
        let len = ledger.count(None)?.await?;
        if usize::try_from(len).unwrap_or(usize::MAX) > LEDGER_PEERS {
            for peer in oldest(accounts(&ledger).await?) {
                ledger.delete(key(&peer))?.await?;
            }
        }
        transaction.commit()?.await?;
        Ok(())
    }
}

async fn accounts(ledger: &idb::ObjectStore) -> Result<Vec<Account>, idb::Error> {
    let keys = ledger.get_all_keys(None, None)?.into_future();
    let rows = ledger.get_all(None, None)?.into_future();
    let (keys, rows) = (keys.await?, rows.await?);
    let rows = keys.iter().zip(&rows);
    Ok(rows.filter_map(|(key, row)| account(key, row)).collect())
}

/// Those to go so that there is room again. A sixteenth more goes at once, so
/// that this is rare.
fn oldest(mut accounts: Vec<Account>) -> Vec<PeerId> {
    accounts.sort_by_key(|account| account.last_seen);
    let going = accounts.len().saturating_sub(LEDGER_PEERS) + LEDGER_PEERS / 16;
    let going = accounts.iter().take(going);
    going.map(|account| account.peer).collect()
}

fn key(peer: &PeerId) -> JsValue {
    Uint8Array::from(peer.as_bytes().as_slice()).into()
}

fn row(traffic: Traffic, seen: LastUse) -> JsValue {
    let [sent, received, seen] = [traffic.sent, traffic.received, seen.0].map(number);
    Array::of3(&sent.into(), &received.into(), &seen.into()).into()
}

fn account(key: &JsValue, row: &JsValue) -> Option<Account> {
    let peer = Uint8Array::new(key).to_vec().try_into().ok()?;
    let row: &Array = row.dyn_ref()?;
    let field = |index| row.get(index).as_f64().map(whole);
    Some(Account {
        peer: PeerId::from_bytes(peer),
        traffic: Traffic {
            sent: field(0)?,
            received: field(1)?,
        },
        last_seen: LastUse(field(2)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_not_seen_for_longest_go_first() {
        let account = |number: u16| {
            let mut peer = [0; 32];
            peer[..2].copy_from_slice(&number.to_be_bytes());
            Account {
                peer: PeerId::from_bytes(peer),
                traffic: Traffic::default(),
                last_seen: LastUse(u64::from(number)),
            }
        };
        let most = u16::try_from(LEDGER_PEERS).unwrap();
        let going = oldest((0..=most).rev().map(account).collect());
        assert_eq!(going.len(), 1 + LEDGER_PEERS / 16);
        assert_eq!(going[0], account(0).peer);
    }
}
