//! A plan that fails says so, is made smaller, and is described.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use samara_sim::{Invariant, Span, draw, run, shrink};

/// A scenario with somebody who must complete and is given no time for it.
fn hurried() -> samara_sim::Plan {
    let hurried = (0..100).map(|seed| {
        let mut plan = draw(seed);
        plan.patience = Span::ZERO;
        plan
    });
    let mut failing = hurried.filter(|plan| run(plan).breach.is_some());
    failing
        .find(|plan| plan.hosts.len() > 4 && !plan.faults.is_empty())
        .unwrap()
}

#[test]
fn a_failing_plan_shrinks_to_those_who_matter() {
    let plan = hurried();
    let small = shrink(&plan, Invariant::Oracle);
    let breach = run(&small).breach.unwrap();
    assert_eq!(breach.invariant, Invariant::Oracle);
    assert!(small.present().count() <= 3, "{small:#?}");
    assert!(small.present().count() < plan.present().count());
}
