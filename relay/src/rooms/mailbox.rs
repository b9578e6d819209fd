//! What waits to be sent to one connection, bounded in bytes.
//!
//! Forwarded messages and the relay's own have bounds of their own: a flood
//! of the first must not hide the second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::bridge::Receipt;
use crate::limits::Limits;

/// A message on its way to a connection. Its place in the queue is free when
/// it is dropped.
#[derive(Debug)]
pub(crate) struct Letter {
    pub message: Bytes,
    /// So many members it tells another relay of.
    pub tells: usize,
    _place: OwnedSemaphorePermit,
    _receipt: Option<Receipt>,
}

/// The receiver is too slow for what is sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Congested;

/// The sending end; clones lead to the same connection.
#[derive(Debug, Clone)]
pub(crate) struct Mailbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queue: mpsc::UnboundedSender<Letter>,
    forwards: Arc<Semaphore>,
    forwards_most: u32,
    notices: Arc<Semaphore>,
    notices_most: u32,
    /// A sender waited in vain; others are not to wait until there is room.
    congested: AtomicBool,
    overrun: CancellationToken,
}

/// The connection's end.
#[derive(Debug)]
pub(crate) struct Letters {
    queue: mpsc::UnboundedReceiver<Letter>,
    overrun: CancellationToken,
}

impl Mailbox {
    pub fn new(limits: &Limits) -> (Self, Letters) {
        // Unbounded, since the places are what bounds it.
        let (queue, receiver) = mpsc::unbounded_channel();
        let overrun = CancellationToken::new();
        let letters = Letters {
            queue: receiver,
            overrun: overrun.clone(),
        };
        let inner = Inner {
            queue,
            forwards: Arc::new(Semaphore::new(limits.forwarded_queue as usize)),
            forwards_most: limits.forwarded_queue,
            notices: Arc::new(Semaphore::new(limits.notices_queue as usize)),
            notices_most: limits.notices_queue,
            congested: AtomicBool::new(false),
            overrun,
        };
        (Self(Arc::new(inner)), letters)
    }

    /// Sends one of the relay's own messages. A connection that takes too few
    /// of them is to be cut off, see [`Letters::overrun`].
    pub fn notify(&self, message: Bytes) {
        self.tell(message, 0);
    }

    /// The same of one that tells another relay of so many members.
    pub fn tell(&self, message: Bytes, tells: usize) {
        let places = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let notices = Arc::clone(&self.0.notices);
        match notices.try_acquire_many_owned(places) {
            Ok(place) => self.put(message, tells, place, None),
            Err(_) => self.0.overrun.cancel(),
        }
    }

    /// Sends what the connection can do without; it goes nowhere while half of
    /// what may be queued is.
    pub fn hint(&self, message: Bytes) {
        if self.0.notices.available_permits() > self.0.notices_most as usize / 2 {
            self.notify(message);
        }
    }

    /// Sends another member's message; waits for room until then.
    pub async fn forward(&self, message: Bytes, until: Instant) -> Result<(), Congested> {
        let places = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let places = places.min(self.0.forwards_most);
        let forwards = Arc::clone(&self.0.forwards);
        let at_once = forwards.try_acquire_many_owned(places);
        if let Ok(place) = at_once {
            self.0.congested.store(false, Ordering::Relaxed);
            self.put(message, 0, place, None);
            return Ok(());
        }
        if self.0.congested.load(Ordering::Relaxed) {
            return Err(Congested);
        }
        let forwards = Arc::clone(&self.0.forwards);
        let room = forwards.acquire_many_owned(places);
        let Ok(Ok(place)) = timeout_at(until, room).await else {
            self.0.congested.store(true, Ordering::Relaxed);
            return Err(Congested);
        };
        self.put(message, 0, place, None);
        Ok(())
    }

    /// Sends a signal that came from another relay, if there is room now.
    pub fn deliver(&self, message: Bytes, receipt: Receipt) -> Result<(), Congested> {
        let places = u32::try_from(message.len()).unwrap_or(u32::MAX);
        let places = places.min(self.0.forwards_most);
        let forwards = Arc::clone(&self.0.forwards);
        let place = forwards.try_acquire_many_owned(places);
        let place = place.map_err(|_| Congested)?;
        self.put(message, 0, place, Some(receipt));
        Ok(())
    }

    fn put(
        &self,
        message: Bytes,
        tells: usize,
        place: OwnedSemaphorePermit,
        receipt: Option<Receipt>,
    ) {
        // A connection that just ended has left its rooms or is about to.
        let _ = self.0.queue.send(Letter {
            message,
            tells,
            _place: place,
            _receipt: receipt,
        });
    }
}

impl Letters {
    /// The next message. It never ends while a mailbox leads here.
    pub async fn recv(&mut self) -> Option<Letter> {
        self.queue.recv().await
    }

    /// The next message if there is one.
    pub fn try_recv(&mut self) -> Option<Letter> {
        self.queue.try_recv().ok()
    }

    /// Says when the connection took too few of the relay's messages.
    pub fn overrun(&self) -> CancellationToken {
        self.overrun.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limits() -> Limits {
        Limits {
            forwarded_queue: 10,
            notices_queue: 10,
            ..Limits::default()
        }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(50)
    }

    const SIX: Bytes = Bytes::from_static(b"sealed");

    #[tokio::test(start_paused = true)]
    async fn a_sender_waits_for_room_and_only_the_first_waits_in_vain() {
        let (mailbox, mut letters) = Mailbox::new(&limits());
        mailbox.forward(SIX, soon()).await.unwrap();
        let start = Instant::now();
        assert_eq!(mailbox.forward(SIX, soon()).await, Err(Congested));
        assert_eq!(start.elapsed(), Duration::from_millis(50));
        assert_eq!(mailbox.forward(SIX, soon()).await, Err(Congested));
        assert_eq!(start.elapsed(), Duration::from_millis(50));

        drop(letters.recv().await);
        assert_eq!(mailbox.forward(SIX, soon()).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn room_that_comes_in_time_is_used() {
        let (mailbox, mut letters) = Mailbox::new(&limits());
        mailbox.forward(SIX, soon()).await.unwrap();
        let take = async { drop(letters.recv().await) };
        let (sent, ()) = tokio::join!(mailbox.forward(SIX, soon()), take);
        assert_eq!(sent, Ok(()));
        assert_eq!(letters.try_recv().map(|letter| letter.message), Some(SIX));
    }

    #[tokio::test]
    async fn nobody_is_overrun_by_what_it_can_do_without() {
        let (mailbox, mut letters) = Mailbox::new(&limits());
        for _ in 0..10 {
            mailbox.hint(SIX);
        }
        assert!(!letters.overrun().is_cancelled());
        assert!(letters.try_recv().is_some() && letters.try_recv().is_none());
    }

    #[tokio::test]
    async fn a_connection_that_takes_no_notices_is_overrun() {
        let (mailbox, letters) = Mailbox::new(&limits());
        mailbox.notify(SIX);
        assert!(!letters.overrun().is_cancelled());
        mailbox.notify(SIX);
        assert!(letters.overrun().is_cancelled());
    }
}
