//! A plan that fails says so, is made smaller, and is described.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use samara_sim::{
    Fault, FilePlan, Host, HostPlan, Invariant, Kind, Moment, Plan, Role, Span, Task, draw, run,
    shrink,
};

/// A scenario with somebody who must complete and is given no time for it.
fn hurried() -> Plan {
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
fn a_push_that_has_no_time_is_missed() {
    let host = |keeps: &[usize]| HostPlan {
        keeps: keeps.iter().copied().map(Host).collect(),
        ..HostPlan::plain(Kind::Native)
    };
    let mut hosts = vec![host(&[1]), host(&[])];
    let (file, role, at) = (0, Role::Seed, Moment::START);
    hosts[0].tasks = vec![Task { file, role, at }];
    let mut plan = Plan {
        seed: 1,
        files: vec![FilePlan {
            chunk_size: 1024,
            chunks: 4,
            last: 1,
        }],
        hosts,
        faults: vec![Fault::Push {
            host: Host(0),
            task: 0,
            at: Moment::START + Span::seconds(1),
            copies: 1,
        }],
        weight: 1,
        patience: Span::seconds(60),
    };
    assert!(run(&plan).breach.is_none());
    plan.patience = Span::ZERO;
    let breach = run(&plan).breach.unwrap();
    assert!(breach.what.contains("0 copies elsewhere"), "{breach:?}");
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
