//! Another relay, as rooms know it: where its members are reached, and how much
//! each of this relay's members may have under way to it.
//!
//! Without a bound for each member, one that sends to somebody slow would hold
//! up all that share the bridge.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use samara_core::{MemberId, Message, PeerId, Topic};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::mailbox::{Congested, Mailbox};
use crate::limits::Limits;

/// What a signal counts as at least, in bytes.
const LEAST: usize = 1 << 10;

/// A bridge to another relay; clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Bridge(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    number: u64,
    relay: PeerId,
    host: IpAddr,
    mailbox: Mailbox,
    window: u32,
    /// What this relay's members have under way.
    sent: Mutex<HashMap<Sender, Window>>,
    /// What the other's members have here.
    owed: Mutex<HashMap<Sender, Owed>>,
}

/// A member in one of its rooms.
type Sender = (Topic, MemberId);

#[derive(Debug)]
struct Window {
    free: Arc<Semaphore>,
    under_way: u32,
    /// The member waited in vain; it is not to wait until as much is taken as a
    /// relay takes before it says so.
    congested: bool,
}

/// What a member of the other relay has here.
#[derive(Debug, Default)]
struct Owed {
    under_way: u32,
    /// Taken, and the other relay was not told yet.
    untold: u32,
}

/// More was forwarded for a member than may be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overdrawn;

/// Dropped, it counts a signal as taken, and tells the other relay in time.
#[derive(Debug)]
pub(crate) struct Receipt {
    bridge: Bridge,
    from: Sender,
    cost: u32,
}

impl Bridge {
    /// `mailbox` is that of the connection to the relay, which is on this host.
    pub fn new(relay: PeerId, host: IpAddr, mailbox: Mailbox, limits: &Limits) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        Self(Arc::new(Inner {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            relay,
            host,
            mailbox,
            window: limits.forward_window,
            sent: Mutex::default(),
            owed: Mutex::default(),
        }))
    }

    /// Tells it apart from all bridges there were.
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// Whether both lead to the same relay.
    pub fn leads_where(&self, other: &Self) -> bool {
        self.0.relay == other.0.relay
    }

    /// Whether both lead to one host, and not to the same relay there. A proxy on
    /// this machine is no host.
    pub fn is_beside(&self, other: &Self) -> bool {
        self.0.host == other.0.host && !self.0.host.is_loopback() && !self.leads_where(other)
    }

    /// Tells the other relay something of this one.
    pub fn notify(&self, message: &Message) {
        let tells = match message {
            Message::Members { members, .. } => members.len(),
            Message::Joined { .. } | Message::Left { .. } | Message::Leave { .. } => 1,
            _ => 0,
        };
        self.0.mailbox.tell(message.encode(), tells);
    }

    /// Sends a member's signal to one of the other relay; waits for room until then.
    pub async fn forward(
        &self,
        topic: Topic,
        from: MemberId,
        to: MemberId,
        sealed: Bytes,
        until: Instant,
    ) -> Result<(), Congested> {
        let cost = self.cost(&sealed);
        self.enter((topic, from), cost, until).await?;
        let message = Message::Forward {
            topic,
            from,
            to,
            sealed,
        };
        let sent = self.0.mailbox.forward(message.encode(), until).await;
        if sent.is_err() {
            self.taken(topic, from, cost);
        }
        sent
    }

    /// So many bytes of a member are not under way any more. More than were
    /// are not believed: false if that is said.
    pub fn taken(&self, topic: Topic, from: MemberId, bytes: u32) -> bool {
        let mut sent = lock(&self.0.sent);
        let Some(window) = sent.get_mut(&(topic, from)) else {
            return true;
        };
        let under_way = window.under_way;
        window.under_way = under_way.saturating_sub(bytes);
        if self.0.window - window.under_way >= self.0.window / 4 {
            window.congested = false;
        }
        window.free.add_permits(bytes.min(under_way) as usize);
        bytes <= under_way
    }

    /// A member of this relay left a room.
    pub fn forget(&self, topic: Topic, member: MemberId) {
        lock(&self.0.sent).remove(&(topic, member));
    }

    /// A signal of one of the other relay's members came.
    pub fn receipt(
        &self,
        topic: Topic,
        from: MemberId,
        sealed: &Bytes,
    ) -> Result<Receipt, Overdrawn> {
        let (from, cost) = ((topic, from), self.cost(sealed));
        let mut owed = lock(&self.0.owed);
        let of_member = owed.entry(from).or_default();
        if of_member.under_way + of_member.untold + cost > self.0.window {
            return Err(Overdrawn);
        }
        of_member.under_way += cost;
        let bridge = self.clone();
        Ok(Receipt { bridge, from, cost })
    }

    /// Waits for so much room in a member's window, and takes it.
    async fn enter(&self, sender: Sender, cost: u32, until: Instant) -> Result<(), Congested> {
        let (free, congested) = {
            let mut sent = lock(&self.0.sent);
            let window = sent.entry(sender).or_insert_with(|| Window {
                free: Arc::new(Semaphore::new(self.0.window as usize)),
                under_way: 0,
                congested: false,
            });
            (Arc::clone(&window.free), window.congested)
        };
        let until = if congested { Instant::now() } else { until };
        let room = timeout_at(until, free.acquire_many_owned(cost)).await;
        let mut sent = lock(&self.0.sent);
        let window = sent.get_mut(&sender);
        match (room, window) {
            (Ok(Ok(room)), Some(window)) => {
                room.forget();
                window.under_way += cost;
                Ok(())
            }
            (_, window) => {
                if let Some(window) = window {
                    window.congested = true;
                }
                Err(Congested)
            }
        }
    }

    /// So much of a member's is taken: says so when nothing is under way any
    /// more, or a quarter of the window is free again.
    fn settle(&self, sender: Sender, cost: u32) {
        let bytes = {
            let mut owed = lock(&self.0.owed);
            let Some(of_member) = owed.get_mut(&sender) else {
                return;
            };
            of_member.under_way -= cost;
            of_member.untold += cost;
            let bytes = of_member.untold;
            if of_member.under_way == 0 {
                owed.remove(&sender);
            } else if bytes >= self.0.window / 4 {
                of_member.untold = 0;
            } else {
                return;
            }
            bytes
        };
        let (topic, from) = sender;
        self.notify(&Message::Taken { topic, from, bytes });
    }

    /// How many members here have a window.
    #[cfg(test)]
    pub fn senders(&self) -> usize {
        lock(&self.0.sent).len()
    }

    fn cost(&self, sealed: &Bytes) -> u32 {
        let cost = u32::try_from(sealed.len().max(LEAST)).unwrap_or(u32::MAX);
        cost.min(self.0.window)
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.bridge.settle(self.from, self.cost);
    }
}

