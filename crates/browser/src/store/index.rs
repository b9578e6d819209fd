//! Which blobs are in the database, and which of them go first.
//!
//! Every tab keeps the whole index in memory; the database holds the same, a
//! record a blob.

use std::collections::{BTreeMap, BTreeSet};

use samara_core::BlobId;

/// When a blob was last used, in milliseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct LastUse(pub u64);

/// What the index says of a blob.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    pub len: u32,
    pub used: LastUse,
}

/// The blobs that can go are not enough.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Full;

/// The blobs of a database.
#[derive(Default)]
pub(crate) struct Index {
    records: BTreeMap<BlobId, Record>,
    by_use: BTreeSet<(LastUse, BlobId)>,
    /// Blobs that stay, and how many ask for it; they need not be there yet.
    pins: BTreeMap<BlobId, u32>,
    total: u64,
}

impl Index {
    pub fn contains(&self, blob: &BlobId) -> bool {
        self.records.contains_key(blob)
    }

    /// Bytes of all blobs.
    pub fn total(&self) -> u64 {
        self.total
    }

    pub fn blobs(&self) -> impl Iterator<Item = (BlobId, u32)> {
        let records = self.records.iter();
        records.map(|(blob, record)| (*blob, record.len))
    }

    /// Notes a blob, or its later use.
    pub fn insert(&mut self, blob: BlobId, record: Record) {
        self.remove(&blob);
        self.records.insert(blob, record);
        self.by_use.insert((record.used, blob));
        self.total += u64::from(record.len);
    }

    pub fn remove(&mut self, blob: &BlobId) -> Option<Record> {
        let record = self.records.remove(blob)?;
        self.by_use.remove(&(record.used, *blob));
        self.total -= u64::from(record.len);
        Some(record)
    }

    /// Notes the use of a blob that is there.
    pub fn touch(&mut self, blob: BlobId, used: LastUse) -> Option<Record> {
        let record = Record {
            used,
            ..*self.records.get(&blob)?
        };
        self.insert(blob, record);
        Some(record)
    }

    /// Keeps a blob from eviction until as many calls of [`Index::unpin`].
    pub fn pin(&mut self, blob: BlobId) {
        *self.pins.entry(blob).or_default() += 1;
    }

    pub fn unpin(&mut self, blob: &BlobId) {
        if let Some(pins) = self.pins.get_mut(blob) {
            *pins -= 1;
            if *pins == 0 {
                self.pins.remove(blob);
            }
        }
    }

    /// The blobs that must go so that at most `most` bytes stay; the least
    /// recently used ones.
    pub fn shrink_to(&self, most: u64) -> Result<Vec<BlobId>, Full> {
        let excess = self.total.saturating_sub(most);
        let going = self.least_used(excess);
        let freed: u64 = going
            .iter()
            .map(|blob| u64::from(self.records[blob].len))
            .sum();
        if freed < excess { Err(Full) } else { Ok(going) }
    }

    /// The least recently used blobs that can go: of at least `bytes` bytes
    /// together, or all there are.
    pub fn least_used(&self, bytes: u64) -> Vec<BlobId> {
        let mut left = bytes;
        let mut going = Vec::new();
        let blobs = self.by_use.iter().map(|(_, blob)| blob);
        for blob in blobs.filter(|blob| !self.pins.contains_key(blob)) {
            if left == 0 {
                break;
            }
            going.push(*blob);
            left = left.saturating_sub(self.records[blob].len.into());
        }
        going
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(byte: u8) -> BlobId {
        BlobId::from_bytes([byte; 32])
    }

    fn index() -> Index {
        let mut index = Index::default();
        for byte in 1..=4 {
            let used = LastUse(byte.into());
            index.insert(blob(byte), Record { len: 10, used });
        }
        index
    }

    #[test]
    fn the_least_recently_used_blobs_go_first() {
        let mut index = index();
        index.touch(blob(1), LastUse(9));
        assert_eq!(index.shrink_to(40), Ok(vec![]));
        assert_eq!(index.shrink_to(25), Ok(vec![blob(2), blob(3)]));
    }

    #[test]
    fn pinned_blobs_never_go() {
        let mut index = index();
        index.pin(blob(1));
        index.pin(blob(1));
        index.unpin(&blob(1));
        assert_eq!(index.shrink_to(30), Ok(vec![blob(2)]));
        assert_eq!(index.shrink_to(5), Err(Full));
        index.unpin(&blob(1));
        assert_eq!(index.shrink_to(0).map(|going| going.len()), Ok(4));
    }

    #[test]
    fn as_many_blobs_go_as_can_when_all_of_them_are_not_enough() {
        let mut index = index();
        index.pin(blob(2));
        assert_eq!(index.least_used(0), []);
        assert_eq!(index.least_used(11), [blob(1), blob(3)]);
        assert_eq!(index.least_used(99), [blob(1), blob(3), blob(4)]);
    }

    #[test]
    fn a_blob_noted_twice_counts_once() {
        let mut index = index();
        let used = LastUse(7);
        index.insert(blob(1), Record { len: 10, used });
        assert_eq!(index.total(), 40);
        index.remove(&blob(1));
        index.remove(&blob(1));
        assert_eq!(index.total(), 30);
    }

    #[test]
    fn touching_an_absent_blob_does_not_make_it_present() {
        let mut index = index();
        assert_eq!(index.touch(blob(9), LastUse(1)), None);
        assert!(!index.contains(&blob(9)));
    }
}
