//! Who this peer is, the same at every start.

use std::path::{Path, PathBuf};
use std::{fs, io};

use rand_core::UnwrapErr;
use samara_core::PeerSecret;

use crate::replace::{Outlasts, replace};

/// A peer's identity could not be read or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The file cannot be read or written.
    #[error("{path} cannot be read or written; check the folder's permissions", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What others know this peer by is not to be replaced unasked.
    #[error("{path} is damaged; restore it, or remove it to be a new peer to others", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// The secret kept in the store's folder, made if it is missing. Call it after
/// the store is open: the store's lock keeps others away.
pub fn identity(store_dir: &Path) -> Result<PeerSecret, IdentityError> {
    let path = store_dir.join("identity");
    let failed = |source| IdentityError::File {
        path: path.clone(),
        source,
    };
    match fs::read(&path).map(zeroize::Zeroizing::new) {
        Ok(seed) => {
            let seed = seed.as_slice().try_into();
            let seed = seed.map_err(|_| IdentityError::Damaged { path });
            Ok(PeerSecret::from_bytes(seed?))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = PeerSecret::generate(&mut UnwrapErr(getrandom::SysRng));
            let kept = replace(&path, secret.expose(), Outlasts::PowerCut);
            kept.map_err(failed)?;
            Ok(secret)
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_keeps_its_identity() {
        let dir = tempfile::tempdir().unwrap();
        let first = identity(dir.path()).unwrap().peer();
        assert_eq!(identity(dir.path()).unwrap().peer(), first);
        fs::remove_file(dir.path().join("identity")).unwrap();
        assert_ne!(identity(dir.path()).unwrap().peer(), first);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_the_secret() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        identity(dir.path()).unwrap();
        let file = fs::metadata(dir.path().join("identity")).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_identity_is_not_replaced_unasked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity");
        fs::write(&path, [7; 31]).unwrap();
        let error = identity(dir.path()).unwrap_err();
        assert!(matches!(error, IdentityError::Damaged { .. }));
        assert_eq!(fs::read(&path).unwrap(), [7; 31]);
    }
}
