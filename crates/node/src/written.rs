//! What a node writes down whenever it has changed.

use std::io;

/// A value, and whether a file says it.
#[derive(Debug)]
pub(crate) struct Written<T> {
    /// For the log: `wants of others are`.
    what: &'static str,
    last: Option<T>,
    failing: bool,
}

impl<T: PartialEq + Clone + Send + 'static> Written<T> {
    /// `last` is what the file says already.
    pub fn new(what: &'static str, last: Option<T>) -> Self {
        Self {
            what,
            last,
            failing: false,
        }
    }

    /// Writes the value if it is another one. After a failure the next update
    /// tries again; the log says it once.
    pub async fn update(
        &mut self,
        now: T,
        write: impl FnOnce(&T) -> io::Result<()> + Send + 'static,
    ) {
        if self.last.as_ref() == Some(&now) {
            return;
        }
        let value = now.clone();
        let done = tokio::task::spawn_blocking(move || write(&value)).await;
        match done.expect("writing does not panic") {
            Ok(()) => {
                self.last = Some(now);
                self.failing = false;
            }
            Err(error) if !self.failing => {
                tracing::warn!(%error, "{} not written down", self.what);
                self.last = None;
                self.failing = true;
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_value_is_written_when_it_changed_and_until_that_succeeds() {
        let writes = Arc::new(AtomicUsize::new(0));
        let mut written = Written::new("numbers are", Some(1));
        let full = Err(io::ErrorKind::StorageFull);
        for (value, outcome, writes_by_then) in [
            (1, Ok(()), 0),
            (2, Ok(()), 1),
            (2, Ok(()), 1),
            (3, full, 2),
            (3, Ok(()), 3),
            (3, Ok(()), 3),
        ] {
            let count = Arc::clone(&writes);
            let write = move |_: &i32| {
                count.fetch_add(1, Ordering::Relaxed);
                outcome.map_err(io::Error::from)
            };
            written.update(value, write).await;
            assert_eq!(writes.load(Ordering::Relaxed), writes_by_then, "{value}");
        }
    }
}
