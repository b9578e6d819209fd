//! Addresses to stay connected to, addresses found in the DHT, and timers.

use alloc::string::String;
use alloc::vec::Vec;

use rand_core::Rng as _;
use samara_core::Topic;
use samara_core::message::ErrorCode;

use crate::Swarm;
use crate::connection::{Asked, Carrier, Connection, Origin, Peer, Scope, Stage};
use crate::face::{Address, ConnectionId, Event, Output, Problem, TransferId};
use crate::time::{Millis, Time};

/// An address the user wants to stay connected to.
#[derive(Default)]
pub(crate) struct Kept {
    connection: Option<ConnectionId>,
    failures: u32,
    dial_at: Time,
}

impl Swarm {
    pub(crate) fn on_keep(&mut self, address: String) {
        let dial_at = self.now;
        self.kept.entry(address).or_insert(Kept {
            dial_at,
            ..Kept::default()
        });
        self.arm(dial_at);
    }

    pub(crate) fn on_kept_ready(&mut self, address: &str, id: ConnectionId) {
        if let Some(kept) = self.kept.get_mut(address)
            && kept.connection == Some(id)
        {
            kept.failures = 0;
            let address = address.into();
            self.event(Event::Kept {
                address,
                problem: None,
            });
        }
    }

    pub(crate) fn on_kept_closed(&mut self, address: &str, id: ConnectionId, problem: Problem) {
        let jitter = Millis(u64::from(self.rng.next_u32() % 500));
        let (now, limits) = (self.now, &self.config.limits);
        let Some(kept) = self.kept.get_mut(address) else {
            return;
        };
        if kept.connection != Some(id) {
            return;
        }
        kept.connection = None;
        kept.dial_at = now
            + limits
                .redial_first
                .doubled(kept.failures, limits.redial_most)
            + jitter;
        kept.failures = (kept.failures + 1).min(16);
        let at = kept.dial_at;
        self.arm(at);
        let (address, problem) = (address.into(), Some(problem));
        self.event(Event::Kept { address, problem });
    }

    /// Dials every kept address anew, now, without a word to the user: its
    /// connection is about to be closed by this side.
    pub(crate) fn redial_kept(&mut self) {
        let dial_at = self.now;
        for kept in self.kept.values_mut() {
            *kept = Kept {
                dial_at,
                ..Kept::default()
            };
        }
        self.arm(dial_at);
    }

    /// Peers found for a topic are dialed while blobs are missing.
    pub(crate) fn on_found(&mut self, topic: Topic, addresses: Vec<String>) {
        let Some(id) = self.transfer_of(topic) else {
            return self.on_found_for_others(topic, addresses);
        };
        let incomplete = self
            .transfers
            .get(&id)
            .is_some_and(|t| t.is_incomplete() && !t.paused);
        if !incomplete {
            return;
        }
        let most = self.config.limits.dials_per_transfer;
        let mut left = most.saturating_sub(self.dialing_for(id));
        for address in addresses.into_iter().take(most) {
            if let Some(connection) = self.dialed(&address) {
                if let Scope::Only(scope) = &mut connection.scope {
                    scope.insert(id);
                }
            } else if left > 0 {
                left -= 1;
                self.dial(address, Scope::Only([id].into()));
            }
        }
        self.tell_all_wants();
    }

    /// Dials for a transfer that have not led to a peer: whoever names
    /// addresses must not choose how many there are at once.
    fn dialing_for(&self, transfer: TransferId) -> usize {
        let dialing = self.connections.values().filter(|connection| {
            let dialed = matches!(connection.origin, Origin::Dialed(_));
            let found = match &connection.scope {
                Scope::Everything => false,
                Scope::Only(scope) => scope.contains(&transfer),
            };
            dialed && found && connection.ready().is_none()
        });
        dialing.count()
    }

    pub(crate) fn is_dialed(&mut self, address: &str) -> bool {
        self.dialed(address).is_some()
    }

    fn dialed(&mut self, wanted: &str) -> Option<&mut Connection> {
        let mut connections = self.connections.values_mut();
        connections
            .find(|connection| matches!(&connection.origin, Origin::Dialed(to) if to == wanted))
    }

    pub(crate) fn dial(&mut self, address: String, scope: Scope) -> Option<ConnectionId> {
        let room = match scope {
            Scope::Everything => self.connections.len() < self.config.limits.connections,
            Scope::Only(_) => self.has_room_for_others(),
        };
        if !room {
            return None;
        }
        let id = self.connection();
        let until = self.now + self.config.limits.dial;
        self.arm(until);
        let origin = Origin::Dialed(address.clone());
        let stage = Stage::Dialing { until };
        let connection = Connection::new(Carrier::Driver, origin, stage, scope);
        self.connections.insert(id, connection);
        let address = Address::WebSocket(address);
        self.outputs.push_back(Output::Dial {
            connection: id,
            address,
        });
        Some(id)
    }

