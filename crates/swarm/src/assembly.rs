//! A blob that comes in parts.

use bytes::{Bytes, BytesMut};
use samara_core::blob::MAX_BLOB_LEN;

/// Room made before anything came: a few bytes may name the largest blob.
pub(crate) const RESERVED: usize = 64 << 10;

/// The parts of one blob so far, in order.
#[derive(Default)]
pub(crate) struct Assembly {
    total: usize,
    bytes: BytesMut,
}

/// A part that does not continue what came before.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WrongPart;

impl Assembly {
    /// Bytes of memory it takes.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// Adds a part; gives the whole blob with the last one.
    pub(crate) fn add(
        &mut self,
        offset: u32,
        total: u32,
        data: &[u8],
    ) -> Result<Option<Bytes>, WrongPart> {
        let (offset, total) = (offset as usize, total as usize);
        if self.bytes.is_empty() && (1..=MAX_BLOB_LEN).contains(&total) {
            self.total = total;
            self.bytes = BytesMut::with_capacity(total.min(RESERVED));
        }
        let continues = total == self.total && offset == self.bytes.len();
        if !continues || data.is_empty() || data.len() > total - offset {
            return Err(WrongPart);
        }
        self.bytes.extend_from_slice(data);
        if self.bytes.len() < total {
            return Ok(None);
        }
        Ok(Some(core::mem::take(&mut self.bytes).freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_in_order_make_the_blob() {
        let mut parts = Assembly::default();
        assert_eq!(parts.add(0, 5, b"ab"), Ok(None));
        assert_eq!(
            parts.add(2, 5, b"cde"),
            Ok(Some(Bytes::from_static(b"abcde")))
        );
    }

    #[test]
    fn a_part_takes_memory_for_what_came_and_not_for_what_may_come() {
        let mut parts = Assembly::default();
        let total = u32::try_from(MAX_BLOB_LEN).unwrap();
        assert_eq!(parts.add(0, total, b"a"), Ok(None));
        assert!(parts.bytes.capacity() <= RESERVED);
    }

    #[test]
    fn a_part_out_of_range_or_order_is_wrong() {
        let too_long = u32::try_from(MAX_BLOB_LEN).unwrap() + 1;
        for (offset, total, data) in [
            (1, 5, &b"a"[..]),
            (0, 0, b""),
            (0, 5, b""),
            (0, 1, b"ab"),
            (0, too_long, b"a"),
            (u32::MAX, u32::MAX, b"a"),
        ] {
            let added = Assembly::default().add(offset, total, data);
            assert_eq!(added, Err(WrongPart), "{offset} of {total}");
        }
        let mut parts = Assembly::default();
        assert_eq!(parts.add(0, 5, b"ab"), Ok(None));
        assert_eq!(parts.add(2, 6, b"c"), Err(WrongPart));
        assert_eq!(parts.add(1, 5, b"c"), Err(WrongPart));
        assert_eq!(parts.add(2, 5, b"cdef"), Err(WrongPart));
    }
}
