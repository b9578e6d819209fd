//! Says again how the node is doing when that has changed.

use std::time::Duration;

use samara_store::Store;
use samara_swarm::Source;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{ConnectedPeer, Live, Said, Status, StatusFile};
use crate::driver::Command;
use crate::ledger::{Account, Ledger};
use crate::written::Written;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Connected peers that are named: a relay has ten thousand.
const NAMED: usize = 64;

/// Where it is seen how a node is doing.
pub(crate) struct Look {
    store: Store,
    ledger: Option<Ledger>,
    machine: mpsc::UnboundedSender<Command>,
    /// As of so many additions to the ledger.
    accounts: Option<(u64, Vec<Account>)>,
}

impl Look {
    pub fn new(
        store: Store,
        ledger: Option<Ledger>,
        machine: mpsc::UnboundedSender<Command>,
    ) -> Self {
        Self {
            store,
            ledger,
            machine,
            accounts: None,
        }
    }

    /// `None` when the machine is gone.
    async fn look(&mut self) -> Option<(Status, Live)> {
        self.read_ledger().await;
        let (reply, answer) = oneshot::channel();
        self.machine.send(Command::Standing { reply }).ok()?;
        let (sources, wanted) = answer.await.ok()?;
        let accounts = self.accounts.as_ref();
        let accounts = accounts.map_or(&[][..], |(_, accounts)| accounts);
        let status = Status::new(self.store.stats(), wanted, accounts);
        Some((status, Live::new(sources)))
    }

    /// Reads the ledger if something was added since it was read.
    async fn read_ledger(&mut self) {
        let Some(ledger) = self.ledger.clone() else {
            return;
        };
        let additions = ledger.additions();
        if self
            .accounts
            .as_ref()
            .is_some_and(|(at, _)| *at == additions)
        {
            return;
        }
        let read = tokio::task::spawn_blocking(move || ledger.accounts()).await;
        match read.expect("reading does not panic") {
            Ok(accounts) => self.accounts = Some((additions, accounts)),
            // Whoever writes the ledger says so in the log.
            Err(error) => tracing::debug!(%error, "the status leaves out the ledger"),
        }
    }
}

impl Live {
    /// Names those that give or take the most.
    pub(super) fn new(mut sources: Vec<Source>) -> Self {
        let connected_peers = sources.len();
        sources.sort_by_key(|source| {
            let exchanged = source.bytes.saturating_add(source.sent);
            (std::cmp::Reverse((source.rate, exchanged)), source.peer)
        });
        Self {
            connected_peers,
            peers: sources
                .iter()
                .take(NAMED)
                .map(ConnectedPeer::from)
                .collect(),
        }
    }
}

/// Keeps the file until `stop`, and takes it away.
pub(crate) async fn keep(file: StatusFile, mut look: Look, stop: CancellationToken) {
    let mut written = Written::new("how this node is doing is", None);
    while let Some(seen) = look.look().await {
        let to = file.clone();
        let write = move |(status, live): &(Status, Live)| {
            to.write(&Said::now(status.clone(), live.clone()))
        };
        written.update(seen, write).await;
        let slept = stop.run_until_cancelled(tokio::time::sleep(EVERY));
        if slept.await.is_none() {
            break;
        }
    }
    let removed = tokio::task::spawn_blocking(move || file.remove()).await;
    removed.expect("removing does not panic");
}
