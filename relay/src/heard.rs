//! When a connection's other end was last heard of.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Remembers the moment.
pub(crate) struct Heard {
    start: Instant,
    millis: AtomicU64,
}

impl Heard {
    pub fn now() -> Self {
        Self {
            start: Instant::now(),
            millis: AtomicU64::new(0),
        }
    }

    pub fn touch(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis());
        let millis = millis.expect("a connection lasts less than 584 million years");
        self.millis.store(millis, Ordering::Relaxed);
    }

    /// Returns when nothing was heard for `silence`.
    pub async fn until_silent_for(&self, silence: Duration) {
        loop {
            let heard = Duration::from_millis(self.millis.load(Ordering::Relaxed));
            let silent_at = self.start + heard + silence;
            if silent_at <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(silent_at).await;
        }
    }
}
