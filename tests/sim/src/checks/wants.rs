//! Wants are told as often as they change.

use std::collections::BTreeMap;

use samara_core::message::Hops;
use samara_core::{BlobId, Message};

use super::{Checks, Invariant};
use crate::net::Talk;
use crate::plan::Host;
use crate::time::{Moment, Span};

/// How often a want is told on one connection at most, for each blob there is:
/// its distance changes as others come and go, and it is withdrawn.
pub(super) const OFTEN: usize = 32;

/// What stands is told again before the other side forgets it: once in so long,
/// and once more to whoever came in between.
const AGAIN: Span = Span::seconds(120);

/// How a want stands, since when, and when it was told before.
#[derive(Clone, Copy)]
struct Told {
    hops: Hops,
    at: Moment,
    before: Option<Moment>,
}

/// Wants told on one connection.
#[derive(Default)]
pub(super) struct Count {
    /// Of blobs there are.
    real: usize,
    /// Of others.
    made_up: u64,
}

/// Wants that stand between two hosts.
#[derive(Default)]
pub(super) struct Standing {
    by_talk: BTreeMap<Talk, BTreeMap<BlobId, Told>>,
}

impl Standing {
    pub(super) fn forget(&mut self, is_over: impl Fn(&Talk) -> bool) {
        self.by_talk.retain(|talk, _| !is_over(talk));
    }

    /// A HAVE answers a want, and `NOT_FOUND` takes the answer back: the want may
    /// be told again.
    pub(super) fn on_heard(&mut self, talk: Talk, message: &Message) {
        let Some(standing) = self.by_talk.get_mut(&talk) else {
            return;
        };
        match message {
            Message::Have(haves) => {
                for (blob, _) in haves {
                    standing.remove(blob);
                }
            }
            Message::NotFound { blob, .. } => {
                standing.remove(blob);
            }
            _ => {}
        }
    }

    /// Tells wants; one that stands already, if there is one.
    fn tell(&mut self, talk: Talk, now: Moment, wants: &[(BlobId, Hops)]) -> Option<BlobId> {
        let standing = self.by_talk.entry(talk).or_default();
        let mut twice = None;
        for (blob, hops) in wants {
            if *hops == Hops::WITHDRAWN {
                standing.remove(blob);
                continue;
            }
            let same = standing.get(blob).filter(|told| told.hops == *hops);
            let before = same.map(|told| told.at);
            let often = same.and_then(|told| told.before);
            // Twice at once is never right, three times in a while neither.
            if before == Some(now) || often.is_some_and(|often| now < often + AGAIN) {
                twice = Some(*blob);
            }
            let (hops, at) = (*hops, now);
            standing.insert(*blob, Told { hops, at, before });
        }
        twice
    }
}

impl Checks {
    pub(super) fn check_wants(&mut self, host: Host, talk: Talk, now: Moment, message: &Message) {
        let Message::Want(wants) = message else {
            return;
        };
        self.figures.wants_told += wants.len() as u64;
        if let Some(blob) = self.hosts[host.0].standing.tell(talk, now, wants) {
            let what = format!("{host:?} told its want of {blob:?} twice");
            self.breached(Invariant::Wants, now, what);
        }
        let known = |(blob, _): &&(BlobId, Hops)| self.known.contains(blob);
        let real = wants.iter().filter(known).count();
        let told = self.hosts[host.0].told.entry(talk).or_default();
        told.real += real;
        // Not what a flood makes up: how much of that is shared depends on how
        // long it lasts.
        told.made_up += (wants.len() - real) as u64;
        self.figures.made_up.raise(told.made_up);
        let (told, made_up, known) = (told.real, told.made_up, self.known.len());
        // Each peer's share of them, told once and taken back once.
        let shared = 1024 + 64 * (now.seconds() + 1);
        let most = 2 * shared * self.plan.hosts.len() as u64;
        if made_up > most {
            let what = format!("{host:?} passed {made_up} made-up wants on where {most} may be");
            self.breached(Invariant::Wants, now, what);
        }
        self.figures.wants.raise((told * 100 / known.max(1)) as u64);
        if told > known * OFTEN {
            let what = format!("{host:?} told {told} wants of {known} blobs on one connection");
            self.breached(Invariant::Wants, now, what);
        }
    }
}
