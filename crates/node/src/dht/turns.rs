//! Who asks the DHT next.
//!
//! Only some queries run at once. Lookups and announcements each have places of
//! their own, so that neither waits for the end of the other; and within each
//! kind whoever wants something is served in turn, so that nobody who wants much
//! holds up the others.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Queries at once. More overflow the socket's receive buffer at its default
/// size, and queries fail.
const QUERIES: usize = 8;

/// Of these, at most so many of one kind.
const OF_ONE_KIND: usize = 6;

/// Lines in which one query waits at most.
const LINES: usize = 16;

/// On whose behalf the DHT is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asker {
    /// This node's own user.
    User,
    /// Whoever is at this address.
    Host(IpAddr),
    /// Whoever has this connection, where an address says nothing.
    Connection(u64),
}

/// What the DHT is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Lookup,
    Announcement,
}

/// The queries under way and those that wait. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    waiting: [AtomicUsize; 2],
}

#[derive(Debug, Default)]
struct State {
    lines: [Lines; 2],
    under_way: [usize; 2],
}

/// Those who wait for one kind of query.
#[derive(Debug, Default)]
struct Lines {
    by_asker: HashMap<Asker, VecDeque<Slot>>,
    /// Whose line is not empty, next first.
    order: VecDeque<Asker>,
}

/// Somebody who waits, in as many lines as there are askers, until one has it given
/// a turn.
type Slot = Arc<Mutex<Option<oneshot::Sender<Turn>>>>;

/// The right to one query, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    kind: Kind,
}

/// A query that waits for its turn.
#[derive(Debug)]
pub(super) struct Waiting {
    kind: Kind,
    slot: Slot,
    given: oneshot::Receiver<Turn>,
    askers: Vec<Asker>,
    counted: Option<Counted>,
    turns: Turns,
}

/// Who waits is counted, for the figures.
#[derive(Debug)]
struct Counted(Turns, Kind);

impl Kind {
    const fn index(self) -> usize {
        match self {
            Self::Lookup => 0,
            Self::Announcement => 1,
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Lookup => Self::Announcement,
            Self::Announcement => Self::Lookup,
        }
    }
}

impl Turns {
    /// Lets a query wait, as yet in nobody's line.
    pub fn wait(&self, kind: Kind) -> Waiting {
        let (give, given) = oneshot::channel();
        Waiting {
            kind,
            slot: Arc::new(Mutex::new(Some(give))),
            given,
            askers: Vec::new(),
            counted: Some(Counted::new(self, kind)),
            turns: self.clone(),
        }
    }

    /// How many wait.
    pub fn waiting(&self, kind: Kind) -> usize {
        self.0.waiting[kind.index()].load(Ordering::Relaxed)
    }

    /// Gives the free places away. A turn that is not taken comes back by being
    /// dropped, so the lock is not held meanwhile.
    fn give(&self) {
        loop {
            let next = self.lock().next();
            let Some((kind, give)) = next else {
                return;
            };
            let turns = self.clone();
            drop(give.send(Turn { turns, kind }));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }
}

impl State {
    /// Who has a turn now, which counts as under way. The kind with fewer under
    /// way comes first.
    fn next(&mut self) -> Option<(Kind, oneshot::Sender<Turn>)> {
        let [lookups, announcements] = self.under_way;
        if lookups + announcements >= QUERIES {
            return None;
        }
        let first = if lookups <= announcements {
            Kind::Lookup
        } else {
            Kind::Announcement
        };
        [first, first.other()].into_iter().find_map(|kind| {
            let under_way = &mut self.under_way[kind.index()];
            if *under_way >= OF_ONE_KIND {
                return None;
            }
            let give = self.lines[kind.index()].pop()?;
            *under_way += 1;
            Some((kind, give))
        })
    }
}

impl Lines {
    fn push(&mut self, asker: Asker, slot: Slot) {
        let line = self.by_asker.entry(asker).or_default();
        if line.is_empty() {
            self.order.push_back(asker);
        }
        line.push_back(slot);
    }

    /// The next one who still waits.
    fn pop(&mut self) -> Option<oneshot::Sender<Turn>> {
        loop {
            let asker = self.order.pop_front()?;
            let line = self.by_asker.get_mut(&asker)?;
            let give = std::iter::from_fn(|| line.pop_front()).find_map(|slot| {
                // Another line may have been faster.
                let give = lock(&slot).take()?;
                (!give.is_closed()).then_some(give)
            });
            if line.is_empty() {
                self.by_asker.remove(&asker);
            } else {
                self.order.push_back(asker);
            }
            if give.is_some() {
                return give;
            }
        }
    }
}

impl Waiting {
    /// Waits in this one's line, too, if it does not already. The shortest counts.
    pub fn behind(&mut self, asker: Asker) {
        if self.askers.len() >= LINES || self.askers.contains(&asker) {
            return;
        }
        self.askers.push(asker);
        let slot = Arc::clone(&self.slot);
        self.turns.lock().lines[self.kind.index()].push(asker, slot);
        self.turns.give();
    }

