//! The machine's questions to the DHT.

use std::time::Duration;

use samara_core::Topic;
use samara_swarm::Input;
use tokio::sync::{broadcast, mpsc};

use super::Command;
use crate::dht::Dht;
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

/// Asks and announces for the machine, each in a task of its own that ends
/// with the node.
pub(super) struct Discovery {
    dht: Option<(Dht, Option<u16>)>,
    commands: mpsc::UnboundedSender<Command>,
    events: broadcast::Sender<NodeEvent>,
    tasks: tokio::task::JoinSet<()>,
}

impl Discovery {
    pub fn new(
        dht: Option<(Dht, Option<u16>)>,
        commands: mpsc::UnboundedSender<Command>,
        events: broadcast::Sender<NodeEvent>,
    ) -> Self {
        let tasks = tokio::task::JoinSet::new();
        Self {
            dht,
            commands,
            events,
            tasks,
        }
    }

    pub fn lookup(&mut self, topic: Topic) {
        self.forget_ended();
        if let Some((dht, _)) = self.dht.clone() {
            let lookup = lookup(dht, topic, self.commands.clone(), self.events.clone());
            self.tasks.spawn(lookup);
        }
    }

    pub fn announce(&mut self, topic: Topic) {
        self.forget_ended();
        if let Some((dht, Some(port))) = self.dht.clone() {
            self.tasks
                .spawn(announce(dht, topic, port, self.events.clone()));
        }
    }

    fn forget_ended(&mut self) {
        while self.tasks.try_join_next().is_some() {}
    }
}

async fn lookup(
    dht: Dht,
    topic: Topic,
    commands: mpsc::UnboundedSender<Command>,
    events: broadcast::Sender<NodeEvent>,
) {
    let mut found = 0;
    let mut answers = dht.lookup(topic).await;
    while let Some(peers) = answers.next().await {
        found += peers.len();
        let addresses = peers.into_iter().map(PeerUrl::of_socket);
        let addresses = addresses.map(|url| url.as_str().to_owned()).collect();
        let found = Input::Found { topic, addresses };
        if commands.send(Command::Input(found)).is_err() {
            return;
        }
    }
    let _ = events.send(NodeEvent::LookedUp { topic, found });
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
