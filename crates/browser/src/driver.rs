//! The loop around the machine.
//!
//! Whatever happens becomes an input in a queue. The loop hands inputs to the
//! machine one by one and does what it says at once; nothing that it does
//! waits, and what takes time leaves another input when it is done.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use samara_core::message::Nonce;
use samara_core::{BlobId, PeerId};
use samara_swarm::{
    Address, Config, ConnectionId, Event, Input, Millis, Output, Path, StoreFailure, Swarm,
    Traffic, TransferId,
};
use wasm_bindgen_futures::spawn_local;

use crate::alarm::{self, Alarm};
use crate::error::Coded as _;
use crate::hash::{evidence, verify};
use crate::host::{Host, HostEvent, HostIceServer, HostSignal, to_object};
use crate::store::{PutError, Store};
use crate::transfers::Transfers;
use crate::transport::{Connections, Happened};
use crate::wants::Wants;

/// How often a `WebSocket` that still has bytes to send is looked at: there is
/// no event for it.
const POLL: Millis = Millis(4);

/// A peer with everything around it.
pub(crate) struct Driver {
    pub swarm: RefCell<Swarm>,
    pub store: Store,
    pub connections: RefCell<Connections>,
    pub transfers: RefCell<Transfers>,
    host: Host,
    inbox: RefCell<VecDeque<Input>>,
    running: Cell<bool>,
    wake: Alarm,
    poll: Alarm,
    pub wants: Wants,
    /// Rings when the wants are to be written down.
    pub keeping: Alarm,
}

impl Driver {
    pub fn new(host: Host, store: Store, config: Config, seed: [u8; 32]) -> Rc<Self> {
        Rc::new_cyclic(|this: &std::rc::Weak<Self>| {
            let with = |act: fn(&Rc<Self>)| {
                let this = this.clone();
                move || {
                    if let Some(driver) = this.upgrade() {
                        act(&driver);
                    }
                }
            };
            let listener = this.clone();
            let listener = Rc::new(move |id: ConnectionId, happened: Happened| {
                if let Some(driver) = listener.upgrade() {
                    let inputs = driver.connections.borrow_mut().on(id, happened);
                    driver.give_all(inputs);
                }
            });
            Self {
                swarm: RefCell::new(Swarm::new(config, seed)),
                store,
                connections: RefCell::new(Connections::new(listener)),
                transfers: RefCell::default(),
                host,
                inbox: RefCell::default(),
                running: Cell::new(false),
                wake: Alarm::new(with(Self::tick)),
                poll: Alarm::new(with(Self::run)),
                wants: Wants::default(),
                keeping: Alarm::new(with(Self::on_keep_wants)),
            }
        })
    }

    /// Something happened.
    pub fn give(self: &Rc<Self>, input: Input) {
        self.inbox.borrow_mut().push_back(input);
        self.run();
    }

    /// Time has passed. A hidden tab hears of it once a minute: what its
    /// sockets took meanwhile is told first, or they would seem stuck.
    fn tick(self: &Rc<Self>) {
        let mut inputs = self.connections.borrow_mut().drained();
        inputs.push(Input::Tick);
        self.give_all(inputs);
    }

    /// Several things happened.
    pub fn give_all(self: &Rc<Self>, inputs: Vec<Input>) {
        self.inbox.borrow_mut().extend(inputs);
        self.run();
    }

    fn run(self: &Rc<Self>) {
        if self.running.replace(true) {
            return;
        }
        loop {
            let next = self.inbox.borrow_mut().pop_front();
            if let Some(input) = next {
                if let Input::Closed { connection, .. } = &input {
                    // A peer may have closed its channel and nothing else.
                    self.host.hang_up(connection.0);
                }
                self.swarm.borrow_mut().handle(alarm::now(), input);
                self.act_on_outputs();
                continue;
            }
            let drained = self.connections.borrow_mut().drained();
            if drained.is_empty() {
                break;
            }
            self.inbox.borrow_mut().extend(drained);
        }
        self.running.set(false);
        self.host.changed();
        if let Some(time) = self.swarm.borrow().wake_at() {
            self.wake.set(time);
        }
        if self.connections.borrow().needs_polling() {
            self.poll.set(alarm::now() + POLL);
        }
        self.keep_wants_soon();
    }

    fn act_on_outputs(self: &Rc<Self>) {
        loop {
            let output = self.swarm.borrow_mut().poll();
            match output {
                Some(output) => self.act(output),
                None => return,
            }
        }
    }

    fn act(self: &Rc<Self>, output: Output) {
        match output {
            Output::Send {
                connection,
                message,
            } => {
                let failed = self.connections.borrow_mut().send(connection, &message);
                self.inbox.borrow_mut().extend(failed);
            }
            Output::Close { connection } => self.close(connection),
            Output::Dial {
                connection,
                address: Address::WebSocket(url),
            } => {
                let socket = self.host.socket(&url).ok();
                let mut connections = self.connections.borrow_mut();
                let failed = connections.dial(connection, &url, socket);
                self.inbox.borrow_mut().extend(failed);
            }
            Output::Dial {
                connection,
                address: Address::WebRtc,
            } => {
                self.connections.borrow_mut().expect(connection);
                self.host.dial(connection.0);
            }
            Output::Answer { connection, offer } => {
                self.connections.borrow_mut().expect(connection);
                self.host.answer(connection.0, &offer);
            }
            Output::Signal { connection, signal } => {
                let signal = to_object(&HostSignal::from(signal));
                self.host.signal(connection.0, signal);
            }
            Output::IceServers(servers) => {
                let servers = servers.into_iter().map(HostIceServer::from);
                let servers: Vec<_> = servers.collect();
                self.host.ice_servers(to_object(&servers));
            }
            Output::Load { blob } => self.load(blob),
            Output::Store {
                connection,
                blob,
                bytes,
                // A page keeps nothing for others.
                durable: _,
            } => self.put(connection, blob, bytes),
            Output::Hash {
                blob,
                nonce,
                prover,
            } => self.hash(blob, nonce, prover),
            // A browser reaches the DHT only through its relays.
            Output::Lookup { .. } | Output::LookupBlob { .. } | Output::Announce { .. } => {}
            Output::Ledger(told) => self.count(told),
            Output::Event(event) => self.on_event(event),
        }
    }

