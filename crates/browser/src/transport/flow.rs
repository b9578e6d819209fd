//! Backpressure: when bytes handed to a browser's channel count as gone.
//!
//! The browser tells how much it still buffers, and a data channel tells when
//! that falls to a threshold. So up to the threshold counts as on its way: the
//! machine refills while the channel still has something to send.

/// Where a data channel tells that it wants more, in bytes.
pub(crate) const LOW: usize = 1 << 20;

/// The bytes of one channel.
#[derive(Default)]
pub(crate) struct Flow {
    /// Handed over and not yet reported as drained.
    outstanding: usize,
}

impl Flow {
    pub fn sent(&mut self, bytes: usize) {
        self.outstanding += bytes;
    }

    pub fn is_idle(&self) -> bool {
        self.outstanding == 0
    }

    /// Bytes that went since the last call, while the channel buffers
    /// `buffered`.
    pub fn drained(&mut self, buffered: usize) -> usize {
        let left = if buffered <= LOW {
            0
        } else {
            self.outstanding.min(buffered)
        };
        let drained = self.outstanding - left;
        self.outstanding = left;
        drained
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_reported_once() {
        let mut flow = Flow::default();
        flow.sent(3 << 20);
        assert_eq!(flow.drained(3 << 20), 0);
        assert_eq!(flow.drained(2 << 20), 1 << 20);
        flow.sent(1 << 20);
        assert_eq!(flow.drained(LOW), 3 << 20);
        assert_eq!(flow.drained(0), 0);
        assert!(flow.is_idle());
    }

    #[test]
    fn what_is_below_the_threshold_counts_as_gone() {
        let mut flow = Flow::default();
        flow.sent(1000);
        assert_eq!(flow.drained(1000), 1000);
        flow.sent(2 << 20);
        assert_eq!(flow.drained((2 << 20) + 1000), 0);
    }
}
