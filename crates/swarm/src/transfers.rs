//! Transfers: what the user asked for, from a link to a complete file.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use rand_core::Rng as _;
use samara_core::{BlobId, FileEntry};

use crate::Swarm;
use crate::connection::{Connection, Peer};
use crate::face::{
    Event, Order, Progress, Rates, Source, State, Target, TransferFailure, TransferId,
};
use crate::serve::Waiter;
use crate::transfer::{Phase, Resolving, Step, Transfer};
use crate::wanted::FOR_OTHERS;

impl Swarm {
    pub(crate) fn on_open(&mut self, id: TransferId, target: Target) {
        let link = match &target {
            Target::Link(link) | Target::Entry(_, link) => link.clone(),
        };
        let phase = Phase::Resolving(Resolving::new(&link));
        self.transfers
            .insert(id, Transfer::new(link, phase, self.now));
        match target {
            Target::Link(_) => self.want_phase(id),
            Target::Entry(entry, _) => self.on_entry(id, entry),
        }
        self.put_off_call(id);
        self.join_topic(id);
        self.arm(self.now);
    }

    /// Wants the blobs of a transfer's phase that are not in the store.
    fn want_phase(&mut self, id: TransferId) {
        let Some(transfer) = self.transfers.get(&id) else {
            return;
        };
        let blobs = transfer.blobs.clone();
        let mut held = Vec::new();
        let mut missing = 0;
        for (blob, index) in blobs.iter().zip(0..) {
            if self.held.contains_key(blob) {
                held.push(index);
                continue;
            }
            missing += 1;
            let urgency = transfer.urgency(index);
            let rng = &mut self.rng;
            self.wanted
                .add(*blob, (id, index), urgency, || rng.next_u32());
        }
        for connection in self.connections.values_mut() {
            if let Some(peer) = connection.ready_mut() {
                peer.telling.cursors.remove(&id);
                peer.telling.told.remove(&id);
            }
        }
        self.on_phase_started(id, &held, missing);
        self.tell_all_wants();
    }

    fn on_phase_started(&mut self, id: TransferId, held: &[u32], missing: usize) {
        let Some(transfer) = self.transfers.get_mut(&id) else {
            return;
        };
        match &mut transfer.phase {
            Phase::Resolving(resolving) => {
                resolving.set_missing(missing);
                if missing == 0 {
                    self.load_entry(id);
                }
            }
            Phase::Fetching { .. } => {
                for index in held {
                    self.on_chunk(id, *index);
                }
            }
            Phase::Done { .. } | Phase::Failed => {}
        }
    }

    /// A wanted blob of a transfer is in the store.
    pub(crate) fn on_arrived(&mut self, id: TransferId, index: u32) {
        let Some(transfer) = self.transfers.get_mut(&id) else {
            return;
        };
        match &mut transfer.phase {
            Phase::Resolving(resolving) => {
                if resolving.arrived() {
                    self.load_entry(id);
                }
            }
            Phase::Fetching { .. } => self.on_chunk(id, index),
            Phase::Done { .. } | Phase::Failed => {}
        }
    }

    fn load_entry(&mut self, id: TransferId) {
        let blobs = self
            .transfers
            .get(&id)
            .map(|transfer| transfer.blobs.clone());
        for blob in blobs.iter().flat_map(|blobs| blobs.iter()) {
            self.load(*blob, Waiter::Entry(id));
        }
    }

    pub(crate) fn on_loaded_entry(&mut self, id: TransferId, blob: BlobId, bytes: Option<&Bytes>) {
        let Some(transfer) = self.transfers.get_mut(&id) else {
            return;
        };
        let Phase::Resolving(resolving) = &mut transfer.phase else {
            return;
        };
        let Some(bytes) = bytes else {
            return self.fail(id, TransferFailure::Lost(blob));
        };
        match resolving.load(&transfer.link, blob, bytes.clone()) {
            Ok(Step::Wait) => {}
            Ok(Step::Deeper) => {
                transfer.list_blobs();
                self.want_phase(id);
            }
            Ok(Step::Entry(entry)) => self.on_entry(id, Arc::new(entry)),
            Err(error) => self.fail(id, error.into()),
        }
    }

