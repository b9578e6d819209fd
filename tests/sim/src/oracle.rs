//! What should become of each task, decided in the slow and obvious way: who
//! can get what from whom once nothing goes wrong any more, again and again
//! until nobody learns anything new. The machine is held against it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use samara_core::BlobId;

use crate::file::File;
use crate::plan::{Fault, Host, HostPlan, Kind, Plan, Role, Task};

/// What is expected of one task.
#[derive(Clone, Debug)]
pub struct Duty {
    pub host: Host,
    pub task: usize,
    /// By the plan's deadline.
    pub must_complete: bool,
    /// Whether everything is to be had anywhere at all.
    pub can_complete: bool,
    /// Whole copies that others must have proven to keep by then.
    pub copies: u8,
}

/// The end of a plan, seen from above.
struct Calm<'a> {
    plan: &'a Plan,
    files: &'a [File],
    /// Up at the end and honest.
    good: BTreeSet<Host>,
    /// What each of those will come to hold.
    held: BTreeMap<Host, BTreeSet<BlobId>>,
}

/// What is expected of every honest host's tasks.
pub fn duties(plan: &Plan, files: &[File]) -> Vec<Duty> {
    let calm = Calm::settled(plan, files);
    let honest = plan.present().filter(|(_, host)| host.is_honest());
    let tasks = honest.flat_map(|(host, of)| {
        let tasks = of.tasks.iter().enumerate();
        tasks.map(move |(number, task)| (host, number, task))
    });
    tasks
        .map(|(host, number, task)| calm.duty(host, number, task))
        .collect()
}

impl<'a> Calm<'a> {
    fn settled(plan: &'a Plan, files: &'a [File]) -> Self {
        let alive = plan.present().filter(|(host, of)| {
            let gone = plan.faults.iter().any(|fault| match fault {
                Fault::Crash { host: of, back, .. } => of == host && back.is_none(),
                Fault::Move { .. }
                | Fault::Sleep { .. }
                | Fault::Partition { .. }
                | Fault::Cut { .. }
                | Fault::Pause { .. }
                | Fault::SlowDisk { .. }
                | Fault::Push { .. }
                | Fault::Play { .. }
                | Fault::Seek { .. }
                | Fault::Evict { .. }
                | Fault::Full { .. }
                | Fault::Drop { .. } => false,
            });
            of.is_honest() && !gone
        });
        let mut calm = Self {
            plan,
            files,
            good: alive.map(|(host, _)| host).collect(),
            held: BTreeMap::new(),
        };
        for host in calm.good.clone() {
            let tasks = &plan.host(host).tasks;
            let held = tasks.iter().flat_map(|task| calm.at_first(task)).collect();
            calm.held.insert(host, held);
        }
        while calm.spread() {}
        calm
    }

    fn at_first(&self, task: &Task) -> BTreeSet<BlobId> {
        let blobs = self.files[task.file].blobs.iter().enumerate();
        let held = blobs.filter(|(index, _)| task.role.holds(*index));
        held.map(|(_, (id, _))| *id).collect()
    }

    /// Everybody takes what is to be had from whom they reach; whether that
    /// was anything.
    fn spread(&mut self) -> bool {
        let mut any = false;
        for reader in self.good.clone() {
            for (number, task) in self.plan.host(reader).tasks.iter().enumerate() {
                if !self.fetches(reader, number) {
                    continue;
                }
                for source in self.good.clone() {
                    if source != reader && self.reaches(reader, source, task.file) {
                        any |= self.take(reader, source, task.file);
                    }
                }
            }
        }
        any
    }

    /// Takes what one has of a file: the entry's blobs first, since only they
    /// name the chunks.
    fn take(&mut self, reader: Host, source: Host, file: usize) -> bool {
        let file = &self.files[file];
        let (chunks, entry) = file.blobs.split_at(file.entry.chunks().len());
        let has = self.held[&source].clone();
        let knows = |held: &BTreeSet<BlobId>| entry.iter().all(|(id, _)| held.contains(id));
        // The stingy cannot tell what they share before they know the entry.
        if self.plan.host(source).stingy && !knows(&has) {
            return false;
        }
        let held = self.held.entry(reader).or_default();
        let before = held.len();
        let offered = |(id, _): &&(BlobId, Bytes)| has.contains(id);
        held.extend(entry.iter().filter(offered).map(|(id, _)| *id));
        if knows(held) {
            held.extend(chunks.iter().filter(offered).map(|(id, _)| *id));
        }
        held.len() > before
    }

    /// Whether a host's task is one that goes on to the end.
    fn fetches(&self, host: Host, number: usize) -> bool {
        let of = self.plan.host(host);
        let ended = self.plan.faults.iter().any(|fault| match fault {
            Fault::Full { host: of, .. } => *of == host,
            Fault::Drop { host: of, task, .. } => (*of, *task) == (host, number),
            Fault::Crash { .. }
            | Fault::Move { .. }
            | Fault::Sleep { .. }
            | Fault::Partition { .. }
            | Fault::Cut { .. }
            | Fault::Pause { .. }
            | Fault::SlowDisk { .. }
            | Fault::Push { .. }
            | Fault::Play { .. }
            | Fault::Seek { .. }
            | Fault::Evict { .. } => false,
        });
        !ended && of.room.is_none() && of.tasks[number].role != Role::Seed
    }

