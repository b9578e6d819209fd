//! Taking a port, for a node and for a server around one.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// The port is taken, or the address is not this machine's.
#[derive(Debug, thiserror::Error)]
#[error("{address} cannot be listened on; choose another port, or port 0 for any free one")]
pub struct BindError {
    /// What was asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// Listens, and says where: port 0 takes any free one.
pub async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), BindError> {
    let failed = |source| BindError { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