    /// Closes a connection.
    pub fn close(&self, connection: ConnectionId) {
        let path = self.connections.borrow_mut().close(connection);
        if path == Some(Path::WebRtc) {
            self.host.hang_up(connection.0);
        }
    }

    fn load(self: &Rc<Self>, blob: BlobId) {
        let driver = Rc::clone(self);
        spawn_local(async move {
            // Lost or unreadable: either way others have to be asked for it.
            let bytes = driver.store.get(blob).await.ok();
            driver.give(Input::Loaded { blob, bytes });
        });
    }

    fn hash(self: &Rc<Self>, blob: BlobId, nonce: Nonce, prover: PeerId) {
        let driver = Rc::clone(self);
        spawn_local(async move {
            let evidence = match driver.store.get(blob).await {
                Ok(bytes) => Some(evidence(nonce, prover, &bytes).await),
                Err(_) => None,
            };
            driver.give(Input::Hashed {
                blob,
                nonce,
                prover,
                evidence,
            });
        });
    }

    fn put(self: &Rc<Self>, connection: ConnectionId, blob: BlobId, bytes: Bytes) {
        let driver = Rc::clone(self);
        spawn_local(async move {
            let result = match verify(blob, bytes).await {
                Ok(verified) => {
                    let put = driver.store.put(verified).await;
                    let put = put.unwrap_or_else(|_| Err(PutError::closed()));
                    put.map_err(|error| StoreFailure::Store(error.to_string()))
                }
                Err(_) => Err(StoreFailure::WrongBlob),
            };
            driver.give(Input::Stored {
                connection,
                blob,
                result,
            });
        });
    }

    fn count(self: &Rc<Self>, told: Vec<(PeerId, Traffic)>) {
        let driver = Rc::clone(self);
        spawn_local(async move {
            // A ledger that misses a few bytes is no reason to stop.
            let _ = driver.store.count(&told).await;
        });
    }

    /// Adds to the ledger what the machine has not told yet.
    pub async fn settle(&self) -> Result<(), PutError> {
        let untold = self.swarm.borrow_mut().settle();
        self.store.count(&untold).await
    }

    fn on_event(&self, event: Event) {
        match event {
            Event::Entry { transfer, entry } => {
                self.tell(&HostEvent::Entry {
                    transfer: short(transfer),
                    name: entry.name(),
                    size: entry.size(),
                    mime_type: entry.mime_type(),
                    chunks: entry.chunks().len(),
                });
                self.on_entry(transfer, entry);
            }
            Event::Chunk { transfer, index } => {
                if let Some(open) = self.transfers.borrow_mut().get_mut(transfer) {
                    open.on_chunk(index);
                }
                let transfer = short(transfer);
                self.tell(&HostEvent::Chunk { transfer, index });
            }
            Event::Done { transfer } => {
                let transfer = short(transfer);
                self.tell(&HostEvent::Done { transfer });
            }
            Event::Failed { transfer, failure } => {
                if let Some(open) = self.transfers.borrow_mut().get_mut(transfer) {
                    open.on_failed();
                }
                self.tell(&HostEvent::Failed {
                    transfer: short(transfer),
                    code: failure.code(),
                    message: &failure.to_string(),
                });
            }
            Event::Pushed {
                transfer,
                proven,
                wanted,
                copies,
                target,
            } => self.tell(&HostEvent::Pushed {
                transfer: short(transfer),
                proven,
                wanted,
                copies,
                target,
            }),
            Event::PushRefused { transfer, reason } => self.tell(&HostEvent::PushRefused {
                transfer: short(transfer),
                reason: &reason,
            }),
            Event::Kept { address, problem } => self.tell(&HostEvent::Kept {
                url: &address,
                problem: problem.map(Into::into),
            }),
            Event::Misbehaved { peer, what } => self.tell(&HostEvent::Misbehaved {
                peer: peer.map(|peer| peer.to_string()),
                what: &what,
            }),
        }
    }

    fn on_entry(&self, transfer: TransferId, entry: std::sync::Arc<samara_core::FileEntry>) {
        let mut transfers = self.transfers.borrow_mut();
        let Some(open) = transfers.get_mut(transfer) else {
            return;
        };
        let chunks: Vec<_> = entry.chunks().iter().map(|chunk| chunk.id).collect();
        self.store.pin(&chunks);
        open.pinned.extend(chunks);
        open.entry = Some(entry);
    }

    fn tell(&self, event: &HostEvent<'_>) {
        self.host.event(to_object(event));
    }
}

/// The id as JavaScript knows it.
pub(crate) fn short(transfer: TransferId) -> u32 {
    u32::try_from(transfer.0).expect("transfers are counted in 32 bits")
}
