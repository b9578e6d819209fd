//! Native nodes beside a relay.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use samara_node::{
    Destination, DhtConfig, Ingested, Node, NodeConfig, Path, Target, Transfer, TransferEvent,
    ingest,
};
use samara_store::{Options, Store};
use tempfile::TempDir;

use super::{PATIENCE, Relay};

/// What the shared file says, over and over.
pub const CONTENT: &[u8] = b"a sentence nobody in between may read. ";
/// The shared file's name.
pub const NAME: &str = "plans-of-the-winter.txt";

/// A node and its folder, which goes when it is dropped.
pub struct Native {
    pub node: Node,
    pub dir: TempDir,
}

impl Native {
    pub async fn start(change: impl FnOnce(&mut NodeConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store"), Options::default()).unwrap();
        let identity = samara_node::identity(&dir.path().join("store")).unwrap();
        let mut config = NodeConfig::new(store, identity);
        change(&mut config);
        let node = Node::start(config).await.unwrap();
        Self { node, dir }
    }

    /// A node connected to the relay.
    pub async fn at(relay: &Relay) -> Self {
        let url = format!("http://{}", relay.addr()).parse().unwrap();
        Self::start(|config| config.keep = vec![url]).await
    }

    /// Ingests a file of some length, and holds its blobs.
    pub fn ingest(&self, len: usize) -> Ingested {
        let path = self.dir.path().join(NAME);
        let content: Vec<u8> = CONTENT.iter().copied().cycle().take(len).collect();
        fs::write(&path, content).unwrap();
        let ingested = ingest(self.node.store(), &path, &|_| ControlFlow::Continue(())).unwrap();
        self.node.hold(ingested.blobs.clone());
        ingested
    }

    /// Ingests a file of some length and seeds it.
    pub fn seed(&self, len: usize) -> (Ingested, Transfer) {
        let ingested = self.ingest(len);
        let entry = Arc::new(ingested.entry.clone());
        let transfer = self.node.open(Target::Entry(entry, ingested.link.clone()));
        (ingested, transfer)
    }

    /// Fetches by the link alone and reads the file.
    pub async fn fetch(&self, ingested: &Ingested) -> Vec<u8> {
        self.fetch_by(ingested).await.0
    }

    /// The same, and how it was connected to whoever had something.
    pub async fn fetch_by(&self, ingested: &Ingested) -> (Vec<u8>, Vec<Path>) {
        let to = self.dir.path().join("out");
        let destination = Destination::File(to);
        let target = Target::Link(ingested.link.clone());
        let mut transfer = self.node.fetch(target, destination);
        let path = until(&mut transfer, |event| match event {
            TransferEvent::Saved(path) => Some::<PathBuf>(path),
            _ => None,
        })
        .await;
        let sources = transfer.progress().await.unwrap().sources;
        let paths = sources.iter().map(|source| source.path).collect();
        (fs::read(path).unwrap(), paths)
    }
}

/// Waits for the event that `of` takes; a failure fails the test.
pub async fn until<T>(
    transfer: &mut Transfer,
    mut of: impl FnMut(TransferEvent) -> Option<T>,
) -> T {
    loop {
        let event = tokio::time::timeout(PATIENCE, transfer.event()).await;
        match event.expect("the transfer goes on").unwrap() {
            TransferEvent::Failed(error) => panic!("{error}"),
            event => {
                if let Some(found) = of(event) {
                    return found;
                }
            }
        }
    }
}

/// Pushes a transfer and waits until the relay has all of it.
pub async fn pushed(transfer: &mut Transfer) {
    until(transfer, |event| {
        matches!(event, TransferEvent::Done).then_some(())
    })
    .await;
    transfer.push(1);
    until(transfer, |event| match event {
        TransferEvent::Pushed { copies, .. } => (copies == 1).then_some(()),
        _ => None,
    })
    .await;
}

impl Relay {
    /// A relay that takes part in a DHT of the test's own.
    pub async fn in_dht(bootstrap: Vec<String>, announce_port: Option<u16>) -> Self {
        Self::with(|config| {
            config.dht = Some(samara_relay::Dht {
                bootstrap: Some(bootstrap),
                announce_port,
                announce_blobs: None,
            });
        })
        .await
    }
}

pub fn dht_config(bootstrap: &[String]) -> DhtConfig {
    DhtConfig {
        bootstrap: Some(bootstrap.to_vec()),
        bind: Some(std::net::Ipv4Addr::LOCALHOST),
        port: Some(0),
    }
}
