//! How a node is doing, said in a file beside the store: whoever else wants to
//! know cannot open the store meanwhile.
//!
//! Nothing in the file names a file, a link, a key or a blob.

mod keep;
mod text;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fs, io};

use samara_core::PeerId;
use samara_store::Stats;
use samara_swarm::{Pair, Path as Connected, Source};
use serde::{Deserialize, Serialize};

use crate::ledger::Account;
use crate::replace::{Outlasts, replace};
pub(crate) use keep::{Look, keep};

/// Known peers that are named, those with the most bytes.
const TOP: usize = 10;

/// What a store holds and remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Blobs held.
    pub blobs: u64,
    /// Their length in bytes.
    pub bytes: u64,
    /// Blobs held and pinned.
    pub pinned_blobs: u64,
    /// Their length in bytes.
    pub pinned_bytes: u64,
    /// Blobs wanted for others.
    pub wanted_blobs: usize,
    /// Peers in the ledger.
    pub known_peers: usize,
    /// Those with the most bytes, most first.
    pub top_peers: Vec<KnownPeer>,
}

/// What the ledger says of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownPeer {
    /// Who.
    #[serde(with = "text")]
    pub peer: PeerId,
    /// Bytes of blobs ever given to it.
    pub sent_bytes: u64,
    /// Bytes of blobs it ever gave.
    pub received_bytes: u64,
    /// When something was exchanged last, in seconds since 1970.
    pub last_seen: u64,
}

/// With whom a node is connected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Live {
    /// Peers connected.
    pub connected_peers: usize,
    /// The busiest of them, at most 64.
    pub peers: Vec<ConnectedPeer>,
}

/// A peer that a node is connected with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectedPeer {
    /// Who.
    #[serde(with = "text")]
    pub peer: PeerId,
    /// How it is connected.
    #[serde(with = "Way")]
    pub path: Connected,
    /// What its data channel goes through, once known.
    #[serde(default, with = "between", skip_serializing_if = "Option::is_none")]
    pub pair: Option<Pair>,
    /// Why not directly, in words, where it is by a circuit or a TURN server
    /// and the reason is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detour: Option<String>,
    /// Verified bytes it gave since it is connected.
    pub bytes: u64,
    /// Bytes a second while it is asked for something, else 0.
    pub bytes_per_second: u64,
    /// Bytes of blobs given to it since it is connected.
    pub sent_bytes: u64,
    /// From a request to its answer's first bytes, once measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_ms: Option<u64>,
}

/// A [`Connected`] in the file.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Connected", rename_all = "lowercase")]
enum Way {
    WebRtc,
    WebSocket,
    Circuit,
}

/// A [`Pair`] in the file.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Pair", rename_all = "lowercase")]
enum Between {
    Direct,
    Turn,
}

/// A [`Pair`] that may not be known yet.
mod between {
    use samara_swarm::Pair;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Known(#[serde(with = "super::Between")] Pair);

    #[allow(
        clippy::ref_option,
        clippy::trivially_copy_pass_by_ref,
        reason = "serde gives a field so"
    )]
    pub fn serialize<S: Serializer>(pair: &Option<Pair>, to: S) -> Result<S::Ok, S::Error> {
        pair.map(Known).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Pair>, D::Error> {
        let known = Option::<Known>::deserialize(from)?;
        Ok(known.map(|Known(pair)| pair))
    }
}

/// What a process said of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Said {
    /// The process's id.
    pub process: u32,
    /// When, in milliseconds since 1970.
    at: u64,
    /// What its store holds and remembers.
    #[serde(flatten)]
    pub status: Status,
    /// With whom it is connected.
    #[serde(flatten)]
    pub live: Live,
}

/// The file in a store's folder.
#[derive(Clone, Debug)]
pub struct StatusFile(PathBuf);

/// What a process says of itself cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatusError {
    /// The file cannot be read.
    #[error("{path} cannot be read; check the folder's permissions", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something else stands in the file.
    #[error(
        "{path} is damaged, or of another version; the process that has the store open writes \
         it anew within seconds of a change",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

impl Status {
    /// Adds up what is known. `accounts` begin with those with the most bytes.
    pub fn new(stats: Stats, wanted_blobs: usize, accounts: &[Account]) -> Self {
        Self {
            blobs: stats.blobs,
            bytes: stats.bytes,
            pinned_blobs: stats.pinned_blobs,
            pinned_bytes: stats.pinned_bytes,
            wanted_blobs,
            known_peers: accounts.len(),
            top_peers: accounts.iter().take(TOP).map(KnownPeer::from).collect(),
        }
    }
}

impl From<&Account> for KnownPeer {
    fn from(account: &Account) -> Self {
        let last_seen = account.last_seen.duration_since(UNIX_EPOCH);
        Self {
            peer: account.peer,
            sent_bytes: account.traffic.sent,
            received_bytes: account.traffic.received,
            last_seen: last_seen.unwrap_or_default().as_secs(),
        }
    }
}

impl From<&Source> for ConnectedPeer {
    fn from(source: &Source) -> Self {
        Self {
            peer: source.peer,
            path: source.path,
            pair: source.pair,
            detour: source.detour.map(|detour| detour.to_string()),
            bytes: source.bytes,
            bytes_per_second: source.rate,
            sent_bytes: source.sent,
            round_trip_ms: source.round_trip.map(|round_trip| round_trip.0),
        }
    }
}

impl Said {
    fn now(status: Status, live: Live) -> Self {
        Self {
            process: std::process::id(),
            at: millis(SystemTime::now()),
            status,
            live,
        }
    }

    /// How long ago. Nothing changed since, unless the process hangs.
    pub fn age(&self) -> Duration {
        Duration::from_millis(millis(SystemTime::now()).saturating_sub(self.at))
    }
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl StatusFile {
    /// The file of a store's folder. It is there while a node runs.
    pub fn beside(store_dir: &Path) -> Self {
        Self(samara_store::status_in(store_dir))
    }

    /// What the process that has the store open says; `None` if it says
    /// nothing. Whether there is such a process is for the store's lock to say.
    pub fn read(&self) -> Result<Option<Said>, StatusError> {
        let path = || self.0.clone();
        match fs::read(&self.0) {
            Ok(bytes) => {
                let said = serde_json::from_slice(&bytes);
                said.map(Some).map_err(|source| StatusError::Damaged {
                    path: path(),
                    source,
                })
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StatusError::Unreadable {
                path: path(),
                source,
            }),
        }
    }

    /// Replaces the file. If that fails there is none: an old one would say
    /// what is true no more.
    fn write(&self, said: &Said) -> io::Result<()> {
        let text = serde_json::to_vec(said)?;
        replace(&self.0, &text, Outlasts::Process).inspect_err(|_| self.remove())
    }

    /// There is nothing more to say.
    fn remove(&self) {
        // What stays goes at the store's next open.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests;
