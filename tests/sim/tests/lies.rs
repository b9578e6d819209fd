//! Each lie, one at a time: the reader gets its file from the honest source.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use samara_sim::{FilePlan, Host, HostPlan, Kind, Lie, Moment, Plan, Role, Span, Task, run};

/// An honest seeder, a liar that has the file too, and a reader connected to
/// both; the liar is nearer.
fn plan(lie: Lie) -> Plan {
    let host = |role, keeps: &[usize], lie| {
        let at = Moment::START;
        HostPlan {
            tasks: vec![Task { file: 0, role, at }],
            keeps: keeps.iter().copied().map(Host).collect(),
            lie,
            ..HostPlan::plain(Kind::Native)
        }
    };
    let mut hosts = vec![
        host(Role::Seed, &[], None),
        host(Role::Seed, &[], Some(lie)),
        host(Role::Read, &[0, 1], None),
    ];
    hosts[1].line.delay = Span::ZERO;
    Plan {
        seed: 1,
        files: vec![FilePlan {
            chunk_size: 1024,
            chunks: 40,
            last: 1,
        }],
        hosts,
        faults: Vec::new(),
        weight: 1,
        patience: Span::seconds(600),
    }
}

#[test]
fn a_reader_gets_its_file_whatever_one_of_its_sources_does() {
    for lie in Lie::ALL {
        let outcome = run(&plan(lie));
        assert!(outcome.breach.is_none(), "{lie:?}: {:?}", outcome.breach);
        assert_eq!(outcome.figures.completed, 2, "{lie:?}");
    }
}

#[test]
fn wrong_blobs_are_seen_and_refused() {
    let outcome = run(&plan(Lie::WrongBlobs));
    assert!(outcome.figures.wrong > 0);
}

#[test]
fn wants_that_are_told_and_taken_back_are_passed_on_no_faster_than_a_transfer_gets_on() {
    let outcome = run(&plan(Lie::ToggledWants));
    let told = outcome.figures.made_up.0;
    // 1,000 every other second for a minute, of which 1,024 at once and 64 a
    // second are shared, each told once and taken back once.
    let most = 2 * (1024 + 64 * 62);
    assert!((1024..most).contains(&told), "{told}");
}
