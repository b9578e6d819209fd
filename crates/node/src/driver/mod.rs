//! The task that owns the machine.
//!
//! Everything that happens reaches it as a message, and what the machine wants
//! done leaves it as a message or a job; it never waits for anything else.

mod connections;
mod discovery;
mod files;

use std::collections::HashMap;
use std::time::Instant;

use bytes::Bytes;
use samara_core::BlobId;
use samara_swarm::{
    ConnectionId, Event, Input, Output, Path, Progress, Source, StoreFailure, Swarm, Target, Time,
    TransferId,
};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::announced::Announced;
use crate::connection::Attached;
use crate::destination::Destination;
use crate::dht::Dht;
use crate::disk::{Disk, Storing};
use crate::ledger::Told;
use crate::node::NodeEvent;
use crate::save::SaveError;
use crate::transfer::{TransferError, TransferEvent};
use crate::wants::Want;
use crate::webrtc::{Role, WebRtc};
use connections::Connection;
use discovery::Discovery;
use files::Opened;

/// Messages from peers waiting for the machine, over all connections. They can
/// be 1 MiB each, and the machine is never busy for long.
const WIRE: usize = 16;

/// Messages handled between two looks at the clock.
const BATCH: usize = 64;

/// What reaches the machine's task besides messages from peers.
#[derive(Debug)]
pub(crate) enum Command {
    /// For the machine as it is.
    Input(Input),
    /// Somebody connected.
    Attach {
        path: Path,
        max_message: usize,
        binding: Bytes,
        reply: oneshot::Sender<Attached>,
    },
    /// A user wants a file, or offers it.
    Open {
        transfer: TransferId,
        target: Target,
        destination: Option<Destination>,
        events: mpsc::UnboundedSender<TransferEvent>,
    },
    /// A user wants to know.
    Progress {
        transfer: TransferId,
        reply: oneshot::Sender<Option<Progress>>,
    },
    /// A user wants to know.
    Peers { reply: oneshot::Sender<Vec<Source>> },
    /// Every peer, and how much is wanted for others.
    Standing {
        reply: oneshot::Sender<(Vec<Source>, usize)>,
    },
    /// What is wanted for others is to be written down.
    Favours { reply: oneshot::Sender<Vec<Want>> },
    /// A user is done with a transfer.
    Drop(TransferId),
    /// A job of [`Disk::store`] ended.
    Stored {
        connection: ConnectionId,
        blob: BlobId,
        result: Result<(), StoreFailure>,
        evicted: Vec<BlobId>,
        written: Vec<(TransferId, u32, Result<(), SaveError>)>,
    },
    /// A job of [`Disk::catch_up`] ended.
    Written {
        transfer: TransferId,
        index: u32,
        result: Result<(), SaveError>,
    },
    /// A job of [`Disk::finish`] ended.
    Saved {
        transfer: TransferId,
        result: Result<std::path::PathBuf, SaveError>,
    },
}

/// What the machine's wishes go to.
pub(crate) struct Around {
    pub disk: Disk,
    pub ledger: Option<mpsc::UnboundedSender<Told>>,
    /// With the port to announce, if there is one.
    pub dht: Option<(Dht, Option<Announced>)>,
    pub webrtc: Option<WebRtc>,
}

/// The machine and everything around it.
pub(crate) struct Driver {
    swarm: Swarm,
    started: Instant,
    connections: HashMap<ConnectionId, Connection>,
    opened: HashMap<TransferId, Opened>,
    disk: Disk,
    discovery: Discovery,
    webrtc: Option<WebRtc>,
    ledger: Option<mpsc::UnboundedSender<Told>>,
    wire: mpsc::Sender<Input>,
    from_wire: mpsc::Receiver<Input>,
    commands: mpsc::UnboundedSender<Command>,
    events: broadcast::Sender<NodeEvent>,
    tasks: TaskTracker,
}

impl Driver {
    pub fn new(
        swarm: Swarm,
        around: Around,
        commands: mpsc::UnboundedSender<Command>,
        events: broadcast::Sender<NodeEvent>,
        tasks: TaskTracker,
    ) -> Self {
        let Around {
            disk,
            ledger,
            dht,
            webrtc,
        } = around;
        let (wire, from_wire) = mpsc::channel(WIRE);
        Self {
            swarm,
            started: Instant::now(),
            connections: HashMap::new(),
            opened: HashMap::new(),
            disk,
            discovery: Discovery::new(dht, commands.clone(), events.clone()),
            webrtc,
            ledger,
            wire,
            from_wire,
            commands,
            events,
            tasks,
        }
    }

    /// Runs until `stop`; what is queued is sent by the transports after that.
    pub async fn run(
        mut self,
        mut commands: mpsc::UnboundedReceiver<Command>,
        stop: CancellationToken,
    ) {
        let timer = tokio::time::sleep(std::time::Duration::ZERO);
        tokio::pin!(timer);
        loop {
            let wake = self.swarm.wake_at();
            if let Some(Time(at)) = wake {
                let at = self.started + std::time::Duration::from_millis(at);
                timer.as_mut().reset(at.into());
            }
            tokio::select! {
                () = stop.cancelled() => break,
                Some(command) = commands.recv() => self.command(command),
                Some(input) = self.from_wire.recv() => self.handle(input),
                () = &mut timer, if wake.is_some() => self.handle(Input::Tick),
            }
            for _ in 0..BATCH {
                if let Ok(command) = commands.try_recv() {
                    self.command(command);
                } else if let Ok(input) = self.from_wire.try_recv() {
                    self.handle(input);
                } else {
                    break;
                }
            }
        }
        let untold = self.swarm.settle();
        self.write_down(untold);
    }

