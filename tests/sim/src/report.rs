//! What a person reads of it.

use std::fmt::Write as _;
use std::time::Duration;

use crate::many::Tally;
use crate::scale::{Crowd, Mesh};
use crate::shrink::shrink;
use crate::{draw, run};

/// How many scenarios, how fast, and the worst of each figure.
pub fn tally(tally: &Tally, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    let rate = tally.scenarios as f64 / seconds;
    let of = &tally.figures;
    let mut text = format!(
        "{} scenarios in {seconds:.1} s, {rate:.0} a second; {} failed\n",
        tally.scenarios,
        tally.failed.len()
    );
    let rows = [
        ("events", of.events),
        ("tasks that had to complete, and did", of.completed),
        ("blobs stored", of.stored),
        ("wrong blobs refused", of.wrong),
        ("blobs refused by full stores", of.refused),
        ("blob bytes received", of.received),
        ("worst: requests out for one blob at once", of.twice.0),
        ("worst: wakes of one machine in a second", of.wakes.0),
        ("blob bytes received in vain", of.wasted_all),
        ("wants told", of.wants_told),
        ("worst: bytes received in vain by one host", of.wasted.0),
        ("worst: bytes others made one machine hold", of.memory.0),
        ("worst: the same, % of what is allowed", of.memory_part.0),
        (
            "worst: the same at rest, % of what is allowed",
            of.rest_part.0,
        ),
        (
            "worst: wants told on a connection, % of all blobs",
            of.wants.0,
        ),
        (
            "worst: seconds from the last fault to completion",
            of.late.0,
        ),
    ];
    for (what, figure) in rows {
        let _ = writeln!(text, "  {figure:>14}  {what}");
    }
    for (seed, breach) in &tally.failed {
        let (invariant, what) = (breach.invariant, &breach.what);
        let _ = writeln!(text, "  seed {seed} breaks {invariant:?}: {what}");
    }
    text
}

/// A seed that fails: why, and the smallest plan that still does.
pub fn failure(seed: u64) -> String {
    let plan = draw(seed);
    let outcome = run(&plan);
    let Some(breach) = outcome.breach else {
        return format!("seed {seed} does not fail\n");
    };
    let small = shrink(&plan, breach.invariant);
    let again = run(&small);
    format!(
        "seed {seed} fails: {:?} at {:?}: {}\nmade smaller, it fails: {:?}\n{}",
        breach.invariant,
        breach.at,
        breach.what,
        again.breach,
        describe(&small)
    )
}

/// A plan without what takes no part.
pub fn describe(plan: &crate::Plan) -> String {
    let mut text = String::new();
    for (number, file) in plan.files.iter().enumerate() {
        let _ = writeln!(text, "  file {number}: {file:?}");
    }
    for (host, of) in plan.present() {
        let _ = writeln!(
            text,
            "  {host:?} {:?}{}{} {:?} keeps {:?}, {:?}, disk {:?}, messages {}, sympathy {}{}, dht {}, limits {:?} {:?}",
            of.kind,
            of.lie
                .map_or(String::new(), |lie| format!(" lying by {lie:?}")),
            if of.direct { "" } else { " not direct" },
            of.bounds,
            of.keeps,
            of.line,
            of.disk.latency,
            of.channel_message,
            of.sympathy,
            if of.stingy { " stingy" } else { "" },
            of.dht,
            of.upload,
            of.download,
        );
        for (number, task) in of.tasks.iter().enumerate() {
            let _ = writeln!(
                text,
                "      task {number}: file {} {:?} at {:?}",
                task.file, task.role, task.at
            );
        }
    }
    for fault in &plan.faults {
        let _ = writeln!(text, "  {fault:?}");
    }
    text
}

/// How a crowd did.
pub fn crowd(of: &Crowd, took: Duration) -> String {
    let (last, bound) = (of.last.as_seconds(), of.bound.as_seconds());
    format!(
        "crowd of {} readers, simulated in {:.0} s:\n  {} completed; median {:.1} s, last {last:.1} s of a bound of {bound:.1} s: {:.2} times\n  the first seeder sent {:.2} copies; {:.1} bytes in a thousand came for nothing; {} events\n  {:?}\n",
        of.readers,
        took.as_secs_f64(),
        of.done,
        of.median.as_seconds(),
        last / bound,
        of.copies,
        of.wasted,
        of.events,
        of.breach
    )
}

/// How a mesh did.
#[allow(clippy::cast_precision_loss, reason = "for people")]
pub fn mesh(of: &Mesh, took: Duration) -> String {
    format!(
        "mesh of {} peers, simulated in {:.0} s:\n  {} of {} wants were met, with {} wants told: {:.1} for each; {} events\n  {:?}\n",
        of.peers,
        took.as_secs_f64(),
        of.served,
        of.wanting,
        of.wants,
        of.wants as f64 / of.served.max(1) as f64,
        of.events,
        of.breach
    )
}
