//! Draws a plan from a seed: small networks of every shape, with a few faults
//! and liars.

use crate::dice::Dice;
use crate::liar::Lie;
use crate::plan::{Bounds, Disk, Fault, FilePlan, Host, HostPlan, Kind, Line, Plan, Role, Task};
use crate::time::{Moment, Span};

/// Within this time everything begins and goes wrong.
const TURMOIL: Span = Span::seconds(90);

/// The scenario of a seed.
pub fn draw(seed: u64) -> Plan {
    let mut dice = Dice::new(seed, 0);
    let files = (0..dice.pick(&[1, 1, 1, 2, 3]))
        .map(|_| file(&mut dice))
        .collect();
    let mut plan = Plan {
        seed,
        files,
        hosts: Vec::new(),
        faults: Vec::new(),
        weight: 1,
        patience: Span::ZERO,
    };
    hosts(&mut dice, &mut plan);
    if dice.chance(200) {
        // All alike: whoever remembers few wants must not be told many.
        for host in &mut plan.hosts {
            host.bounds = Bounds::Tight;
        }
    }
    tasks(&mut dice, &mut plan);
    ties(&mut dice, &mut plan);
    for _ in 0..dice.pick(&[0, 0, 1, 1, 2, 3, 5]) {
        let fault = fault(&mut dice, &plan);
        plan.faults.extend(fault);
    }
    // Of a stream of their own: what was drawn before them stays as it was.
    let mut dice = Dice::new(seed, 4);
    for _ in 0..dice.pick(&[0, 0, 1, 2]) {
        let fault = later_fault(&mut dice, &plan);
        plan.faults.extend(fault);
    }
    rooms(&mut Dice::new(seed, 5), &mut plan);
    plan.patience = patience(&plan);
    plan
}

/// Some stores are limited, to less than all files and often to less than one.
fn rooms(dice: &mut Dice, plan: &mut Plan) {
    let files = plan.files.iter();
    let bytes: u64 = files
        .map(|file| file.chunks * u64::from(file.chunk_size))
        .sum();
    for host in &mut plan.hosts {
        if dice.chance(60) {
            host.room = Some(dice.below(bytes));
        }
    }
}

/// Several of the machine's longest waits, and the time in which the slowest
/// line could give everything to everybody.
fn patience(plan: &Plan) -> Span {
    let slowest = plan.present().map(|(_, of)| {
        let limits = [of.upload, of.download].into_iter().flatten();
        limits.chain([of.line.up, of.line.down]).min().unwrap_or(1)
    });
    let bytes = plan
        .files
        .iter()
        .map(|file| file.chunks * u64::from(file.chunk_size));
    let all = bytes.sum::<u64>() * plan.hosts.len() as u64;
    let moving = Span::to_move(all, slowest.min().unwrap_or(u64::MAX));
    Span::seconds(900) + moving.times(4)
}

fn file(dice: &mut Dice) -> FilePlan {
    let chunk_size = dice.pick(&[1024, 1024, 1024, 4096, 16_384]);
    let most = dice.pick(&[1, 4, 12, 12, 30, 60]);
    FilePlan {
        chunk_size,
        chunks: dice.between(1, most),
        last: dice.between(1, u64::from(chunk_size)),
    }
}

fn hosts(dice: &mut Dice, plan: &mut Plan) {
    let relays = dice.pick(&[0, 1, 1, 2]);
    let others = dice.pick(&[2, 2, 3, 4, 5, 6, 8, 12]);
    for _ in 0..relays {
        plan.hosts.push(host(dice, Kind::Relay));
    }
    let browsers = dice.pick(&[0, 500, 1000]);
    for _ in 0..others {
        let browser = relays > 0 && dice.chance(browsers);
        let kind = if browser { Kind::Browser } else { Kind::Native };
        let mut of = host(dice, kind);
        if dice.chance(120) {
            of.lie = Some(dice.pick(&Lie::ALL));
        }
        plan.hosts.push(of);
    }
}

fn host(dice: &mut Dice, kind: Kind) -> HostPlan {
    let rates = [25_000, 100_000, 1_000_000, 10_000_000];
    let slow = dice.chance(300);
    let down = dice.pick(if slow { &rates[..2] } else { &rates[1..] });
    HostPlan {
        absent: false,
        kind,
        line: Line {
            up: down / dice.pick(&[1, 1, 4]),
            down,
            delay: Span::millis(dice.pick(&[0, 1, 10, 40, 150])),
            jitter: Span::millis(dice.pick(&[0, 0, 5, 50])),
            loss: dice.pick(&[0, 0, 0, 10, 100]),
        },
        disk: Disk {
            latency: Span(dice.pick(&[0, 100, 2000, 20_000])),
        },
        room: None,
        direct: !dice.chance(250),
        channel_message: dice.pick(&[4096, 16_384, 65_536, 262_144]),
        bounds: Bounds::Usual,
        dht: kind == Kind::Native && dice.chance(700),
        sympathy: dice.pick(&[0, 1, 3, 3, 3]),
        stingy: dice.chance(100),
        upload: dice.chance(100).then_some(down / 4),
        download: dice.chance(100).then_some(down / 2),
        keeps: Vec::new(),
        tasks: Vec::new(),
        lie: None,
    }
}

