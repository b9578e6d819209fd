//! `samara status`: what the store holds, what is wanted for others, and what
//! was exchanged with whom.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use indicatif::HumanBytes;
use samara_node::{Account, Ledger, Wants};
use samara_store::Stats;

use crate::exit::{Code, Failure};
use crate::store;

/// Peers that are shown, those with the most bytes.
const SHOWN: usize = 10;

/// Prints figures on standard output.
pub fn run(json: bool, asked: Option<PathBuf>) -> Result<(), Failure> {
    let dir = store::folder(asked)?;
    // Looking must not make anything.
    let (stats, wants, accounts) = if dir.exists() {
        let (store, dir) = store::open(Some(dir.clone()), None)?;
        let wants = Wants::beside(&dir).read().map_err(|error| {
            let text = format!("the wants in {} cannot be read: {error}", dir.display());
            Failure::new(Code::Other, text)
        })?;
        let accounts = Ledger::beside(&dir).accounts()?;
        (store.stats(), wants.len(), accounts)
    } else {
        (Stats::default(), 0, Vec::new())
    };
    let text = if json {
        as_json(&dir, stats, wants, &accounts)
    } else {
        as_lines(&dir, stats, wants, &accounts)
    };
    crate::output::print(&text).map_err(|error| {
        Failure::new(
            Code::Other,
            format!("the output cannot be written: {error}"),
        )
    })
}

fn as_json(dir: &Path, stats: Stats, wants: usize, accounts: &[Account]) -> String {
    let top = accounts.iter().take(SHOWN).map(|account| {
        let seen = account.last_seen.duration_since(UNIX_EPOCH);
        serde_json::json!({
            "peer": account.peer.to_string(),
            "sentBytes": account.traffic.sent,
            "receivedBytes": account.traffic.received,
            "lastSeen": seen.unwrap_or_default().as_secs(),
        })
    });
    let figures = serde_json::json!({
        "store": dir,
        "blobs": stats.blobs,
        "bytes": stats.bytes,
        "pinnedBlobs": stats.pinned_blobs,
        "pinnedBytes": stats.pinned_bytes,
        "wantedBlobs": wants,
        "knownPeers": accounts.len(),
        "topPeers": top.collect::<Vec<_>>(),
    });
    format!("{figures}\n")
}

fn as_lines(dir: &Path, stats: Stats, wants: usize, accounts: &[Account]) -> String {
    let mut text = format!(
        "store   {}\nblobs   {}, {}\npinned  {}, {}\nwanted  {wants} for others\npeers   {} known\n",
        dir.display(),
        stats.blobs,
        HumanBytes(stats.bytes),
        stats.pinned_blobs,
        HumanBytes(stats.pinned_bytes),
        accounts.len(),
    );
    for account in accounts.iter().take(SHOWN) {
        let (sent, received) = (account.traffic.sent, account.traffic.received);
        let (sent, received) = (HumanBytes(sent), HumanBytes(received));
        let peer = account.peer;
        writeln!(text, "        {peer}  sent {sent}, received {received}")
            .expect("a text takes what is written to it");
    }
    text
}
