//! The invariants, checked at every step. The first breach ends a scenario.

mod asked;
mod figures;
mod told;
mod trust;
mod wants;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bytes::Bytes;
use samara_core::{BlobId, MemberId, Message, PeerId, Topic};

use crate::checks::asked::Asked;
use crate::checks::trust::Distrust;
use crate::checks::wants::{Count, Standing};
use crate::file::File;
use crate::net::{Talk, WireId};
use crate::peer::{News, Peer};
use crate::plan::{Host, Plan};
use crate::time::{Moment, Span};

pub use figures::Figures;

/// What must always hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Invariant {
    /// What an honest machine says and serves is true, and what it tells its
    /// user is in the store.
    OnlyVerified,
    /// Nothing is fetched twice.
    FetchedOnce,
    /// Progress never goes backwards.
    Progress,
    /// No machine is busy with nothing.
    Quiet,
    /// No honest peer is taken for a liar.
    Fairness,
    /// A peer that sent a wrong blob is reported and not asked again.
    Trust,
    /// Memory within its limit.
    Memory,
    /// Wants are told as often as they change, and not more.
    Wants,
    /// What can complete, completes, and nothing else does.
    Oracle,
}

/// An invariant that did not hold.
#[derive(Clone, Debug)]
pub struct Breach {
    pub invariant: Invariant,
    pub at: Moment,
    pub what: String,
}

/// A host's machine after something happened to it.
pub(crate) struct Observed<'a> {
    pub(crate) host: Host,
    pub(crate) now: Moment,
    pub(crate) peer: &'a Peer,
}

/// Everything that is remembered to check.
pub(crate) struct Checks {
    plan: Rc<Plan>,
    files: Rc<[File]>,
    /// Every blob of every file.
    known: BTreeSet<BlobId>,
    breach: Option<Breach>,
    hosts: Vec<Watched>,
    /// Whose identity is whose.
    ids: BTreeMap<PeerId, Host>,
    figures: Figures,
}

/// What is known of one host.
#[derive(Default)]
struct Watched {
    asked: Asked,
    standing: Standing,
    /// Wants told on each connection.
    told: BTreeMap<Talk, Count>,
    distrust: Distrust,
    /// Bytes of blobs that came from honest hosts, and that were of use.
    came: u64,
    useful: u64,
    /// Bytes of blobs it sent.
    served: u64,
    /// Inputs since its memory was looked at.
    handled: u32,
    tasks: BTreeMap<usize, TaskSeen>,
    dropped: BTreeSet<usize>,
    /// Wakes in the current second.
    second: u64,
    wakes: u64,
}

/// What a machine said of one of its tasks.
#[derive(Clone, Debug, Default)]
pub(crate) struct TaskSeen {
    pub(crate) opened: Moment,
    pub(crate) done: Option<Moment>,
    pub(crate) failed: bool,
    /// Bytes of the file that were to come when it was opened.
    pub(crate) missing: u64,
    /// Whole copies that others proved to keep.
    pub(crate) copies: u8,
    progress: (u32, u64),
}

impl Checks {
    pub(crate) fn new(plan: &Rc<Plan>, files: Rc<[File]>) -> Self {
        let hosts = plan.hosts.iter().map(|_| Watched::default()).collect();
        let blobs = files.iter().flat_map(|file| &file.blobs);
        let ids = blobs.map(|(id, _)| *id);
        Self {
            plan: plan.clone(),
            known: ids.collect(),
            files,
            breach: None,
            hosts,
            ids: BTreeMap::new(),
            figures: Figures::default(),
        }
    }

    pub(crate) fn name(&mut self, host: Host, id: PeerId) {
        self.ids.insert(id, host);
    }

    pub(crate) const fn breach(&self) -> Option<&Breach> {
        self.breach.as_ref()
    }

    pub(crate) const fn figures(&self) -> &Figures {
        &self.figures
    }

    pub(crate) fn task(&self, host: Host, task: usize) -> Option<&TaskSeen> {
        self.hosts[host.0].tasks.get(&task)
    }

    /// Something does not hold.
    pub(crate) fn breached(&mut self, invariant: Invariant, at: Moment, what: String) {
        self.breach.get_or_insert(Breach {
            invariant,
            at,
            what,
        });
    }

