//! The node as its users hold it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use samara_core::{BlobId, PeerId, Topic};
use samara_store::Store;
use samara_swarm::{Input, Path, Problem, Source, Swarm, Target, TransferId};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::announced::Announced;
use crate::bind::{BindError, bind};
use crate::config::NodeConfig;
use crate::connection::{Attached, Stopped};
use crate::destination::Destination;
use crate::dht::{Dht, DhtError};
use crate::disk::Disk;
use crate::driver::{Around, Command, Driver};
use crate::ledger;
use crate::moved;
use crate::status;
use crate::sweep::{Sweep, SweepStats, SweepView};
use crate::transfer::Transfer;
use crate::url::PeerUrl;
use crate::wants::{self, Wants};
use crate::webrtc::WebRtc;
use crate::websocket;

/// Events kept for a slow reader of [`Node::events`].
const EVENTS: usize = 256;

/// How long connections have to send what is queued when the node stops.
const STOP: Duration = Duration::from_secs(5);

/// A running peer. Clones are the same node; it runs until
/// [`Node::shutdown`] or until the last is dropped.
#[derive(Clone, Debug)]
pub struct Node(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    commands: mpsc::UnboundedSender<Command>,
    events: broadcast::Sender<NodeEvent>,
    /// For the first reader: a dial can fail before anybody asks.
    first_events: Mutex<Option<broadcast::Receiver<NodeEvent>>>,
    dht: Option<Dht>,
    sweep: Option<SweepView>,
    listen: Option<SocketAddr>,
    transfers: AtomicU64,
    received: Arc<AtomicU64>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// What happens to a node beside its transfers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeEvent {
    /// The connection to a kept address changed.
    Kept {
        /// The address, as it was given.
        address: String,
        /// `None` when connected, else why not.
        problem: Option<Problem>,
    },
    /// A peer broke the protocol and was cut off.
    Misbehaved {
        /// Who, if it had proven that.
        peer: Option<PeerId>,
        /// What it did.
        what: String,
    },
    /// The DHT names this node for the topic.
    Announced {
        /// The topic.
        topic: Topic,
    },
    /// The topic is not announced in the DHT for now; it will be tried again.
    Unannounced {
        /// The topic.
        topic: Topic,
        /// Why.
        problem: String,
    },
    /// The DHT was asked for the topic's holders.
    LookedUp {
        /// The topic.
        topic: Topic,
        /// How many it named.
        found: usize,
    },
}

/// A node could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is nothing to listen on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The DHT could not be entered.
    #[error(transparent)]
    Dht(#[from] DhtError),
    /// The system gave no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[from] getrandom::Error),
}