    fn on_entry(&mut self, id: TransferId, entry: Arc<FileEntry>) {
        let Some(transfer) = self.transfers.get_mut(&id) else {
            return;
        };
        transfer.enter(Phase::Fetching {
            entry: entry.clone(),
            chunks_held: 0,
            bytes_held: 0,
        });
        self.event(Event::Entry {
            transfer: id,
            entry,
        });
        self.share(id);
        self.want_phase(id);
        self.tell_all_holdings();
    }

    fn on_chunk(&mut self, id: TransferId, index: u32) {
        let Some(transfer) = self.transfers.get_mut(&id) else {
            return;
        };
        let Phase::Fetching {
            entry,
            chunks_held,
            bytes_held,
        } = &mut transfer.phase
        else {
            return;
        };
        *chunks_held += 1;
        *bytes_held += entry.chunk_len(index as usize) as u64;
        let done = *chunks_held as usize == entry.chunks().len();
        if done {
            let entry = entry.clone();
            transfer.enter(Phase::Done { entry });
        }
        self.event(Event::Chunk {
            transfer: id,
            index,
        });
        if done {
            self.event(Event::Done { transfer: id });
            self.push_done(id);
        }
    }

    fn push_done(&mut self, id: TransferId) {
        if let Some(copies) = self.transfers.get(&id).and_then(|t| t.copies) {
            self.on_push(id, copies);
        }
    }

    pub(crate) fn fail(&mut self, id: TransferId, failure: TransferFailure) {
        let Some(transfer) = self.transfers.get_mut(&id) else {
            return;
        };
        transfer.enter(Phase::Failed);
        self.unwant(id);
        self.event(Event::Failed {
            transfer: id,
            failure,
        });
    }

    /// The store refused a blob: nobody who needs it can go on.
    pub(crate) fn on_store_failed(&mut self, blob: BlobId, text: &str) {
        let wanted = self.wanted.remove(&blob);
        self.end_favour(blob);
        for (transfer, _) in wanted.into_iter().flat_map(|wanted| wanted.slots) {
            if transfer == FOR_OTHERS {
                self.refuse_push(blob, "the keeper's store has no room");
                self.end_all_favours();
            } else {
                self.fail(transfer, TransferFailure::Store(text.into()));
            }
        }
    }

    /// Nothing is wanted for this transfer any more.
    fn unwant(&mut self, id: TransferId) {
        let over = self.wanted.remove_slots(id);
        let mut blobs = Vec::with_capacity(over.len());
        for (blob, wanted) in over {
            if let crate::wanted::State::Requested(asked) = wanted.state {
                for (of, request) in asked {
                    self.cancel(of, request);
                }
            }
            blobs.push(blob);
        }
        self.withdraw(id, &blobs);
    }

    pub(crate) fn on_pause(&mut self, id: TransferId) {
        if let Some(transfer) = self.transfers.get_mut(&id) {
            transfer.paused = true;
        }
        self.reprioritise(id);
    }

    pub(crate) fn on_resume(&mut self, id: TransferId) {
        let Some(transfer) = self.transfers.get_mut(&id) else {
            return;
        };
        transfer.paused = false;
        transfer.lookup_at = self.now;
        self.put_off_call(id);
        self.reprioritise(id);
        self.tell_all_wants();
        self.meet_all();
        self.arm(self.now);
    }

    pub(crate) fn on_prioritise(&mut self, id: TransferId, order: Order) {
        if let Some(transfer) = self.transfers.get_mut(&id) {
            transfer.order = order;
        }
        self.take_back(id);
        self.reprioritise(id);
    }

    /// Works out anew in which order a transfer's blobs are asked for.
    fn reprioritise(&mut self, id: TransferId) {
        let Some(transfer) = self.transfers.get(&id) else {
            return;
        };
        let transfers = &self.transfers;
        self.wanted.reprioritise(&transfer.blobs, |(of, position)| {
            if of == FOR_OTHERS {
                return Some(crate::wanted::Urgency::Help);
            }
            transfers.get(&of)?.urgency(position)
        });
        self.ask_all();
    }

    pub(crate) fn on_limit(&mut self, rates: Rates) {
        self.upload.set(rates.upload, self.now);
        self.download.set(rates.download, self.now);
        self.asks_wait = true;
        self.arm(self.now);
    }

