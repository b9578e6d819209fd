//! Makes a failing plan smaller: one thing less at a time, as long as the
//! same invariant still breaks.

use crate::checks::Invariant;
use crate::plan::{Bounds, Host, Line, Plan};
use crate::run::run;
use crate::time::Span;

/// Runs at most; a large plan that fails late takes a while each.
const TRIES: usize = 400;

/// The smallest plan found that still breaks `invariant`.
pub fn shrink(plan: &Plan, invariant: Invariant) -> Plan {
    let mut best = plan.clone();
    let mut tries = 0;
    loop {
        let mut improved = false;
        for smaller in candidates(&best) {
            tries += 1;
            if tries > TRIES {
                return best;
            }
            let breach = run(&smaller).breach;
            if breach.is_some_and(|breach| breach.invariant == invariant) {
                best = smaller;
                improved = true;
                break;
            }
        }
        if !improved {
            return best;
        }
    }
}

/// Plans with one thing less, the largest steps first.
fn candidates(plan: &Plan) -> Vec<Plan> {
    let mut found = Vec::new();
    let mut with = |change: &dyn Fn(&mut Plan)| {
        let mut smaller = plan.clone();
        change(&mut smaller);
        found.push(smaller);
    };
    for number in 0..plan.faults.len() {
        with(&|plan| {
            plan.faults.remove(number);
        });
    }
    for (Host(number), of) in plan.present() {
        with(&|plan| plan.remove(Host(number)));
        if of.lie.is_some() {
            with(&|plan| plan.hosts[number].lie = None);
        }
        for task in (0..of.tasks.len()).filter(|_| of.tasks.len() > 1) {
            // Faults name tasks by number: none before a named one can go.
            let named = (task..of.tasks.len()).any(|task| plan.names_task(Host(number), task));
            if !named {
                with(&|plan| {
                    plan.hosts[number].tasks.remove(task);
                });
            }
        }
        for at in 0..of.keeps.len() {
            with(&|plan| {
                plan.hosts[number].keeps.remove(at);
            });
        }
    }
    if plan.present().any(|(_, of)| of.bounds == Bounds::Tight) {
        with(&|plan| {
            for host in &mut plan.hosts {
                host.bounds = Bounds::Usual;
            }
        });
    }
    for (number, file) in plan.files.iter().enumerate() {
        if file.chunks > 1 {
            with(&|plan| plan.files[number].chunks /= 2);
            with(&|plan| plan.files[number].chunks -= 1);
        }
    }
    for (Host(number), of) in plan.present() {
        if of.line.loss + of.line.jitter.0 + of.line.delay.0 + of.disk.latency.0 > 0 {
            with(&|plan| {
                let line = plan.hosts[number].line;
                plan.hosts[number].line = Line {
                    delay: Span::ZERO,
                    jitter: Span::ZERO,
                    loss: 0,
                    ..line
                };
                plan.hosts[number].disk.latency = Span::ZERO;
            });
        }
    }
    found
}