impl Node {
    /// Starts a node on the current tokio runtime.
    pub async fn start(config: NodeConfig) -> Result<Self, StartError> {
        let listener = match config.listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let listen = listener.as_ref().map(|(_, address)| *address);
        let announced = Announced::of(&config, listen);
        let sweep = open_sweep(&config, announced.and_then(Announced::now))?;
        let dht = match config.dht {
            Some(dht) => Some(Dht::start(dht).await?),
            None => None,
        };
        let tasks = TaskTracker::new();
        let webrtc = config
            .webrtc
            .map(|config| WebRtc::start(config, tasks.clone()));
        let webrtc = webrtc.transpose()?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        let machine = samara_swarm::Config {
            identity: config.identity,
            features: config.features,
            webrtc: webrtc.is_some(),
            lookup: dht.is_some(),
            announce: dht.is_some() && announced.is_some(),
            generosity: config.generosity,
            rates: config.rates,
            limits: config.limits.clone(),
        };

        let (commands, receiver) = mpsc::unbounded_channel();
        let (events, first_events) = broadcast::channel(EVENTS);
        let node = Self(Arc::new(Inner {
            store: config.store,
            commands,
            events,
            first_events: Mutex::new(Some(first_events)),
            dht,
            sweep: sweep.as_ref().map(Sweep::view),
            listen,
            transfers: AtomicU64::new(1),
            received: Arc::new(AtomicU64::new(0)),
            stop: CancellationToken::new(),
            tasks,
        }));
        let disk = Disk::new(
            node.0.store.clone(),
            node.0.commands.clone(),
            node.0.tasks.clone(),
            Arc::clone(&node.0.received),
            node.0.stop.clone(),
        );
        let stop = node.0.stop.clone();
        let looking = config.status.map(|file| {
            let (store, machine) = (node.0.store.clone(), node.commands());
            (
                file,
                status::Look::new(store, config.ledger.clone(), machine),
            )
        });
        let ledger = config.ledger.map(|ledger| {
            let (tell, told) = mpsc::unbounded_channel();
            node.0.tasks.spawn(ledger::keep(ledger, told, stop.clone()));
            tell
        });
        let around = Around {
            disk,
            ledger,
            dht: node.0.dht.clone().map(|dht| (dht, announced)),
            webrtc,
        };
        let driver = Driver::new(
            Swarm::new(machine, seed),
            around,
            node.0.commands.clone(),
            node.0.events.clone(),
            node.0.tasks.clone(),
        );
        node.0.tasks.spawn(driver.run(receiver, stop.clone()));
        node.run_until_stopped(moved::watch(node.commands()));
        node.hold_all().await;
        if let Some(wants) = config.wants {
            node.remember(wants).await;
        }
        if let Some((file, look)) = looking {
            node.0.tasks.spawn(status::keep(file, look, stop.clone()));
        }
        node.announce_blobs(sweep);
        for address in config.keep {
            node.keep(&address);
        }
        if let Some((listener, _)) = listener {
            let (limits, tasks) = (config.limits, node.0.tasks.clone());
            node.run_until_stopped(websocket::accept(listener, node.commands(), limits, tasks));
        }
        Ok(node)
    }

    fn run_until_stopped(&self, task: impl Future<Output: Send> + Send + 'static) {
        let stop = self.0.stop.clone();
        self.0.tasks.spawn(stop.run_until_cancelled_owned(task));
    }

    /// Where the node accepts WebSockets, with the port that was free.
    pub fn listen_addr(&self) -> Option<SocketAddr> {
        self.0.listen
    }

    /// The DHT, for whoever looks up and announces on others' behalf.
    pub fn dht(&self) -> Option<Dht> {
        self.0.dht.clone()
    }