    pub(crate) fn on_drop(&mut self, id: TransferId) {
        let Some(transfer) = self.transfers.remove(&id) else {
            return;
        };
        self.unwant(id);
        self.unshare(id);
        let others = self.transfers.iter();
        let same = others.filter(|(_, other)| other.topic == transfer.topic);
        let same: Vec<_> = same.map(|(id, _)| *id).collect();
        if same.is_empty() {
            self.leave_topic(transfer.topic);
        }
        for id in same {
            self.share(id);
        }
    }

    /// Chunks and bytes that a transfer holds; `None` if it has failed, was
    /// dropped or was never opened.
    pub fn holds(&self, id: TransferId) -> Option<(u32, u64)> {
        match &self.transfers.get(&id)?.phase {
            Phase::Fetching {
                chunks_held,
                bytes_held,
                ..
            } => Some((*chunks_held, *bytes_held)),
            Phase::Done { entry } => Some((count(entry), entry.size())),
            Phase::Resolving(_) => Some((0, 0)),
            Phase::Failed => None,
        }
    }

    /// How a transfer stands, with its sources; `None` if it was never opened
    /// or was dropped.
    pub fn progress(&self, id: TransferId) -> Option<Progress> {
        let transfer = self.transfers.get(&id)?;
        let (chunks_held, bytes_held) = self.holds(id).unwrap_or_default();
        let entry = transfer.entry();
        Some(Progress {
            state: self.state(id, transfer),
            chunks_held,
            chunks: entry.map_or(0, |entry| count(entry)),
            bytes_held,
            bytes: entry.map_or(0, |entry| entry.size()),
            sources: self.sources(id),
        })
    }

    fn state(&self, id: TransferId, transfer: &Transfer) -> State {
        match transfer.phase {
            Phase::Done { .. } => State::Done,
            Phase::Failed => State::Failed,
            Phase::Resolving(_) | Phase::Fetching { .. } if transfer.paused => State::Paused,
            Phase::Resolving(_) | Phase::Fetching { .. } => {
                let peers = self.connections.values().filter_map(Connection::ready);
                let asked = peers.flat_map(|peer| peer.asking.requests.values());
                let coming = asked.map(|asked| &asked.blob).chain(self.storing.keys());
                let mut wanted = coming.filter_map(|blob| self.wanted.get(blob));
                let active = wanted.any(|wanted| wanted.is_of(id));
                if active {
                    State::Active
                } else {
                    State::Waiting
                }
            }
        }
    }

    fn sources(&self, id: TransferId) -> Vec<Source> {
        let of_transfer = |blob: &BlobId| {
            let wanted = self.wanted.get(blob);
            wanted.is_some_and(|wanted| wanted.is_of(id))
        };
        let sources = self.connections.values().filter_map(|connection| {
            let peer = connection.ready()?;
            let gave = peer.asking.gave.get(&id).copied();
            let offers = || peer.asking.has.keys().any(of_transfer);
            let is_one = gave.is_some() || offers();
            is_one.then(|| self.source(connection, gave.unwrap_or_default()))?
        });
        self.united(sources)
    }
}

impl Swarm {
    /// A connection's peer as a source that gave so many bytes.
    pub(crate) fn source(&self, connection: &Connection, bytes: u64) -> Option<Source> {
        let source = connection.ready()?.source(bytes);
        let pair = connection.pair;
        let detour = self.detour_of(connection);
        Some(Source {
            pair,
            detour,
            ..source
        })
    }
}

impl Peer {
    fn source(&self, bytes: u64) -> Source {
        let pace = &self.asking.pace;
        let busy = !self.asking.requests.is_empty();
        Source {
            peer: self.id,
            path: self.path,
            pair: None,
            detour: None,
            bytes,
            rate: pace.rate().filter(|_| busy).unwrap_or_default(),
            sent: self.serving.sent,
            round_trip: pace.round_trip(),
            requests: self.asking.requests.len(),
            channels: 1,
        }
    }
}

fn count(entry: &FileEntry) -> u32 {
    u32::try_from(entry.chunks().len()).unwrap_or(u32::MAX)
}
