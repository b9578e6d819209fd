//! The same work on many items, a few at a time.
//!
//! Waiting for a disk to write one file leaves it idle for the next; a few
//! waits at once keep it busy, and most file systems settle them together.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Runs `work` on every item, on `threads` threads at most, and returns the
/// results in the items' order. After an error no new item is begun.
pub(crate) fn try_map<T, R, E>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E>
where
    T: Sync,
    R: Send,
    E: Send,
{
    let threads = threads.min(items.len());
    if threads <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        while let Some((at, item)) = take(items, &next) {
            let result = work(item).inspect_err(|_| next.store(items.len(), Ordering::Relaxed));
            done.push((at, result));
        }
        done
    };
    let mut results: Vec<_> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(worker)).collect();
        let mut results = worker();
        for other in others {
            results.extend(other.join().expect("the work does not panic"));
        }
        results
    });
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

fn take<'a, T>(items: &'a [T], next: &AtomicUsize) -> Option<(usize, &'a T)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    items.get(at).map(|item| (at, item))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<u32> = (0..1_000).collect();
        let doubled = try_map(&items, 4, |item| Ok::<_, ()>(item * 2));
        assert_eq!(doubled, Ok(items.iter().map(|item| item * 2).collect()));
    }

    #[test]
    fn one_failure_fails_the_whole() {
        let items: Vec<u32> = (0..1_000).collect();
        let result = try_map(
            &items,
            4,
            |item| if *item == 500 { Err(*item) } else { Ok(()) },
        );
        assert_eq!(result, Err(500));
    }
}
