//! The peer's name, the same at every start.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use samara_core::PeerId;

/// A peer's name could not be read or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeerIdError {
    /// The file cannot be read or written.
    #[error("{path} cannot be read or written; check the folder's permissions", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[from] getrandom::Error),
}

/// The name kept in the store's folder; 32 random bytes, made if missing. Call
/// it after the store is open: the store's lock keeps others away.
pub fn peer_id(store_dir: &Path) -> Result<PeerId, PeerIdError> {
    let path = store_dir.join("peer");
    let failed = |source| PeerIdError::File {
        path: path.clone(),
        source,
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed)?;
    let mut text = String::new();
    // Unreadable text is as good as none: the name is worth nothing by itself.
    let read = file.read_to_string(&mut text);
    if read.is_ok()
        && let Ok(peer) = text.trim().parse()
    {
        return Ok(peer);
    }
    let mut bytes = [0; PeerId::LEN];
    getrandom::fill(&mut bytes)?;
    let peer = PeerId::from_bytes(bytes);
    file.set_len(0).map_err(failed)?;
    io::Seek::rewind(&mut file).map_err(failed)?;
    writeln!(file, "{peer}").map_err(failed)?;
    Ok(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_keeps_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let first = peer_id(dir.path()).unwrap();
        assert_eq!(peer_id(dir.path()).unwrap(), first);
        std::fs::write(dir.path().join("peer"), b"\xff half-written").unwrap();
        let second = peer_id(dir.path()).unwrap();
        assert_ne!(second, first);
        assert_eq!(peer_id(dir.path()).unwrap(), second);
    }
}