fn moment(dice: &mut Dice) -> Moment {
    let span = if dice.chance(600) {
        Span::seconds(3)
    } else {
        TURMOIL
    };
    Moment::START + Span(dice.below(span.0))
}

/// Every file has its sources; everybody else may read.
fn tasks(dice: &mut Dice, plan: &mut Plan) {
    let (files, hosts) = (plan.files.len(), plan.hosts.len());
    for file in 0..files {
        let parts = dice.pick(&[1, 1, 1, 2, 3]);
        let first = dice.index(hosts);
        for number in 0..hosts {
            let turn = (number + hosts - first) % hosts;
            let role = match turn {
                _ if turn < parts && parts == 1 => Role::Seed,
                _ if turn < parts => Role::Part {
                    of: parts,
                    first: turn,
                },
                _ if dice.chance(100) => Role::Seed,
                _ if dice.chance(100) => Role::Part {
                    of: dice.pick(&[2, 3, 5]),
                    first: 0,
                },
                _ => Role::Read,
            };
            if plan.hosts[number].kind == Kind::Relay || (role == Role::Read && dice.chance(200)) {
                continue;
            }
            let at = moment(dice);
            plan.hosts[number].tasks.push(Task { file, role, at });
        }
    }
}

/// Who stays connected to whom.
fn ties(dice: &mut Dice, plan: &mut Plan) {
    let listeners: Vec<_> = plan
        .present()
        .filter(|(_, of)| of.listens())
        .map(|(host, _)| host)
        .collect();
    let relays: Vec<_> = plan
        .present()
        .filter(|(_, of)| of.kind == Kind::Relay)
        .map(|(host, _)| host)
        .collect();
    let named = dice.pick(&[0, 200, 600]);
    for number in 0..plan.hosts.len() {
        let kind = plan.hosts[number].kind;
        if kind == Kind::Relay {
            continue;
        }
        let mut keeps = Vec::new();
        for relay in &relays {
            if kind == Kind::Browser || dice.chance(700) {
                keeps.push(*relay);
            }
        }
        for listener in &listeners {
            let other = *listener != Host(number) && !relays.contains(listener);
            if other && dice.chance(named) {
                keeps.push(*listener);
            }
        }
        plan.hosts[number].keeps = keeps;
    }
}

fn fault(dice: &mut Dice, plan: &Plan) -> Option<Fault> {
    let host = Host(dice.index(plan.hosts.len()));
    let other = Host(dice.index(plan.hosts.len()));
    let at = moment(dice);
    let to = at + Span::millis(dice.between(10, 60_000));
    let tasks = plan.host(host).tasks.len();
    let task = dice.index(tasks.max(1));
    let fault = match dice.below(12) {
        0 | 1 => Fault::Crash {
            host,
            at,
            back: dice.chance(800).then_some(to),
        },
        2 => Fault::Move { host, at },
        3 => Fault::Sleep { host, from: at, to },
        4 => Fault::Partition {
            hosts: (0..plan.hosts.len())
                .filter(|_| dice.chance(500))
                .map(Host)
                .collect(),
            from: at,
            to,
            noticed: dice.chance(500).then_some(Span::seconds(20)),
        },
        5 | 6 => Fault::Cut {
            a: host,
            b: other,
            at,
        },
        7 if tasks > 0 => Fault::Pause {
            host,
            task,
            from: at,
            to,
        },
        8 if tasks > 0 => Fault::Push {
            host,
            task,
            at,
            copies: dice.pick(&[0, 1, 2, 3]),
        },
        11 if tasks > 0 => Fault::Play {
            host,
            task,
            chunk: u32::try_from(dice.below(70)).unwrap_or(0),
            from: at,
            to,
        },
        9 => Fault::SlowDisk {
            host,
            from: at,
            to,
            latency: Span::seconds(2),
        },
        10 if tasks > 0 && dice.chance(300) => Fault::Drop { host, task, at },
        10 if dice.chance(500) => Fault::Full { host, at },
        _ => return None,
    };
    Some(fault)
}

fn later_fault(dice: &mut Dice, plan: &Plan) -> Option<Fault> {
    let host = Host(dice.index(plan.hosts.len()));
    let at = moment(dice);
    let tasks = plan.host(host).tasks.len();
    if dice.chance(500) {
        let part = dice.pick(&[100, 500, 1000]);
        return Some(Fault::Evict { host, at, part });
    }
    let mut range = || {
        let start = u32::try_from(dice.below(60)).unwrap_or(0);
        let len = u32::try_from(dice.below(12)).unwrap_or(0);
        start..start + len
    };
    let chunks = [range(), range()];
    let to = at + Span::millis(dice.between(10, 60_000));
    (tasks > 0).then(|| Fault::Seek {
        host,
        task: dice.index(tasks),
        chunks,
        from: at,
        to,
    })
}