    fn write_down(&self, told: Told) {
        if let Some(ledger) = &self.ledger {
            // It reads until this task is gone.
            let _ = ledger.send(told);
        }
    }

    fn handle(&mut self, input: Input) {
        if let Input::Closed { connection, .. } = &input {
            self.connections.remove(connection);
        }
        let now = u64::try_from(self.started.elapsed().as_millis());
        let now = Time(now.expect("a node runs less than 584 million years"));
        self.swarm.handle(now, input);
        while let Some(output) = self.swarm.poll() {
            self.output(output);
        }
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Send {
                connection,
                message,
            } => {
                if let Some(connection) = self.connections.get(&connection) {
                    connection.queue.send(message);
                }
            }
            Output::Close { connection } => {
                self.connections.remove(&connection);
            }
            Output::Dial {
                connection,
                address,
            } => self.dial(connection, address),
            Output::Answer { connection, offer } => {
                self.open_channel(connection, Role::Answer(offer));
            }
            Output::Signal { connection, signal } => self.signal(connection, signal),
            Output::IceServers(servers) => {
                if let Some(webrtc) = &self.webrtc {
                    webrtc.use_servers(servers);
                }
            }
            Output::Load { blob } => self.disk.load(blob),
            Output::Store {
                connection,
                blob,
                bytes,
                durable,
            } => {
                let places = self.places(&blob);
                let storing = Storing {
                    connection,
                    id: blob,
                    bytes,
                    durable,
                };
                self.disk.store(storing, places);
            }
            Output::Hash {
                blob,
                nonce,
                prover,
            } => {
                let durable = prover == self.swarm.peer();
                self.disk.hash(blob, nonce, prover, durable);
            }
            Output::Lookup { topic } => self.discovery.lookup(topic),
            Output::LookupBlob { topic, blob } => self.discovery.lookup_blob(topic, &blob),
            Output::Announce { topic } => self.discovery.announce(topic),
            Output::Ledger(told) => self.write_down(told),
            Output::Event(event) => self.event(event),
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Input(input) => self.handle(input),
            Command::Attach {
                path,
                max_message,
                binding,
                reply,
            } => self.accept(path, max_message, binding, reply),
            Command::Open {
                transfer,
                target,
                destination,
                events,
            } => {
                let opened = Opened::new(&target, destination, events);
                self.opened.insert(transfer, opened);
                self.handle(Input::Open { transfer, target });
            }
            Command::Progress { transfer, reply } => {
                // Whoever asked may have gone.
                let _ = reply.send(self.swarm.progress(transfer));
            }
            Command::Peers { reply } => {
                let _ = reply.send(self.swarm.peers());
            }
            Command::Standing { reply } => {
                let _ = reply.send((self.swarm.peers(), self.swarm.favours().count()));
            }
            Command::Favours { reply } => {
                let _ = reply.send(self.swarm.favours().collect());
            }
            Command::Drop(transfer) => self.drop_transfer(transfer),
            Command::Stored {
                connection,
                blob,
                result,
                evicted,
                written,
            } => {
                for (transfer, index, result) in written {
                    self.written(transfer, index, result);
                }
                if !evicted.is_empty() {
                    self.handle(Input::Evicted(evicted));
                }
                self.handle(Input::Stored {
                    connection,
                    blob,
                    result,
                });
            }
            Command::Written {
                transfer,
                index,
                result,
            } => self.written(transfer, index, result),
            Command::Saved { transfer, result } => self.saved(transfer, result),
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Entry { transfer, entry } => self.entry(transfer, &entry),
            Event::Chunk { transfer, index } => self.chunk(transfer, index),
            Event::Done { transfer } => self.done(transfer),
            Event::Failed { transfer, failure } => {
                self.fail(transfer, TransferError::Failed(failure));
            }
            Event::Pushed {
                transfer,
                proven,
                wanted,
                copies,
                target,
            } => {
                let pushed = TransferEvent::Pushed {
                    proven,
                    wanted,
                    copies,
                    target,
                };
                self.tell(transfer, pushed);
            }
            Event::PushRefused { transfer, reason } => {
                let reason = reason.into();
                self.tell(transfer, TransferEvent::PushRefused { reason });
            }
            Event::Kept { address, problem } => self.announce(NodeEvent::Kept { address, problem }),
            Event::Misbehaved { peer, what } => {
                tracing::info!(?peer, %what, "a peer was cut off");
                let what = what.into();
                self.announce(NodeEvent::Misbehaved { peer, what });
            }
        }
    }

    fn announce(&self, event: NodeEvent) {
        // Nobody needs to listen.
        let _ = self.events.send(event);
    }
}