    /// Waits for the turn, which comes once. Nothing is lost if the future is
    /// dropped before.
    pub async fn turn(&mut self) -> Turn {
        let turn = (&mut self.given).await;
        self.counted = None;
        turn.expect("whoever waits is let go only when given a turn")
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.lock().under_way[self.kind.index()] -= 1;
        self.turns.give();
    }
}

impl Counted {
    fn new(turns: &Turns, kind: Kind) -> Self {
        turns.0.waiting[kind.index()].fetch_add(1, Ordering::Relaxed);
        Self(turns.clone(), kind)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Self(turns, kind) = self;
        turns.0.waiting[kind.index()].fetch_sub(1, Ordering::Relaxed);
    }
}

/// Every change is complete before a panic could come, so what a poisoned lock
/// guards is sound.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const FLOOD: Asker = Asker::Connection(1);
    const OTHER: Asker = Asker::Connection(2);
    const THIRD: Asker = Asker::Connection(3);

    fn wait(turns: &Turns, kind: Kind, askers: &[Asker]) -> Waiting {
        let mut waiting = turns.wait(kind);
        for asker in askers {
            waiting.behind(*asker);
        }
        waiting
    }

    fn taken(waiting: &mut Waiting) -> Option<Turn> {
        waiting.turn().now_or_never()
    }

    /// Lookups that took all places they may.
    fn busy(turns: &Turns) -> Vec<Turn> {
        let flood = (0..OF_ONE_KIND).map(|_| wait(turns, Kind::Lookup, &[FLOOD]));
        flood.map(|mut turn| taken(&mut turn).unwrap()).collect()
    }

    #[test]
    fn who_wants_much_does_not_hold_up_others() {
        let turns = Turns::default();
        let mut under_way = busy(&turns);
        let mut flood: Vec<_> = (0..300)
            .map(|_| wait(&turns, Kind::Lookup, &[FLOOD]))
            .collect();
        let mut other = wait(&turns, Kind::Lookup, &[OTHER]);
        let mut third = wait(&turns, Kind::Lookup, &[THIRD]);
        assert_eq!(turns.waiting(Kind::Lookup), 302);
        under_way.truncate(OF_ONE_KIND - 3);
        let turns = [&mut flood[0], &mut other, &mut third].map(taken);
        assert!(turns.iter().all(Option::is_some));
    }

    #[test]
    fn what_two_want_waits_for_the_shorter_line_whenever_the_second_comes() {
        let turns = Turns::default();
        let mut under_way = busy(&turns);
        let _flood: Vec<_> = (0..300)
            .map(|_| wait(&turns, Kind::Lookup, &[FLOOD]))
            .collect();
        let mut shared = wait(&turns, Kind::Lookup, &[FLOOD]);
        shared.behind(OTHER);
        assert_eq!(turns.waiting(Kind::Lookup), 301);
        under_way.truncate(OF_ONE_KIND - 2);
        assert!(taken(&mut shared).is_some());
        // It does not come up again in the longer one.
        under_way.clear();
        assert_eq!(turns.waiting(Kind::Lookup), 300);
        drop(shared);
        assert_eq!(turns.waiting(Kind::Lookup), 300);
    }

    #[test]
    fn lookups_leave_places_to_announcements_and_the_other_way_around() {
        for kind in [Kind::Lookup, Kind::Announcement] {
            let turns = Turns::default();
            let mut flood: Vec<_> = (0..300).map(|_| wait(&turns, kind, &[FLOOD])).collect();
            let taken_at_once = flood.iter_mut().filter_map(taken).collect::<Vec<_>>();
            assert_eq!(taken_at_once.len(), OF_ONE_KIND);
            let mut others: Vec<_> = (0..=QUERIES - OF_ONE_KIND)
                .map(|_| wait(&turns, kind.other(), &[FLOOD]))
                .collect();
            let mut others = others.iter_mut().map(taken).collect::<Vec<_>>();
            assert!(others.pop().unwrap().is_none());
            assert!(others.iter().all(Option::is_some));
        }
    }

    #[test]
    fn a_turn_nobody_waits_for_any_more_is_the_next_ones() {
        let turns = Turns::default();
        let mut under_way = busy(&turns);
        let gone = wait(&turns, Kind::Lookup, &[OTHER]);
        let mut next = wait(&turns, Kind::Lookup, &[OTHER]);
        // One that goes when it was given its turn, and one before.
        let given = wait(&turns, Kind::Lookup, &[THIRD]);
        drop(gone);
        under_way.pop();
        assert!(taken(&mut next).is_some_and(|turn| {
            drop(turn);
            true
        }));
        drop(given);
        assert_eq!(turns.waiting(Kind::Lookup), 0);
        under_way.clear();
        assert_eq!(busy(&turns).len(), OF_ONE_KIND);
    }

    #[test]
    fn a_free_place_is_the_kinds_that_has_fewer() {
        let turns = Turns::default();
        let mut under_way = busy(&turns);
        let mut announcements: Vec<_> = (0..4)
            .map(|_| wait(&turns, Kind::Announcement, &[FLOOD]))
            .collect();
        let mut lookup = wait(&turns, Kind::Lookup, &[OTHER]);
        let taken_at_once = announcements.iter_mut().filter_map(taken);
        let _taken_at_once = taken_at_once.collect::<Vec<_>>();
        assert_eq!(turns.waiting(Kind::Announcement), 2);
        under_way.pop();
        assert!(taken(&mut lookup).is_none());
        assert!(taken(&mut announcements[2]).is_some());
    }
}
