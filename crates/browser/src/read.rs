//! Opening chunks for whoever saves or plays the file.

use std::rc::Rc;

use samara_core::seal;
use samara_swarm::TransferId;

use crate::driver::Driver;
use crate::store::ReadError;

/// Chunk `index` of a transfer's file, as soon as it is there. The entry must
/// be known.
pub(crate) async fn chunk(
    driver: &Rc<Driver>,
    transfer: TransferId,
    index: u32,
) -> Result<Vec<u8>, ReadError> {
    let arrival = {
        let mut transfers = driver.transfers.borrow_mut();
        let open = transfers.get_mut(transfer).ok_or(ReadError::Closed)?;
        open.chunk(index)
    };
    arrival.await.map_err(|_| ReadError::Closed)?;
    let (chunk, len) = {
        let mut transfers = driver.transfers.borrow_mut();
        let open = transfers.get_mut(transfer).ok_or(ReadError::Closed)?;
        let entry = open.entry.as_ref().ok_or(ReadError::Closed)?;
        let position = usize::try_from(index).map_err(|_| ReadError::Lost)?;
        let chunk = entry.chunks().get(position).ok_or(ReadError::Lost)?.clone();
        (chunk, entry.chunk_len(position))
    };
    let blob = driver.store.get(chunk.id).await?;
    let mut bytes = seal::open(&chunk.key, &blob)?;
    bytes.truncate(len);
    Ok(bytes)
}
