//! What a scenario is: plain data, drawn from a seed by [`crate::draw`],
//! printed when it fails, and made smaller by [`crate::shrink`].

use std::ops::Range;

use crate::liar::Lie;
use crate::time::{Moment, Span};

/// One participant, by its number in the plan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(pub usize);

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "h{}", self.0)
    }
}

/// A whole scenario.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub files: Vec<FilePlan>,
    pub hosts: Vec<HostPlan>,
    pub faults: Vec<Fault>,
    /// How many bytes on the wire a byte of a blob counts for: lets small
    /// blobs stand for large ones.
    pub weight: u64,
    /// How long after the last fault everything possible must have happened.
    pub patience: Span,
}

/// A file: `chunks` chunks, the last one of `last` bytes.
#[derive(Clone, Copy, Debug)]
pub struct FilePlan {
    pub chunk_size: u32,
    pub chunks: u64,
    pub last: u64,
}

/// What kind of peer a host is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Keeps rooms and takes pushed blobs; can be dialed.
    Relay,
    /// Opens data channels; cannot be dialed.
    Browser,
    /// Can be dialed, knows the DHT.
    Native,
}

/// One participant.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts, no state")]
pub struct HostPlan {
    /// Removed by shrinking; numbers of others stay as they are.
    pub absent: bool,
    pub kind: Kind,
    pub line: Line,
    pub disk: Disk,
    /// Bytes the store takes, when it has a limit.
    pub room: Option<u64>,
    /// Whether data channels come about.
    pub direct: bool,
    /// Longest message of a data channel, in bytes.
    pub channel_message: usize,
    /// Limits the machine runs with.
    pub bounds: Bounds,
    /// Whether it looks topics up in the DHT and announces them.
    pub dht: bool,
    /// How many hops away others may be that it helps.
    pub sympathy: u8,
    /// Whether it serves only what its user shares.
    pub stingy: bool,
    /// Limits on blobs sent and fetched, in bytes a second.
    pub upload: Option<u64>,
    pub download: Option<u64>,
    /// Whom it stays connected to.
    pub keeps: Vec<Host>,
    pub tasks: Vec<Task>,
    pub lie: Option<Lie>,
}

/// A host's connection to the world.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Bytes per second, away from the host.
    pub up: u64,
    /// Bytes per second, towards the host.
    pub down: u64,
    /// One way to the middle of the network.
    pub delay: Span,
    /// Added at random to each segment.
    pub jitter: Span,
    /// Segments lost and sent again, in a thousand.
    pub loss: u64,
}

/// How much a machine takes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bounds {
    /// As in life.
    Usual,
    /// So little that every limit shows.
    Tight,
    /// As in life, where each byte stands for so many.
    Scaled(usize),
}

/// How fast a store is.
#[derive(Clone, Copy, Debug)]
pub struct Disk {
    /// For each blob read or written.
    pub latency: Span,
}

/// What a host's user does with a file.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    pub file: usize,
    pub role: Role,
    pub at: Moment,
}

/// What a host holds of a file when the scenario begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// All of it, and it says so.
    Seed,
    /// Every `of`th blob from `first` on; it fetches the rest.
    Part { of: usize, first: usize },
    /// Nothing; it fetches.
    Read,
}

impl Role {
    /// Whether the blob of this number is there from the beginning.
    pub const fn holds(self, index: usize) -> bool {
        match self {
            Self::Seed => true,
            Self::Part { of, first } => index % of == first,
            Self::Read => false,
        }
    }
}

/// Something that goes wrong, or that a user does in between.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The process dies; its store stays.
    Crash {
        host: Host,
        at: Moment,
        back: Option<Moment>,
    },
    /// The host gets another address; its connections are cut.
    Move { host: Host, at: Moment },
    /// Timers fire once a minute only, as in a hidden tab.
    Sleep {
        host: Host,
        from: Moment,
        to: Moment,
    },
    /// These hosts and the others do not reach each other.
    Partition {
        hosts: Vec<Host>,
        from: Moment,
        to: Moment,
        /// After how long both sides think their connections dead.
        noticed: Option<Span>,
    },
    /// Every connection between the two breaks.
    Cut { a: Host, b: Host, at: Moment },
    /// The user pauses a task and resumes it.
    Pause {
        host: Host,
        task: usize,
        from: Moment,
        to: Moment,
    },
    /// Each blob takes the disk so long.
    SlowDisk {
        host: Host,
        from: Moment,
        to: Moment,
        latency: Span,
    },
    /// The user pushes a task's file to keepers.
    Push {
        host: Host,
        task: usize,
        at: Moment,
        copies: u8,
    },
    /// The user watches from this chunk on, and later stops.
    Play {
        host: Host,
        task: usize,
        chunk: u32,
        from: Moment,
        to: Moment,
    },
    /// The user wants these chunks only, and later all of them.
    Seek {
        host: Host,
        task: usize,
        chunks: [Range<u32>; 2],
        from: Moment,
        to: Moment,
    },
    /// The store lets go of what its user has no use for, so many in a
    /// thousand of the blobs.
    Evict { host: Host, at: Moment, part: u64 },
    /// The store takes nothing any more.
    Full { host: Host, at: Moment },
    /// The user gives a task up.
    Drop { host: Host, task: usize, at: Moment },
}

