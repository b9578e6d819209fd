//! A node as the arguments say, and what it tells.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU64};
use std::path::Path;

use samara_node::{
    DhtConfig, Generosity, Ledger, Node, NodeConfig, NodeEvent, PeerUrl, Rate, Rates, StatusFile,
    Wants, WebRtcConfig, identity,
};
use samara_store::Store;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::args::{Manners, Network};
use crate::exit::{Code, Failure};
use crate::report::{Event, Report};

/// The relays to meet at: those asked for, else the link's own.
pub fn relays(args: &Network, of_link: Option<PeerUrl>) -> Vec<PeerUrl> {
    if args.relay.is_empty() {
        of_link.into_iter().collect()
    } else {
        args.relay.clone()
    }
}

/// Starts a node. `serve` says that others are to reach it.
pub async fn start(
    args: &Network,
    manners: &Manners,
    relays: &[PeerUrl],
    store: Store,
    dir: &Path,
    serve: bool,
) -> Result<(Node, Contacts), Failure> {
    let mut config = NodeConfig::new(store, identity(dir)?);
    config.ledger = Some(Ledger::beside(dir));
    config.wants = Some(Wants::beside(dir));
    config.status = Some(StatusFile::beside(dir));
    config.generosity = Generosity {
        sympathy: manners.sympathy,
        stingy: manners.stingy,
    };
    config.limits.channels = args.channels;
    config.rates = Rates {
        upload: manners.upload_limit.map(rate),
        download: manners.download_limit.map(rate),
    };
    config.keep = relays.iter().chain(&args.peer).cloned().collect();
    config.dht = (!args.no_dht).then(|| DhtConfig {
        bootstrap: (!args.bootstrap.is_empty()).then(|| args.bootstrap.clone()),
        ..DhtConfig::default()
    });
    config.webrtc = (!args.no_webrtc).then(|| WebRtcConfig {
        ice_servers: args.ice_server.clone(),
        port: args.udp_port.map(NonZeroU16::get),
        ports: args.udp_ports,
        ..WebRtcConfig::default()
    });
    // Behind a relay alone nobody would knock.
    let knocked = config.dht.is_some() || config.keep.is_empty();
    let anywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    config.listen = args.listen.or((serve && knocked).then_some(anywhere));
    let contacts = Contacts {
        kept: config
            .keep
            .iter()
            .map(|url| (url.clone(), Kept::Trying))
            .collect(),
        others: config.dht.is_some() || config.listen.is_some(),
        events: None,
    };
    let node = Node::start(config).await?;
    let events = Some(node.events());
    Ok((node, Contacts { events, ..contacts }))
}

/// A second's worth may pass at once, and always a blob.
fn rate(bytes_per_second: NonZeroU64) -> Rate {
    let burst = bytes_per_second.get().max(1 << 20);
    Rate {
        bytes_per_second,
        burst,
    }
}

/// How the addresses that the user named are doing.
#[derive(Debug)]
pub struct Contacts {
    kept: BTreeMap<PeerUrl, Kept>,
    /// Whether there is another way to meet.
    others: bool,
    events: Option<broadcast::Receiver<NodeEvent>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Kept {
    Trying,
    Connected,
    /// Never was connected.
    Failed(String),
    /// Was connected, and could not be reached so many times since.
    Lost(String, u32),
}

/// Dials without success after which an address that worked counts as dead:
/// about a minute.
const LOST_FOR_GOOD: u32 = 6;

impl Contacts {
    /// The next thing that happened to the node, already reported.
    pub async fn report_next(&mut self, report: &Report) {
        let event = match &mut self.events {
            Some(events) => events.recv().await,
            None => std::future::pending().await,
        };
        match event {
            Ok(event) => self.on_event(event, report),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => self.events = None,
        }
    }

    fn on_event(&mut self, event: NodeEvent, report: &Report) {
        let event = match event {
            NodeEvent::Kept { address, problem } => {
                let problem = problem.map(|problem| problem.text);
                if !self.on_kept(&address, problem.clone()) {
                    return;
                }
                Event::Connection { address, problem }
            }
            NodeEvent::Misbehaved { peer, what } => Event::Misbehaved {
                peer: peer.map(|peer| peer.to_string()),
                what,
            },
            NodeEvent::Announced { .. } => Event::Announced { problem: None },
            NodeEvent::Unannounced { problem, .. } => Event::Announced {
                problem: Some(problem),
            },
            NodeEvent::LookedUp { found, .. } => Event::LookedUp { found },
            _ => return,
        };
        report.event(&event);
    }

    /// True if this is news.
    fn on_kept(&mut self, address: &str, problem: Option<String>) -> bool {
        let mut all = self.kept.iter_mut();
        let Some((_, kept)) = all.find(|(url, _)| url.as_str() == address) else {
            return true;
        };
        let now = match (problem, &*kept) {
            (None, _) => Kept::Connected,
            (Some(problem), Kept::Trying | Kept::Failed(_)) => Kept::Failed(problem),
            (Some(problem), Kept::Connected) => Kept::Lost(problem, 0),
            (Some(problem), Kept::Lost(_, times)) => Kept::Lost(problem, times + 1),
        };
        let before = std::mem::replace(kept, now);
        match (before, &*kept) {
            (Kept::Lost(before, _), Kept::Lost(now, _)) => before != *now,
            (before, now) => before != *now,
        }
    }

    /// Why nobody can be reached, once everything was tried and there is no
    /// other way to meet.
    pub fn hopeless(&self) -> Option<Failure> {
        if self.others {
            return None;
        }
        if self.kept.is_empty() {
            let message = "there is no way to reach anybody: name a --relay or --peer, or allow \
                           the DHT";
            return Some(Failure::new(Code::Usage, message));
        }
        let mut problems = Vec::new();
        for (url, kept) in &self.kept {
            match kept {
                Kept::Trying | Kept::Connected => return None,
                Kept::Lost(_, times) if *times < LOST_FOR_GOOD => return None,
                Kept::Failed(problem) | Kept::Lost(problem, _) => {
                    problems.push(format!("{url}: {problem}"));
                }
            }
        }
        let message = format!(
            "nobody could be reached, check the address and that it runs: {}",
            problems.join("; ")
        );
        Some(Failure::new(Code::Unreachable, message))
    }
}
