//! Runs a plan to its end and holds what happened against the oracle.

use std::rc::Rc;

use crate::checks::{Breach, Figures, Invariant, Observed, TaskSeen};
use crate::dice::Dice;
use crate::file::File;
use crate::net::Net;
use crate::oracle::{self, Duty};
use crate::plan::{Host, Plan};
use crate::time::{Moment, Span};

/// What came of a plan.
#[derive(Debug)]
pub struct Outcome {
    pub breach: Option<Breach>,
    pub trace: u64,
    pub figures: Figures,
    /// When it ended.
    pub ended: Moment,
}

/// Events after which a scenario is taken for endless.
const ENDLESS: u64 = 20_000_000;
/// How long a finished scenario goes on: what is still to go wrong, does.
const AFTERMATH: Span = Span::seconds(20);

/// Runs a plan.
pub fn run(plan: &Plan) -> Outcome {
    let plan = Rc::new(plan.clone());
    let files: Rc<[File]> = files(&plan).into();
    let duties = oracle::duties(&plan, &files);
    let mut net = Net::new(plan.clone(), files);
    let mut until = plan.deadline();
    let mut finished = false;
    while net.step(until) && net.checks.breach().is_none() {
        if net.checks.figures().events > ENDLESS {
            let what = "the scenario does not come to rest".into();
            net.checks.breached(Invariant::Quiet, net.now, what);
        }
        if !finished && net.now > plan.calm() && all_done(&net, &duties) {
            finished = true;
            until = until.min(net.now + AFTERMATH);
        }
    }
    net.checks.on_end();
    check_rest(&mut net);
    for duty in &duties {
        hold_against(&mut net, duty);
    }
    Outcome {
        breach: net.checks.breach().cloned(),
        trace: net.trace.hash(),
        figures: net.checks.figures().clone(),
        ended: net.now,
    }
}

/// The plan's files, sealed.
pub(crate) fn files(plan: &Plan) -> Vec<File> {
    let files = plan.files.iter().zip(0x4000..);
    let sealed = files.map(|(file, number)| {
        let mut dice = Dice::new(plan.seed, number);
        File::new(&mut dice, file.chunk_size, file.chunks, file.last)
    });
    sealed.collect()
}

fn all_done(net: &Net, duties: &[Duty]) -> bool {
    let mut must = duties.iter().filter(|duty| duty.must_complete);
    must.all(|duty| {
        let seen = net.checks.task(duty.host, duty.task);
        seen.is_some_and(|seen| seen.done.is_some() && seen.copies >= duty.copies)
    })
}

/// Machines that have done everything, among honest ones, hold next to nothing.
fn check_rest(net: &mut Net) {
    let honest = net.plan.present().all(|(_, of)| of.is_honest());
    let mut tasks = net
        .plan
        .present()
        .flat_map(|(host, of)| (0..of.tasks.len()).map(move |task| (host, task)));
    let done = tasks.all(|(host, task)| {
        let seen = net.checks.task(host, task);
        seen.is_some_and(|seen| seen.done.is_some())
    });
    if !honest || !done {
        return;
    }
    for state in &net.hosts {
        if let Some(peer) = &state.peer {
            net.checks.check_rest(&Observed {
                host: state.host(),
                now: net.now,
                peer,
            });
        }
    }
}

/// The line's own time for what was missing.
fn least(plan: &Plan, host: Host, seen: &TaskSeen) -> Span {
    Span::to_move(seen.missing * plan.weight, plan.host(host).line.down)
}

fn hold_against(net: &mut Net, duty: &Duty) {
    let calm = net.plan.calm();
    let seen = net.checks.task(duty.host, duty.task).cloned();
    let seen = seen.unwrap_or_default();
    let who = format!("{:?} task {}", duty.host, duty.task);
    match seen.done {
        None if duty.must_complete => {
            let progress = net.hosts[duty.host.0].peer.as_ref();
            let progress = progress.and_then(|peer| peer.progress(duty.task));
            let what = format!("{who} should have completed and has {progress:?}");
            net.checks.breached(Invariant::Oracle, net.now, what);
        }
        Some(at) if at < seen.opened + least(&net.plan, duty.host, &seen) => {
            let what = format!("{who} completed at {at:?}, faster than its line is");
            net.checks.breached(Invariant::Oracle, at, what);
        }
        Some(_) if seen.copies < duty.copies => {
            let (copies, wanted) = (seen.copies, duty.copies);
            let what = format!("{who} has {copies} copies elsewhere and should have {wanted}");
            net.checks.breached(Invariant::Oracle, net.now, what);
        }
        Some(at) if duty.must_complete => net.checks.completed(at - calm),
        Some(at) if !duty.can_complete => {
            let what = format!("{who} completed out of nothing");
            net.checks.breached(Invariant::Oracle, at, what);
        }
        Some(_) | None => {}
    }
}
