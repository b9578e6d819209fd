//! Keeps the machine's ledger through restarts and crashes, in redb.
//!
//! The machine's task hands over what is to be added and goes on; one task
//! writes, everything that came meanwhile in one transaction.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _, Table,
    TableDefinition,
};
use samara_core::PeerId;
use samara_swarm::{LEDGER_PEERS, Traffic};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Bytes sent, bytes received, last seen in seconds since 1970.
type Row = (u64, u64, u64);

const PEERS: TableDefinition<[u8; PeerId::LEN], Row> = TableDefinition::new("peers");

/// A few megabytes of rows, most of them left alone.
const CACHE_BYTES: usize = 1 << 20;

/// Between two transactions: peers come and go faster than a disk syncs.
const PAUSE: Duration = Duration::from_secs(1);

/// What the machine tells.
pub(crate) type Told = Vec<(PeerId, Traffic)>;

/// The ledger beside a store. Clones are the same ledger.
#[derive(Clone, Debug)]
pub struct Ledger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// Identities to remember.
    most: usize,
    /// `None` until something is asked of it, and after a failure: redb
    /// refuses to go on after one, so the next use opens it anew.
    database: Mutex<Option<Database>>,
    /// How often something was added.
    additions: AtomicU64,
}

/// What is known of one identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Account {
    /// Who.
    pub peer: PeerId,
    /// All that was ever exchanged.
    pub traffic: Traffic,
    /// When something was exchanged last, to the second.
    pub last_seen: SystemTime,
}

/// The ledger could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the ledger {path} cannot be read or written; check the disk, or remove it to begin anew", path = path.display())]
pub struct LedgerError {
    /// The file.
    path: PathBuf,
    /// What the database said.
    source: Box<redb::Error>,
}

impl Ledger {
    /// The ledger in a store's folder; there is no file until something is
    /// written. Use it while the store is open: the store's lock keeps others
    /// away.
    pub fn beside(store_dir: &Path) -> Self {
        Self::with_most(store_dir, LEDGER_PEERS)
    }

    fn with_most(store_dir: &Path, most: usize) -> Self {
        Self(Arc::new(Inner {
            path: store_dir.join("ledger.redb"),
            most,
            database: Mutex::new(None),
            additions: AtomicU64::new(0),
        }))
    }

    /// Another number than before if something was added since.
    pub(crate) fn additions(&self) -> u64 {
        self.0.additions.load(Ordering::Relaxed)
    }

    /// All accounts, those with the most bytes first.
    pub fn accounts(&self) -> Result<Vec<Account>, LedgerError> {
        if !self.0.path.exists() {
            return Ok(Vec::new());
        }
        let mut accounts = self.with(read)?;
        let bytes = |account: &Account| {
            let Traffic { sent, received } = account.traffic;
            sent.saturating_add(received)
        };
        accounts.sort_by_key(|account| std::cmp::Reverse(bytes(account)));
        Ok(accounts)
    }

