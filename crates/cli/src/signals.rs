//! Ctrl-C and its like: the first asks the command to stop, the second ends it.

use std::process::exit;

use tokio::sync::watch;

use crate::exit::Code;

/// Becomes true when the user wants the command to stop. Needs a runtime.
pub fn stop() -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        signal().await;
        let _ = stop.send(true);
        signal().await;
        exit(Code::Stopped.number().into());
    });
    stopped
}

/// Waits until [`stop`] says so.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // The listener is gone, so nothing can ask any more.
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    let _ = tokio::signal::ctrl_c().await;
}
