//! A relay as a process: from its start until it is told to stop.

use std::io::{self, Write as _};

use crate::config::Config;
use crate::log;
use crate::server::{Server, StartError};

/// A relay's process could not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// It could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The system does not say when to stop.
    #[error("the system's signals to stop cannot be received")]
    Signal(#[source] io::Error),
}

/// Runs a relay until the process is interrupted or terminated, then stops it
/// gracefully. Says `listening on http://ADDRESS` on standard output as soon as
/// it is so, and writes its log to standard error.
pub async fn run(config: Config) -> Result<(), RunError> {
    log::start(config.log);
    let told = told_to_stop().map_err(RunError::Signal)?;
    let server = Server::start(config).await?;
    let addr = server.addr();
    // Whoever started it may not read; it serves all the same.
    let _ = writeln!(io::stdout(), "listening on http://{addr}");
    tracing::info!(%addr, version = env!("CARGO_PKG_VERSION"), "relay started");
    told.await;
    tracing::info!("relay stopping");
    server.shutdown().await;
    tracing::info!("relay stopped");
    Ok(())
}

#[cfg(unix)]
fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        // It fails where the system has no such signal: then nothing stops it.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