    /// How the announcing of blobs goes, if it was asked for.
    pub fn sweep(&self) -> Option<SweepStats> {
        self.0.sweep.as_ref().map(SweepView::stats)
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// What happens from now on; the first reader gets what happened since the
    /// start. A reader that is slow misses events.
    pub fn events(&self) -> broadcast::Receiver<NodeEvent> {
        let first = self.0.first_events.lock().map(|mut first| first.take());
        let first = first.unwrap_or_default();
        first.unwrap_or_else(|| self.0.events.subscribe())
    }

    /// Takes in a connection that somebody else accepted. `max_message` is the
    /// longest message it carries, in bytes; `binding` is that of
    /// [`Input::Accepted`].
    pub async fn attach(
        &self,
        path: Path,
        max_message: usize,
        binding: Bytes,
    ) -> Result<Attached, Stopped> {
        attach(&self.0.commands, path, max_message, binding).await
    }

    /// Stays connected to a relay or peer.
    pub fn keep(&self, address: &PeerUrl) {
        let address = address.as_str().to_owned();
        self.tell(Command::Input(Input::Keep { address }));
    }

    /// Says that blobs were put into the store beside the node.
    pub fn hold(&self, blobs: Vec<(BlobId, u32)>) {
        self.tell(Command::Input(Input::Holding(blobs)));
    }

    /// Fetches what is missing of a file into the store, and seeds it.
    pub fn open(&self, target: Target) -> Transfer {
        self.start_transfer(target, None)
    }

    /// Like [`Node::open`], and writes the file.
    pub fn fetch(&self, target: Target, destination: Destination) -> Transfer {
        self.start_transfer(target, Some(destination))
    }

    /// Bytes of blobs that came from other peers and were verified and stored.
    pub fn received_bytes(&self) -> u64 {
        self.0.received.load(Ordering::Relaxed)
    }

    /// Every peer whose handshake is done.
    pub async fn peers(&self) -> Vec<Source> {
        let (reply, answer) = oneshot::channel();
        self.tell(Command::Peers { reply });
        answer.await.unwrap_or_default()
    }

    /// Sends what is queued, closes every connection, and makes durable what is
    /// in the store.
    pub async fn shutdown(self) {
        let store = self.0.store.clone();
        self.leave().await;
        let flushed = tokio::task::spawn_blocking(move || store.flush()).await;
        if let Ok(Err(error)) = flushed {
            tracing::warn!(%error, "the store will check its blobs at the next start");
        }
    }

    /// Like [`Node::shutdown`], without the wait for the disk: a power cut in
    /// the next seconds may take the blobs that came last, and the store's next
    /// open has them to check. For whoever can fetch them again, and has
    /// nothing that needs them: a saved file is durable by itself.
    pub async fn leave(self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        if tokio::time::timeout(STOP, self.0.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("some connections did not close in time");
        }
    }

    fn announce_blobs(&self, sweep: Option<Sweep>) {
        if let Some(sweep) = sweep {
            let stop = self.0.stop.clone();
            let run = stop.run_until_cancelled_owned(sweep.run());
            self.0.tasks.spawn(run);
        }
    }

    async fn hold_all(&self) {
        let store = self.0.store.clone();
        let held = tokio::task::spawn_blocking(move || {
            let len_of = |id| Some((id, u32::try_from(store.len_of(&id)?).ok()?));
            store.ids().into_iter().filter_map(len_of).collect()
        });
        self.hold(held.await.expect("listing a store does not panic"));
    }

    async fn remember(&self, wants: Wants) {
        let from = wants.clone();
        let read = tokio::task::spawn_blocking(move || from.read()).await;
        let known = read.expect("reading does not panic");
        let known = known.unwrap_or_else(|error| {
            tracing::warn!(%error, "wants of others are forgotten");
            Vec::new()
        });
        self.tell(Command::Input(Input::Remember(known.clone())));
        let (machine, stop) = (self.commands(), self.0.stop.clone());
        self.0.tasks.spawn(wants::keep(wants, known, machine, stop));
    }

    fn start_transfer(&self, target: Target, destination: Option<Destination>) -> Transfer {
        let id = TransferId(self.0.transfers.fetch_add(1, Ordering::Relaxed));
        let link = match &target {
            Target::Link(link) | Target::Entry(_, link) => link.clone(),
        };
        let (events, receiver) = mpsc::unbounded_channel();
        self.tell(Command::Open {
            transfer: id,
            target,
            destination,
            events,
        });
        Transfer::new(id, link, self.commands(), receiver)
    }

    fn commands(&self) -> mpsc::UnboundedSender<Command> {
        self.0.commands.clone()
    }

    fn tell(&self, command: Command) {
        // A node that was stopped does nothing more.
        let _ = self.0.commands.send(command);
    }
}

fn open_sweep(config: &NodeConfig, port: Option<u16>) -> Result<Option<Sweep>, DhtError> {
    let wanted = config.sweep.as_ref().zip(config.dht.as_ref()).zip(port);
    let open = wanted.map(|((sweep, dht), port)| {
        let store = config.store.clone();
        Sweep::open(sweep, dht, port, move || store.ids_by_use())
    });
    open.transpose()
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) async fn attach(
    commands: &mpsc::UnboundedSender<Command>,
    path: Path,
    max_message: usize,
    binding: Bytes,
) -> Result<Attached, Stopped> {
    let (reply, answer) = oneshot::channel();
    let attach = Command::Attach {
        path,
        max_message,
        binding,
        reply,
    };
    commands.send(attach).map_err(|_| Stopped)?;
    answer.await.map_err(|_| Stopped)
}