    pub(crate) fn was_dropped(&self, host: Host, task: usize) -> bool {
        self.hosts[host.0].dropped.contains(&task)
    }

    pub(crate) fn on_dropped(&mut self, host: Host, task: usize) {
        self.hosts[host.0].dropped.insert(task);
    }

    /// A push begins: what was proven before it counts no more.
    pub(crate) fn on_push(&mut self, host: Host, task: usize) {
        if let Some(seen) = self.hosts[host.0].tasks.get_mut(&task) {
            seen.copies = 0;
        }
    }

    pub(crate) const fn on_event(&mut self, _at: Moment) {
        self.figures.events += 1;
    }

    /// A machine begins anew: what it knew is gone, what it said is not.
    pub(crate) fn on_born(&mut self, host: Host) {
        let watched = &mut self.hosts[host.0];
        watched.asked = Asked::default();
        watched.standing = Standing::default();
        watched.told.clear();
        watched.distrust = Distrust::default();
    }

    pub(crate) fn on_died(&mut self, host: Host) {
        for seen in self.hosts[host.0].tasks.values_mut() {
            seen.progress = (0, 0);
        }
    }

    pub(crate) fn on_task(
        &mut self,
        host: Host,
        task: usize,
        now: Moment,
        file: &File,
        store: &BTreeMap<BlobId, Bytes>,
    ) {
        let Watched { asked, tasks, .. } = &mut self.hosts[host.0];
        let seen = tasks.entry(task).or_insert_with(|| {
            let blobs = file.blobs.iter();
            // What was asked for others' sake may be on its way already.
            let missing = blobs.filter(|(id, _)| !store.contains_key(id) && !asked.was_asked(id));
            TaskSeen {
                opened: now,
                missing: missing.map(|(_, bytes)| bytes.len() as u64).sum(),
                ..TaskSeen::default()
            }
        });
        // A restart takes a failed task up again.
        seen.failed = false;
    }

    pub(crate) fn on_wake(&mut self, host: Host, now: Moment) {
        /// More than any timer needs.
        const MOST: u64 = 100;
        let watched = &mut self.hosts[host.0];
        if watched.second != now.seconds() {
            watched.second = now.seconds();
            watched.wakes = 0;
        }
        watched.wakes += 1;
        let wakes = watched.wakes;
        self.figures.wakes.raise(wakes);
        if wakes > MOST {
            let what = format!("{host:?} asked for more than {MOST} wakes in a second");
            self.breached(Invariant::Quiet, now, what);
        }
    }

    pub(crate) fn on_handled(&mut self, seen: &Observed<'_>) {
        if !self.plan.host(seen.host).is_honest() {
            return;
        }
        let tasks: Vec<_> = self.hosts[seen.host.0].tasks.keys().copied().collect();
        for task in tasks {
            self.check_progress(seen, task);
        }
        self.check_reported(seen.host, seen.now);
        self.check_memory(seen);
    }

    /// Now and then, as it takes a look at everything.
    fn check_memory(&mut self, seen: &Observed<'_>) {
        const EVERY: u32 = 32;
        let watched = &mut self.hosts[seen.host.0];
        watched.handled += 1;
        if watched.handled < EVERY {
            return;
        }
        watched.handled = 0;
        let bounds = self.plan.host(seen.host).bounds;
        let (held, most) = seen.peer.memory(bounds, self.longest_blob());
        self.figures.memory.raise(held);
        self.figures.memory_part.raise(held * 100 / most);
        self.bound_memory(seen.host, seen.now, held, most);
    }

    fn bound_memory(&mut self, host: Host, now: Moment, held: u64, most: u64) {
        if held > most {
            let what = format!("{host:?} holds {held} bytes where {most} are allowed");
            self.breached(Invariant::Memory, now, what);
        }
    }

    /// Lists of ids may be longer than what small files are cut into.
    fn longest_blob(&self) -> usize {
        const LIST: usize = 4096;
        let blobs = self.files.iter().flat_map(|file| &file.blobs);
        let longest = blobs.map(|(_, bytes)| bytes.len()).max();
        longest.unwrap_or_default().max(LIST)
    }

