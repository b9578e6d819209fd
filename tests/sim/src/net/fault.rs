//! What goes wrong, and what users do in between.

use crate::net::host::{Intent, url};
use crate::net::wire::Side;
use crate::net::{Event, Net};
use crate::peer::Peer;
use crate::plan::{Fault, Host};
use crate::time::{Moment, Span};

impl Net {
    pub(super) fn schedule_fault(&mut self, number: usize, fault: &Fault) {
        let mut at = |at: Moment, begins| self.queue.push(at, Event::Fault(number, begins));
        match fault {
            Fault::Crash { at: from, back, .. } => {
                at(*from, true);
                if let Some(back) = back {
                    at(*back, false);
                }
            }
            Fault::Sleep { from, to, .. }
            | Fault::Pause { from, to, .. }
            | Fault::Play { from, to, .. }
            | Fault::Seek { from, to, .. }
            | Fault::SlowDisk { from, to, .. }
            | Fault::Partition { from, to, .. } => {
                at(*from, true);
                at(*to, false);
            }
            Fault::Move { at: from, .. }
            | Fault::Cut { at: from, .. }
            | Fault::Push { at: from, .. }
            | Fault::Evict { at: from, .. }
            | Fault::Full { at: from, .. }
            | Fault::Drop { at: from, .. } => at(*from, true),
        }
    }

    pub(super) fn on_fault(&mut self, number: usize, begins: bool) {
        let plan = self.plan.clone();
        match &plan.faults[number] {
            Fault::Crash { host, .. } if begins => self.crash(*host),
            Fault::Crash { host, .. } => self.restart(*host),
            Fault::Move { host, .. } => self.relocate(*host),
            Fault::Sleep { host, .. } => {
                self.host(*host).asleep = begins;
                self.host(*host).forget_alarm();
                self.tell(*host, Peer::tick);
            }
            Fault::Partition { hosts, noticed, .. } => {
                if begins {
                    let group = hosts.iter().copied().collect();
                    self.partitions.insert(number, group);
                    if let Some(span) = noticed {
                        self.after(*span, Event::Noticed(number));
                    }
                } else {
                    self.partitions.remove(&number);
                    self.release_held();
                }
            }
            Fault::Cut { a, b, .. } => self.cut(|from, to| (from, to) == (*a, *b)),
            Fault::Pause { host, task, .. } => self.pause(*host, *task, begins),
            Fault::SlowDisk { host, latency, .. } => {
                let usual = plan.host(*host).disk.latency;
                self.host(*host).disk_latency = if begins { *latency } else { usual };
            }
            Fault::Push {
                host, task, copies, ..
            } => {
                self.checks.on_push(*host, *task);
                self.tell(*host, |peer| peer.push(*task, *copies));
            }
            Fault::Play {
                host, task, chunk, ..
            } => {
                let from = begins.then_some(*chunk);
                self.tell(*host, |peer| peer.play(*task, from));
            }
            Fault::Seek {
                host, task, chunks, ..
            } => {
                let only = if begins { chunks.to_vec() } else { Vec::new() };
                self.tell(*host, |peer| peer.seek(*task, only));
            }
            Fault::Evict { host, part, .. } => self.evict(*host, *part),
            Fault::Full { host, .. } => self.host(*host).room = 0,
            Fault::Drop { host, task, .. } => {
                if self.host(*host).tasks.remove(task).is_some() {
                    self.checks.on_dropped(*host, *task);
                    self.tell(*host, |peer| peer.drop_task(*task));
                }
            }
        }
    }

    /// The process dies: its connections break, its peers notice sooner or
    /// later.
    fn crash(&mut self, host: Host) {
        let Some(peer) = self.host(host).peer.take() else {
            return;
        };
        self.host(host).favours = peer.favours();
        self.checks.on_died(host);
        self.listening.retain(|_, of| *of != host);
        self.hang_up_all(host);
        self.host(host).die();
    }

    fn hang_up_all(&mut self, host: Host) {
        let ends: Vec<_> = self.host(host).ends.values().copied().collect();
        for (wire, side) in ends {
            self.hang_up(wire, side);
            let notices = Span::millis(self.dice.pick(&[1, 50, 5000, 30_000]));
            self.after(notices, Event::Gone(wire, side.other()));
        }
    }

    fn restart(&mut self, host: Host) {
        if self.host(host).peer.is_none() {
            self.start(host);
        }
    }

    /// Another address: whoever knows the old one finds nobody there.
    fn relocate(&mut self, host: Host) {
        let moves = self.listening.values().filter(|of| **of == host).count();
        if self.host(host).url.is_some() {
            self.host(host).url = Some(url(host, 1));
            if moves > 0 {
                self.listening.retain(|_, of| *of != host);
                self.listening.insert(url(host, 1), host);
            }
        }
        self.cut(|from, to| from == host || to == host);
    }

    /// Connections between these hosts break; each side notices in its time.
    fn cut(&mut self, is_cut: impl Fn(Host, Host) -> bool) {
        let wires = self.wires.iter();
        let cut = wires.filter(|(_, wire)| {
            let [a, b] = wire.ends;
            is_cut(a.host, b.host) || is_cut(b.host, a.host)
        });
        for id in cut.map(|(id, _)| *id).collect::<Vec<_>>() {
            for side in [Side::DIALED, Side::ACCEPTED] {
                let notices = Span::millis(self.dice.pick(&[1, 20, 400, 8000]));
                self.after(notices, Event::Gone(id, side));
            }
            self.silence(id);
        }
    }

    pub(super) fn on_noticed(&mut self, number: usize) {
        let Some(group) = self.partitions.get(&number).cloned() else {
            return;
        };
        self.cut(|from, to| group.contains(&from) && !group.contains(&to));
    }

    fn pause(&mut self, host: Host, task: usize, begins: bool) {
        let Some(intent) = self.host(host).tasks.get_mut(&task) else {
            return;
        };
        *intent = if begins { Intent::Pause } else { Intent::Run };
        self.tell(host, |peer| {
            if begins {
                peer.pause(task);
            } else {
                peer.resume(task);
            }
        });
    }
}