impl Fault {
    /// When it is over.
    pub fn ends(&self) -> Moment {
        match self {
            Self::Crash { at, back, .. } => back.unwrap_or(*at),
            Self::Sleep { to, .. }
            | Self::Pause { to, .. }
            | Self::Play { to, .. }
            | Self::Seek { to, .. }
            | Self::SlowDisk { to, .. }
            | Self::Partition { to, .. } => *to,
            Self::Move { at, .. }
            | Self::Cut { at, .. }
            | Self::Push { at, .. }
            | Self::Evict { at, .. }
            | Self::Full { at, .. }
            | Self::Drop { at, .. } => *at,
        }
    }
}

impl Plan {
    /// When nothing goes wrong any more.
    pub fn calm(&self) -> Moment {
        let faults = self.faults.iter().map(Fault::ends);
        let tasks = self.hosts.iter().flat_map(|host| &host.tasks);
        let starts = tasks.map(|task| task.at);
        faults.chain(starts).max().unwrap_or_default()
    }

    /// When everything that is possible must have happened.
    pub fn deadline(&self) -> Moment {
        self.calm() + self.patience
    }

    pub fn host(&self, host: Host) -> &HostPlan {
        &self.hosts[host.0]
    }

    /// Hosts that take part, with their numbers.
    pub fn present(&self) -> impl Iterator<Item = (Host, &HostPlan)> {
        let numbered = self.hosts.iter().enumerate();
        numbered
            .filter(|(_, plan)| !plan.absent)
            .map(|(number, plan)| (Host(number), plan))
    }
}

impl HostPlan {
    /// A host with a good line and nothing to do.
    pub const fn plain(kind: Kind) -> Self {
        Self {
            absent: false,
            kind,
            line: Line {
                up: 1_000_000,
                down: 1_000_000,
                delay: Span::millis(10),
                jitter: Span::ZERO,
                loss: 0,
            },
            disk: Disk {
                latency: Span::millis(1),
            },
            room: None,
            direct: true,
            channel_message: 65_536,
            bounds: Bounds::Usual,
            dht: false,
            sympathy: 3,
            stingy: false,
            upload: None,
            download: None,
            keeps: Vec::new(),
            tasks: Vec::new(),
            lie: None,
        }
    }

    /// Whether others can dial it.
    pub const fn listens(&self) -> bool {
        match self.kind {
            Kind::Relay | Kind::Native => true,
            Kind::Browser => false,
        }
    }

    pub const fn is_honest(&self) -> bool {
        self.lie.is_none()
    }
}

impl Plan {
    /// Leaves a host out, and everything that is said of it.
    pub fn remove(&mut self, host: Host) {
        self.hosts[host.0].absent = true;
        for other in &mut self.hosts {
            other.keeps.retain(|kept| *kept != host);
        }
        self.faults.retain(|fault| !fault.is_about(host));
        for fault in &mut self.faults {
            if let Fault::Partition { hosts, .. } = fault {
                hosts.retain(|of| *of != host);
            }
        }
    }

    /// Whether a fault is about this task.
    pub fn names_task(&self, host: Host, number: usize) -> bool {
        self.faults.iter().any(|fault| match fault {
            Fault::Pause { host: of, task, .. }
            | Fault::Push { host: of, task, .. }
            | Fault::Play { host: of, task, .. }
            | Fault::Seek { host: of, task, .. }
            | Fault::Drop { host: of, task, .. } => (*of, *task) == (host, number),
            Fault::Crash { .. }
            | Fault::Move { .. }
            | Fault::Sleep { .. }
            | Fault::Partition { .. }
            | Fault::Cut { .. }
            | Fault::SlowDisk { .. }
            | Fault::Evict { .. }
            | Fault::Full { .. } => false,
        })
    }
}

impl Fault {
    fn is_about(&self, wanted: Host) -> bool {
        match self {
            Self::Crash { host, .. }
            | Self::Move { host, .. }
            | Self::Sleep { host, .. }
            | Self::Pause { host, .. }
            | Self::SlowDisk { host, .. }
            | Self::Push { host, .. }
            | Self::Play { host, .. }
            | Self::Seek { host, .. }
            | Self::Evict { host, .. }
            | Self::Full { host, .. }
            | Self::Drop { host, .. } => *host == wanted,
            Self::Cut { a, b, .. } => *a == wanted || *b == wanted,
            Self::Partition { .. } => false,
        }
    }
}
