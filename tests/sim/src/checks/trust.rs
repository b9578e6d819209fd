//! Whom machines take for liars: those who are, and nobody else.

use std::collections::BTreeMap;

use samara_core::{BlobId, PeerId};

use super::{Checks, Invariant};
use crate::peer::Stored;
use crate::plan::Host;
use crate::time::{Moment, Span};

/// The least a peer that sent a wrong blob is left alone for.
const BAN: Span = Span::seconds(60);

/// What one host knows of liars.
#[derive(Default)]
pub(super) struct Distrust {
    /// Who sent it a wrong blob, until when it must not be asked.
    banned: BTreeMap<Host, Moment>,
    /// Wrong blobs whose sender its user was not told of yet.
    unreported: u32,
}

impl Checks {
    /// Bytes from `from` were verified and stored, or not.
    pub(crate) fn on_stored(
        &mut self,
        host: Host,
        from: Option<Host>,
        now: Moment,
        (blob, len): (BlobId, usize),
        stored: Stored,
    ) {
        match stored {
            Stored::Kept => {
                self.figures.stored += 1;
                self.hosts[host.0].useful += len as u64;
            }
            Stored::Wrong => {
                self.figures.wrong += 1;
                self.on_wrong(host, from, now, blob);
            }
            Stored::NoRoom => self.figures.refused += 1,
        }
    }

    fn on_wrong(&mut self, host: Host, from: Option<Host>, now: Moment, blob: BlobId) {
        let distrust = &mut self.hosts[host.0].distrust;
        distrust.unreported += 1;
        if let Some(from) = from {
            distrust.banned.insert(from, now + BAN);
            if self.plan.host(from).is_honest() {
                let what = format!("{host:?} got a wrong {blob:?} from the honest {from:?}");
                self.breached(Invariant::OnlyVerified, now, what);
            }
        }
    }

    /// A user is told of a peer that misbehaved.
    pub(super) fn on_misbehaved(
        &mut self,
        host: Host,
        now: Moment,
        peer: Option<PeerId>,
        what: &str,
    ) {
        if what.contains("wrong blob") {
            let distrust = &mut self.hosts[host.0].distrust;
            distrust.unreported = distrust.unreported.saturating_sub(1);
        }
        let accused = peer.and_then(|peer| self.ids.get(&peer)).copied();
        if let Some(accused) = accused.filter(|of| self.plan.host(*of).is_honest()) {
            let what = format!("{host:?} takes the honest {accused:?} for a liar: {what}");
            self.breached(Invariant::Fairness, now, what);
        }
    }

    /// After a machine had its say: whoever sent it a wrong blob is known.
    pub(super) fn check_reported(&mut self, host: Host, now: Moment) {
        if self.hosts[host.0].distrust.unreported > 0 {
            let what = format!("{host:?} told nobody who sent it a wrong blob");
            self.breached(Invariant::Trust, now, what);
        }
    }

    /// A liar is not asked while it is banned.
    pub(super) fn check_ban(&mut self, host: Host, asked: Host, now: Moment) {
        let banned = &self.hosts[host.0].distrust.banned;
        if banned.get(&asked).is_some_and(|until| now < *until) {
            let what = format!("{host:?} asks {asked:?}, which sent it a wrong blob");
            self.breached(Invariant::Trust, now, what);
        }
    }
}