impl PartialEq for Bridge {
    fn eq(&self, other: &Self) -> bool {
        self.number() == other.number()
    }
}

/// Every change is complete before a panic could come, so what a poisoned lock
/// guards is sound.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::mailbox::Letters;
    use super::*;

    const TOPIC: Topic = Topic::from_bytes([7; 20]);
    const FROM: MemberId = MemberId(1);
    const TO: MemberId = MemberId(2);
    /// Two of them fill the window.
    const SEALED: Bytes = Bytes::from_static(&[0; 2048]);

    fn bridge() -> (Bridge, Letters) {
        let limits = Limits {
            forward_window: 4096,
            ..Limits::default()
        };
        let (mailbox, letters) = Mailbox::new(&limits);
        let relay = PeerId::from_bytes([1; 32]);
        let host = IpAddr::from([127, 0, 0, 1]);
        (Bridge::new(relay, host, mailbox, &limits), letters)
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_waits_until_the_other_relay_took_what_is_under_way() {
        let (bridge, _letters) = bridge();
        let soon = || Instant::now() + Duration::from_millis(50);
        let send = |from| bridge.forward(TOPIC, from, TO, SEALED, soon());
        assert_eq!(send(FROM).await, Ok(()));
        assert_eq!(send(FROM).await, Ok(()));
        let before = Instant::now();
        assert_eq!(send(FROM).await, Err(Congested));
        assert_eq!(before.elapsed(), Duration::from_millis(50));
        // It waits once; what it has for others behind the bridge is not held up.
        assert_eq!(send(FROM).await, Err(Congested));
        assert_eq!(before.elapsed(), Duration::from_millis(50));
        // That is nobody else's trouble.
        assert_eq!(send(MemberId(3)).await, Ok(()));

        // Nor does it wait again for one that takes hardly anything.
        assert!(bridge.taken(TOPIC, FROM, 1));
        assert_eq!(send(FROM).await, Err(Congested));
        assert_eq!(before.elapsed(), Duration::from_millis(50));

        // What is taken twice makes no more room than there was.
        assert!(!bridge.taken(TOPIC, FROM, u32::MAX));
        assert!(!bridge.taken(TOPIC, FROM, 1));
        assert_eq!(send(FROM).await, Ok(()));
        assert_eq!(send(FROM).await, Ok(()));
        assert_eq!(send(FROM).await, Err(Congested));
    }

    #[tokio::test]
    async fn what_comes_beyond_the_window_is_refused_and_what_is_dropped_is_told() {
        let (bridge, mut letters) = bridge();
        let first = bridge.receipt(TOPIC, FROM, &SEALED).unwrap();
        let _second = bridge.receipt(TOPIC, FROM, &SEALED).unwrap();
        let third = bridge.receipt(TOPIC, FROM, &Bytes::new());
        assert_eq!(third.err(), Some(Overdrawn));
        drop(first);
        assert!(bridge.receipt(TOPIC, FROM, &Bytes::new()).is_ok());
        let told = letters.try_recv().unwrap();
        let told = Message::decode(&told.message).unwrap();
        let (from, bytes) = (FROM, 2048);
        assert_eq!(
            told,
            Message::Taken {
                topic: TOPIC,
                from,
                bytes
            }
        );
    }
}
