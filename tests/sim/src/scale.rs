//! Large networks, to see how the machine does among many.
//!
//! Small blobs stand for large ones: a byte of a blob counts for so many on
//! the line, and the machine's limits in bytes shrink alike. All is verified.

use std::rc::Rc;

use crate::checks::Breach;
use crate::net::Net;
use crate::plan::{Bounds, Disk, FilePlan, Host, HostPlan, Kind, Line, Plan, Role, Task};
use crate::run::files;
use crate::time::{Moment, Span};

/// Chunks of the file that a crowd reads: 100 MiB of them.
const CHUNKS: u64 = 100;
/// A simulated chunk of 64 KiB stands for one of 1 MiB.
const CHUNK: u32 = 64 << 10;
const WEIGHT: u64 = 16;
/// A part of 4 KiB stands for one of 64 KiB, as data channels carry them. What
/// else is said fits into it at its own length.
const MESSAGE: usize = 4 << 10;

/// Lines of 20 Mbit/s up and 100 Mbit/s down.
const LINE: Line = Line {
    up: 2_500_000,
    down: 12_500_000,
    delay: Span::millis(15),
    jitter: Span::millis(5),
    loss: 0,
};

/// What came of a crowd that reads one file.
#[derive(Debug)]
pub struct Crowd {
    /// Readers that have all of it.
    pub done: usize,
    pub readers: usize,
    /// When the middle one and the last one had it.
    pub median: Span,
    pub last: Span,
    /// The least time the lines allow for the last one.
    pub bound: Span,
    /// How many copies of the file the first seeder sent.
    pub copies: f64,
    /// Bytes of blobs that came for nothing, in thousandths of what was of use.
    pub wasted: f64,
    pub events: u64,
    pub breach: Option<Breach>,
}

/// Many readers who all begin at once, and one seeder; they meet in a room.
pub fn crowd(seed: u64, readers: usize) -> Crowd {
    let mut plan = empty(seed, WEIGHT);
    plan.files = vec![FilePlan {
        chunk_size: CHUNK,
        chunks: CHUNKS,
        last: u64::from(CHUNK),
    }];
    let mut relay = host(Kind::Relay, Bounds::Usual);
    relay.line = Line {
        up: 1_250_000_000,
        down: 1_250_000_000,
        ..LINE
    };
    plan.hosts.push(relay);
    for number in 0..=readers {
        let role = if number == 0 { Role::Seed } else { Role::Read };
        let mut of = host(Kind::Browser, Bounds::Scaled(16));
        of.keeps = vec![Host(0)];
        of.tasks = vec![Task {
            file: 0,
            role,
            at: Moment::START,
        }];
        plan.hosts.push(of);
    }
    let bound = bound(readers);
    let mut net = run(plan, bound.times(20));
    net.checks.on_end();
    measure(&net, readers, bound)
}

/// Nobody gets the file faster than its own line takes it or the seeder's
/// gives it once, and all together not faster than all their lines give it.
fn bound(readers: usize) -> Span {
    let size = CHUNKS * u64::from(CHUNK) * WEIGHT;
    let (readers, own) = (readers as u64, Span::to_move(size, LINE.down));
    let once = Span::to_move(size, LINE.up);
    let together = Span::to_move(size * readers, LINE.up * (readers + 1));
    own.max(once).max(together)
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn measure(net: &Net, readers: usize, bound: Span) -> Crowd {
    let hosts = (2..readers + 2).map(Host);
    let done = hosts.filter_map(|host| net.checks.task(host, 0)?.done);
    let mut done: Vec<_> = done.map(|at| at - Moment::START).collect();
    done.sort_unstable();
    let figures = net.checks.figures();
    let sealed = net.files[0].sealed_len();
    let useful = figures.received.saturating_sub(figures.wasted_all).max(1);
    Crowd {
        done: done.len(),
        readers,
        median: done.get(done.len() / 2).copied().unwrap_or_default(),
        last: done.last().copied().unwrap_or_default(),
        bound,
        copies: net.checks.served(Host(1)) as f64 / sealed as f64,
        wasted: figures.wasted_all as f64 * 1000.0 / useful as f64,
        events: figures.events,
        breach: net.checks.breach().cloned(),
    }
}

/// What came of a mesh in which some want what one has.
#[derive(Debug)]
pub struct Mesh {
    pub peers: usize,
    /// Who wanted the blobs, and who got them.
    pub wanting: usize,
    pub served: usize,
    /// Wants told in all, by everybody.
    pub wants: u64,
    pub events: u64,
    pub breach: Option<Breach>,
}

/// Peers that are each connected to a few others, and to no relay. One has a
/// file of one chunk, some want it.
pub fn mesh(seed: u64, peers: usize, ties: usize, wanting: usize) -> Mesh {
    let mut plan = empty(seed, 1);
    plan.files = vec![FilePlan {
        chunk_size: 1024,
        chunks: 1,
        last: 1024,
    }];
    let mut dice = crate::dice::Dice::new(seed, 3);
    for number in 0..peers {
        let mut of = host(Kind::Native, Bounds::Usual);
        // Everybody dials earlier ones: all are one mesh.
        let earlier = (0..ties / 2).filter(|_| number > 0);
        of.keeps = earlier.map(|_| Host(dice.index(number))).collect();
        of.keeps.sort_unstable();
        of.keeps.dedup();
        plan.hosts.push(of);
    }
    let mut wants = Vec::new();
    for number in 0..=wanting {
        let role = if number == 0 { Role::Seed } else { Role::Read };
        let at = Moment::START + Span::seconds(20);
        let mut host = Host(dice.index(peers));
        while !plan.hosts[host.0].tasks.is_empty() {
            host = Host(dice.index(peers));
        }
        plan.hosts[host.0].tasks = vec![Task { file: 0, role, at }];
        wants.extend((role == Role::Read).then_some(host));
    }
    let net = run(plan, Span::seconds(120));
    let done = wants.iter().filter(|host| {
        let task = net.checks.task(**host, 0);
        task.is_some_and(|task| task.done.is_some())
    });
    Mesh {
        peers,
        wanting,
        served: done.count(),
        wants: net.checks.figures().wants_told,
        events: net.checks.figures().events,
        breach: net.checks.breach().cloned(),
    }
}

const fn empty(seed: u64, weight: u64) -> Plan {
    Plan {
        seed,
        files: Vec::new(),
        hosts: Vec::new(),
        faults: Vec::new(),
        weight,
        patience: Span::ZERO,
    }
}

fn host(kind: Kind, bounds: Bounds) -> HostPlan {
    HostPlan {
        line: LINE,
        disk: Disk {
            latency: Span::millis(1),
        },
        channel_message: MESSAGE,
        bounds,
        ..HostPlan::plain(kind)
    }
}

/// Runs until every task is done, or for so long.
fn run(plan: Plan, at_most: Span) -> Net {
    let plan = Rc::new(plan);
    let files = files(&plan).into();
    let tasks: Vec<_> = plan
        .present()
        .flat_map(|(host, of)| (0..of.tasks.len()).map(move |task| (host, task)))
        .collect();
    let mut net = Net::new(plan, files);
    let until = Moment::START + at_most;
    let mut left = tasks;
    let mut steps: u64 = 0;
    while !left.is_empty() && net.step(until) && net.checks.breach().is_none() {
        steps += 1;
        if steps.is_multiple_of(4096) {
            left.retain(|(host, task)| {
                let seen = net.checks.task(*host, *task);
                seen.is_none_or(|seen| seen.done.is_none())
            });
        }
    }
    net
}