    /// Nothing is under way any more: whatever a machine still holds, it would
    /// hold for ever.
    pub(crate) fn check_rest(&mut self, seen: &Observed<'_>) {
        let bounds = self.plan.host(seen.host).bounds;
        let (held, _) = seen.peer.memory(bounds, self.longest_blob());
        let known = self.files.iter().map(|file| file.blobs.len()).sum();
        let most = seen.peer.memory_at_rest(known, self.plan.hosts.len());
        self.figures.rest_part.raise(held * 100 / most.max(1));
        self.bound_memory(seen.host, seen.now, held, most);
    }

    fn check_progress(&mut self, seen: &Observed<'_>, task: usize) {
        let Some(now) = seen.peer.progress(task) else {
            return;
        };
        let of = &mut self.hosts[seen.host.0].tasks;
        let Some(before) = of.get_mut(&task).map(|of| &mut of.progress) else {
            return;
        };
        let (was, is) = (*before, now);
        *before = now;
        if is.0 < was.0 || is.1 < was.1 {
            let what = format!("{:?} task {task} went from {was:?} to {is:?}", seen.host);
            self.breached(Invariant::Progress, seen.now, what);
        }
    }

    pub(crate) fn on_unreadable(&mut self, host: Host, now: Moment, sent: bool) {
        if sent {
            let what = format!("{host:?} sent bytes that are no message");
            self.breached(Invariant::OnlyVerified, now, what);
        }
    }

    pub(crate) fn on_said(
        &mut self,
        host: Host,
        far: Host,
        talk: Talk,
        now: Moment,
        message: &Message,
        store: &BTreeMap<BlobId, Bytes>,
    ) {
        if let Message::Response { data, .. } | Message::Part { data, .. } = message {
            self.hosts[host.0].served += data.len() as u64;
        }
        self.check_true(host, now, message, store);
        self.check_asking(host, far, talk, now, message, store);
        self.check_wants(host, talk, now, message);
    }

    pub(crate) fn on_heard(&mut self, host: Host, far: Host, talk: Talk, message: &Message) {
        let watched = &mut self.hosts[host.0];
        let bytes = watched.asked.on_heard(talk, message);
        watched.standing.on_heard(talk, message);
        self.figures.received += bytes;
        if self.plan.host(far).is_honest() {
            watched.came += bytes;
        }
    }

    pub(crate) fn on_talk_over(&mut self, host: Host, talk: Talk) {
        self.forget(host, |of| *of == talk);
    }

    pub(crate) fn on_member_left(&mut self, host: Host, wire: WireId, topic: Topic, id: MemberId) {
        self.forget(host, |of| {
            let session = of.session.map(|(topic, id, _)| (topic, id));
            of.wire == wire && session == Some((topic, id))
        });
    }

    pub(crate) fn on_hung_up(&mut self, host: Host, wire: WireId) {
        self.forget(host, |of| of.wire == wire);
    }

    /// Bytes of blobs a host sent.
    pub(crate) fn served(&self, host: Host) -> u64 {
        self.hosts[host.0].served
    }

    /// Connections that are over.
    fn forget(&mut self, host: Host, is_over: impl Fn(&Talk) -> bool) {
        let watched = &mut self.hosts[host.0];
        watched.asked.forget(&is_over);
        watched.standing.forget(&is_over);
        watched.told.retain(|talk, _| !is_over(talk));
    }

    /// Bytes that came for nothing, when all is over.
    pub(crate) fn on_end(&mut self) {
        for watched in &self.hosts {
            let wasted = watched.came.saturating_sub(watched.useful);
            self.figures.wasted_all += wasted;
            self.figures.wasted.raise(wasted);
        }
    }

    /// A task that had to complete did, so long after the last fault.
    pub(crate) fn completed(&mut self, late: Span) {
        self.figures.completed += 1;
        self.figures.late.raise(late.0 / 1_000_000);
    }

    pub(crate) fn on_news(
        &mut self,
        host: Host,
        now: Moment,
        news: &News,
        store: &BTreeMap<BlobId, Bytes>,
    ) {
        if self.plan.host(host).is_honest() {
            self.check_news(host, now, news, store);
        }
    }
}

#[cfg(test)]
mod tests;
