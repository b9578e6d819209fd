//! The machine's questions to the DHT.

use std::time::Duration;

use samara_core::{BlobId, Topic};
use samara_swarm::Input;
use tokio::sync::{broadcast, mpsc};

use super::Command;
use crate::announced::Announced;
use crate::dht::{Dht, Lookup};
use crate::node::NodeEvent;
use crate::url::PeerUrl;

/// Waits before an announcement that failed is tried again. The machine's own
/// next turn comes when the DHT would forget.
const RETRY: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_mins(1),
];

/// Why nothing is announced.
const BEHIND_A_ROUTER: &str = "this machine has no address on the internet; listen on a port that \
                               its router leads here";

/// Asks and announces for the machine, each in a task of its own that ends
/// with the node.
pub(super) struct Discovery {
    dht: Option<(Dht, Option<Announced>)>,
    commands: mpsc::UnboundedSender<Command>,
    events: broadcast::Sender<NodeEvent>,
    /// The user was told that nobody could reach the port.
    said: bool,
    tasks: tokio::task::JoinSet<()>,
}

impl Discovery {
    pub fn new(
        dht: Option<(Dht, Option<Announced>)>,
        commands: mpsc::UnboundedSender<Command>,
        events: broadcast::Sender<NodeEvent>,
    ) -> Self {
        let tasks = tokio::task::JoinSet::new();
        Self {
            dht,
            commands,
            events,
            said: false,
            tasks,
        }
    }

    pub fn lookup(&mut self, topic: Topic) {
        self.forget_ended();
        if let Some((dht, _)) = self.dht.clone() {
            let (commands, events) = (self.commands.clone(), self.events.clone());
            self.tasks.spawn(async move {
                let answers = dht.lookup(topic).await;
                if let Some(found) = tell(answers, topic, &commands).await {
                    let _ = events.send(NodeEvent::LookedUp { topic, found });
                }
            });
        }
    }

    /// Looks up who announced a blob that the topic's transfer misses.
    pub fn lookup_blob(&mut self, topic: Topic, blob: &BlobId) {
        self.forget_ended();
        if let Some((dht, _)) = self.dht.clone() {
            let (commands, blob) = (self.commands.clone(), *blob);
            self.tasks.spawn(async move {
                let answers = dht.lookup_blob(&blob).await;
                tell(answers, topic, &commands).await;
            });
        }
    }

    pub fn announce(&mut self, topic: Topic) {
        self.forget_ended();
        let Some((dht, Some(announced))) = self.dht.clone() else {
            return;
        };
        match announced.now() {
            Some(port) => {
                let events = self.events.clone();
                self.tasks.spawn(announce(dht, topic, port, events));
            }
            None if !self.said => {
                self.said = true;
                let problem = BEHIND_A_ROUTER.into();
                // Nobody needs to listen.
                let _ = self.events.send(NodeEvent::Unannounced { topic, problem });
            }
            None => {}
        }
    }

    fn forget_ended(&mut self) {
        while self.tasks.try_join_next().is_some() {}
    }
}

/// Gives the machine what is found; how much that was, unless it is gone.
async fn tell(
    mut answers: Lookup,
    topic: Topic,
    commands: &mpsc::UnboundedSender<Command>,
) -> Option<usize> {
    let mut found = 0;
    while let Some(peers) = answers.next().await {
        found += peers.len();
        let addresses = peers.into_iter().map(PeerUrl::of_socket);
        let addresses = addresses.map(|url| url.as_str().to_owned()).collect();
        let found = Input::Found { topic, addresses };
        commands.send(Command::Input(found)).ok()?;
    }
    Some(found)
}

async fn announce(dht: Dht, topic: Topic, port: u16, events: broadcast::Sender<NodeEvent>) {
    for wait in RETRY.into_iter().map(Some).chain([None]) {
        let event = match dht.announce(topic, port).await {
            Ok(()) => NodeEvent::Announced { topic },
            Err(error) => {
                let problem = error.to_string();
                NodeEvent::Unannounced { topic, problem }
            }
        };
        let announced = matches!(event, NodeEvent::Announced { .. });
        let _ = events.send(event);
        let (false, Some(wait)) = (announced, wait) else {
            return;
        };
        tokio::time::sleep(wait).await;
    }
}