    /// Whether the reader will be connected to the source, and may tell it
    /// what it wants.
    fn reaches(&self, reader: Host, source: Host, file: usize) -> bool {
        let (r, s) = (self.plan.host(reader), self.plan.host(source));
        let dials = r.keeps.contains(&source) && self.can_be_dialed(source);
        let (mine, theirs) = (self.takes_part(reader, file), self.takes_part(source, file));
        let meets = mine && theirs && r.keeps.iter().any(|relay| self.is_room(*relay, s));
        let finds = mine && theirs && self.finds(r, s, source);
        dials || meets || finds
    }

    fn can_be_dialed(&self, host: Host) -> bool {
        let moved = self.plan.faults.iter().any(|fault| match fault {
            Fault::Move { host: of, .. } => *of == host,
            Fault::Crash { .. }
            | Fault::Sleep { .. }
            | Fault::Partition { .. }
            | Fault::Cut { .. }
            | Fault::Pause { .. }
            | Fault::SlowDisk { .. }
            | Fault::Push { .. }
            | Fault::Play { .. }
            | Fault::Seek { .. }
            | Fault::Evict { .. }
            | Fault::Full { .. }
            | Fault::Drop { .. } => false,
        });
        self.plan.host(host).listens() && !moved
    }

    /// Whether both keep to this relay.
    fn is_room(&self, relay: Host, other: &HostPlan) -> bool {
        self.plan.host(relay).kind == Kind::Relay
            && self.good.contains(&relay)
            && self.can_be_dialed(relay)
            && other.keeps.contains(&relay)
    }

    fn finds(&self, reader: &HostPlan, source: &HostPlan, host: Host) -> bool {
        reader.dht && source.dht && self.can_be_dialed(host)
    }

    /// Whether the host still has to do with the file at the end.
    fn takes_part(&self, host: Host, file: usize) -> bool {
        let mut tasks = self.plan.host(host).tasks.iter().enumerate();
        tasks.any(|(number, task)| {
            let dropped = self.plan.faults.iter().any(|fault| match fault {
                Fault::Drop { host: of, task, .. } => (*of, *task) == (host, number),
                Fault::Crash { .. }
                | Fault::Move { .. }
                | Fault::Sleep { .. }
                | Fault::Partition { .. }
                | Fault::Cut { .. }
                | Fault::Pause { .. }
                | Fault::SlowDisk { .. }
                | Fault::Push { .. }
                | Fault::Play { .. }
                | Fault::Seek { .. }
                | Fault::Evict { .. }
                | Fault::Full { .. } => false,
            });
            task.file == file && !dropped
        })
    }

    fn duty(&self, host: Host, number: usize, task: &Task) -> Duty {
        let file = &self.files[task.file];
        // Whoever fetches by link needs the entry's blobs too.
        let held = self.held.get(&host);
        let complete = held.is_some_and(|held| file.blobs.iter().all(|(id, _)| held.contains(id)));
        let must = self.good.contains(&host)
            && complete
            && (self.fetches(host, number) || task.role == Role::Seed)
            && self.takes_part(host, task.file);
        Duty {
            host,
            task: number,
            must_complete: must,
            can_complete: self.exists(task.file),
            copies: if must { self.copies(host, number) } else { 0 },
        }
    }

    /// Copies that the last push of a task must lead to: as many as it asks
    /// for, if there are so many keepers that nothing ever goes wrong with.
    fn copies(&self, host: Host, number: usize) -> u8 {
        let pushes = self.plan.faults.iter().filter_map(|fault| match fault {
            Fault::Push {
                host: of,
                task,
                at,
                copies,
            } => ((*of, *task) == (host, number)).then_some((*at, *copies)),
            _ => None,
        });
        let Some((at, wanted)) = pushes.max() else {
            return 0;
        };
        // A push is forgotten with the process, and needs a task to push.
        let early = at < self.plan.host(host).tasks[number].at;
        let forgotten = self.plan.faults.iter().any(|fault| match fault {
            Fault::Crash { host: of, back, .. } => *of == host && back.is_none_or(|to| to >= at),
            _ => false,
        });
        if early || forgotten {
            return 0;
        }
        let keepers = self
            .good
            .iter()
            .filter(|keeper| self.keeps_for(**keeper, host));
        wanted.min(u8::try_from(keepers.count()).unwrap_or(u8::MAX))
    }

    /// Whether one is to store what the other pushes.
    fn keeps_for(&self, keeper: Host, pusher: Host) -> bool {
        let of = self.plan.host(keeper);
        let full = self.plan.faults.iter().any(|fault| match fault {
            Fault::Full { host, .. } => *host == keeper,
            _ => false,
        });
        let dials =
            |a: Host, b: Host| self.plan.host(a).keeps.contains(&b) && self.can_be_dialed(b);
        let connected = dials(keeper, pusher) || dials(pusher, keeper);
        keeper != pusher && of.sympathy > 0 && !of.stingy && of.room.is_none() && !full && connected
    }

    /// Whether each of a file's blobs is somewhere at first, even at a liar's.
    fn exists(&self, file: usize) -> bool {
        let blobs = 0..self.files[file].blobs.len();
        let mut tasks = self.plan.present().flat_map(|(_, of)| of.tasks.iter());
        let all: Vec<_> = tasks.by_ref().filter(|task| task.file == file).collect();
        blobs
            .into_iter()
            .all(|index| all.iter().any(|task| task.role.holds(index)))
    }
}