    /// Adds up. Durable when it returns.
    fn add(&self, more: &BTreeMap<PeerId, Traffic>, now: SystemTime) -> Result<(), LedgerError> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.with(|database| {
            let write = database.begin_write()?;
            {
                let mut table = write.open_table(PEERS)?;
                for (peer, more) in more {
                    let (sent, received, _) = table
                        .get(peer.as_bytes())?
                        .map(|row| row.value())
                        .unwrap_or_default();
                    let Traffic { sent, received } = more.plus(Traffic { sent, received });
                    table.insert(peer.as_bytes(), (sent, received, now))?;
                }
                forget_oldest(&mut table, self.0.most)?;
            }
            write.commit()?;
            self.0.additions.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    }

    fn with<T>(
        &self,
        act: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, LedgerError> {
        let mut database = self
            .0
            .database
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let opened = match database.take() {
            Some(opened) => Ok(opened),
            None => open(&self.0.path),
        };
        let result = opened.and_then(|opened| {
            let done = act(&opened)?;
            *database = Some(opened);
            Ok(done)
        });
        result.map_err(|source| LedgerError {
            path: self.0.path.clone(),
            source: Box::new(source),
        })
    }
}

/// Writes what is told until nobody is left to tell anything. At `stop` there
/// is no pause any more.
pub(crate) async fn keep(
    ledger: Ledger,
    mut told: mpsc::UnboundedReceiver<Told>,
    stop: CancellationToken,
) {
    let mut unwritten: BTreeMap<PeerId, Traffic> = BTreeMap::new();
    while let Some(first) = told.recv().await {
        let rest = std::iter::from_fn(|| told.try_recv().ok());
        for (peer, more) in std::iter::once(first).chain(rest).flatten() {
            let known = unwritten.entry(peer).or_default();
            *known = known.plus(more);
        }
        let (to, rows) = (ledger.clone(), unwritten.clone());
        let written = tokio::task::spawn_blocking(move || to.add(&rows, SystemTime::now()));
        match written.await.expect("adding up does not panic") {
            Ok(()) => unwritten.clear(),
            Err(error) => {
                tracing::warn!(%error, "bytes exchanged with peers are not written down");
                if unwritten.len() > LEDGER_PEERS {
                    unwritten.clear();
                }
            }
        }
        stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
    }
}

/// Opens the file. A new one appears under its name only when it is whole:
/// redb does not open what a crash left of one being created.
fn open(path: &Path) -> Result<Database, redb::Error> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    if !path.try_exists()? {
        let new = path.with_extension("new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let database = builder.create(&new)?;
        let write = database.begin_write()?;
        write.open_table(PEERS)?;
        write.commit()?;
        drop(database);
        fs::rename(&new, path)?;
    }
    Ok(builder.open(path)?)
}

fn read(database: &Database) -> Result<Vec<Account>, redb::Error> {
    let table = database.begin_read()?.open_table(PEERS)?;
    let mut accounts = Vec::new();
    for row in table.iter()? {
        let (peer, row) = row?;
        let (sent, received, seen) = row.value();
        // A time that no clock tells is as good as none.
        let last_seen = UNIX_EPOCH.checked_add(Duration::from_secs(seen));
        accounts.push(Account {
            peer: PeerId::from_bytes(peer.value()),
            traffic: Traffic { sent, received },
            last_seen: last_seen.unwrap_or(UNIX_EPOCH),
        });
    }
    Ok(accounts)
}

/// Leaves `most` rows. A sixteenth more goes at once, so that this is rare.
fn forget_oldest(
    table: &mut Table<'_, [u8; PeerId::LEN], Row>,
    most: usize,
) -> Result<(), redb::Error> {
    let len = usize::try_from(table.len()?).unwrap_or(usize::MAX);
    if len <= most {
        return Ok(());
    }
    let mut by_age = Vec::with_capacity(len);
    for row in table.iter()? {
        let (peer, row) = row?;
        by_age.push((row.value().2, peer.value()));
    }
    by_age.sort_unstable();
    for (_, peer) in by_age.iter().take(len - most + most / 16) {
        table.remove(peer)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u8) -> PeerId {
        PeerId::from_bytes([number; 32])
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn one(number: u8, sent: u64, received: u64) -> BTreeMap<PeerId, Traffic> {
        [(peer(number), Traffic { sent, received })].into()
    }

    #[test]
    fn accounts_add_up_and_are_there_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::beside(dir.path());
        assert_eq!(ledger.accounts().unwrap(), []);
        assert!(
            !dir.path().join("ledger.redb").exists(),
            "looking makes nothing"
        );
        ledger.add(&one(1, 5, 0), at(10)).unwrap();
        ledger.add(&one(2, 0, 50), at(11)).unwrap();
        ledger.add(&one(1, 1, 7), at(12)).unwrap();
        drop(ledger);
        let account = |number, sent, received, seconds| Account {
            peer: peer(number),
            traffic: Traffic { sent, received },
            last_seen: at(seconds),
        };
        let accounts = Ledger::beside(dir.path()).accounts().unwrap();
        assert_eq!(accounts, [account(2, 0, 50, 11), account(1, 6, 7, 12)]);
    }

    #[test]
    fn those_not_seen_for_longest_are_forgotten_first() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::with_most(dir.path(), 3);
        for (seconds, number) in [(1, 1), (2, 2), (3, 3), (4, 1), (5, 4)] {
            ledger.add(&one(number, 1, 0), at(seconds)).unwrap();
        }
        let mut known: Vec<_> = ledger.accounts().unwrap().iter().map(|a| a.peer).collect();
        known.sort_unstable();
        assert_eq!(known, [peer(1), peer(3), peer(4)]);
    }

    #[test]
    fn what_a_crash_left_of_a_new_ledger_is_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("ledger.new"), b"half a database").unwrap();
        let ledger = Ledger::beside(dir.path());
        ledger.add(&one(1, 1, 0), at(1)).unwrap();
        assert_eq!(ledger.accounts().unwrap().len(), 1);
    }

    #[test]
    fn a_damaged_ledger_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("ledger.redb"), b"no database").unwrap();
        let error = Ledger::beside(dir.path()).accounts().unwrap_err();
        assert!(error.to_string().contains("remove it"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn all_that_was_told_is_written_before_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::beside(dir.path());
        let (tell, told) = mpsc::unbounded_channel();
        for number in [1, 2, 1] {
            tell.send(one(number, 1, 0).into_iter().collect()).unwrap();
        }
        drop(tell);
        keep(ledger.clone(), told, CancellationToken::new()).await;
        let accounts = ledger.accounts().unwrap();
        assert_eq!(accounts.len(), 2);
        assert_eq!(accounts[0].traffic.sent, 2);
    }
}