    /// Does what is due and finds out when the next thing will be.
    pub(crate) fn run_timers(&mut self) {
        self.wake = None;
        self.run_dials();
        self.run_deadlines();
        self.run_discovery();
        self.run_calls();
        self.run_gossip();
        self.run_seeking();
        self.run_offers();
        self.run_proofs();
        self.run_uploads();
        self.run_line();
        self.run_relief();
        self.run_trials();
        self.run_ledger();
        self.run_ice();
        self.meet_all();
    }

    fn run_dials(&mut self) {
        let now = self.now;
        let waiting = self
            .kept
            .iter()
            .filter(|(_, kept)| kept.connection.is_none());
        let waiting: Vec<_> = waiting
            .map(|(address, kept)| (address.clone(), kept.dial_at))
            .collect();
        for (address, at) in waiting {
            if at > now {
                self.arm(at);
                continue;
            }
            let connection = self.dial(address.clone(), Scope::Everything);
            if connection.is_none() {
                self.arm(now + self.config.limits.redial_first);
            }
            if let Some(kept) = self.kept.get_mut(&address) {
                kept.connection = connection;
            }
        }
    }

    fn run_deadlines(&mut self) {
        let ids: Vec<_> = self.connections.keys().copied().collect();
        for id in ids {
            let Some(connection) = self.connections.get(&id) else {
                continue;
            };
            let at = match &connection.stage {
                Stage::Dialing { until } | Stage::Greeting { until, .. } => Some(*until),
                Stage::Ready(peer) => self.deadline(connection, peer),
            };
            let Some(at) = at else {
                continue;
            };
            if at > self.now {
                self.arm(at);
                continue;
            }
            match &connection.stage {
                Stage::Dialing { .. } => self.close(id, "nobody answered"),
                Stage::Greeting { .. } => {
                    self.misbehaved(id, ErrorCode::TIMEOUT, "no handshake in time");
                }
                // It may sleep, so that is nobody's fault.
                Stage::Ready(_) if self.is_untaken(connection) => {
                    self.close(id, "the peer takes nothing that is sent to it");
                }
                Stage::Ready(_) => self.give_up(id),
            }
        }
    }

    /// When a peer's time is up; `None` while nothing is due either way.
    fn deadline(&self, connection: &Connection, peer: &Peer) -> Option<Time> {
        let owes = peer.asking.last_heard + self.patience(peer);
        let owes = Some(owes).filter(|_| !peer.asking.requests.is_empty());
        owes.into_iter().chain(self.takes_until(connection)).min()
    }

    /// Until when a transport must take something of what it was given.
    fn takes_until(&self, connection: &Connection) -> Option<Time> {
        let until = connection.moved_at + self.config.limits.stall_whole;
        connection.has_queued().then_some(until)
    }

    fn is_untaken(&self, connection: &Connection) -> bool {
        let until = self.takes_until(connection);
        until.is_some_and(|until| until <= self.now)
    }

    /// How long a source that owes a blob may be silent.
    fn patience(&self, peer: &Peer) -> Millis {
        let limits = &self.config.limits;
        let next = peer.asking.requests.values().next();
        let left = next.map_or(0, Asked::left);
        // What is not seen to begin may wait in a line of many askers.
        let begun = next.is_some_and(Asked::has_begun);
        let most = if begun && peer.sends_parts() {
            limits.stall
        } else {
            limits.stall_whole
        };
        peer.asking.pace.patience(left, most)
    }

    fn run_discovery(&mut self) {
        let limits = &self.config.limits;
        let (lookup_every, announce_every) = (limits.lookup_every, limits.announce_every);
        let jitter = Millis(u64::from(self.rng.next_u32()) % (announce_every.0 / 10).max(1));
        let mut next = Vec::new();
        for (id, transfer) in &mut self.transfers {
            let topic = transfer.topic;
            if self.config.lookup && transfer.is_incomplete() && !transfer.paused {
                if transfer.lookup_at <= self.now {
                    transfer.lookup_at = self.now + lookup_every;
                    self.outputs.push_back(Output::Lookup { topic });
                    // One a time: each tells the DHT what this peer misses.
                    if transfer.call_at + limits.lookup_blobs_after <= self.now
                        && let Some(blob) = self.wanted.unheld(*id, self.rng.next_u32())
                    {
                        self.outputs.push_back(Output::LookupBlob { topic, blob });
                    }
                }
                next.push(transfer.lookup_at);
            }
            if self.config.announce {
                if transfer.announce_at <= self.now {
                    transfer.announce_at = self.now + announce_every + jitter;
                    self.outputs.push_back(Output::Announce { topic });
                }
                next.push(transfer.announce_at);
            }
        }
        for at in next {
            self.arm(at);
        }
    }
}
