//! Accepts connections and speaks HTTP on them, within time and number.
//!
//! axum's own server waits for ever for a request that never comes; each such
//! connection would hold a file descriptor.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::limits::Limits;

/// After an accept that failed, most likely for want of file descriptors.
const RETRY: Duration = Duration::from_millis(100);

/// Serves until `stop`, then lets requests that are under way be answered.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(limits.http_connections));
    let tasks = TaskTracker::new();
    let accept = async {
        loop {
            let place = Arc::clone(&places).acquire_owned().await;
            let (stream, from) = accept(&listener).await;
            let connection = connection(stream, from, router.clone(), &limits, stop.clone());
            tasks.spawn(async move {
                connection.await;
                drop(place);
            });
        }
    };
    let never: Option<Infallible> = stop.run_until_cancelled(accept).await;
    debug_assert!(never.is_none(), "only the order to stop ends accepting");
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The other end changed its mind; that is no trouble of ours.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Answers requests until the other end has no more, one becomes a WebSocket,
/// or the time is over.
fn connection(
    stream: TcpStream,
    from: SocketAddr,
    router: Router,
    limits: &Limits,
    stop: CancellationToken,
) -> impl Future<Output = ()> + use<> {
    // Without it, small messages only may wait for large ones.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(router.clone(), from, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.http_request)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let whole = limits.http_connection;
    async move {
        tokio::pin!(connection);
        let serve = async {
            tokio::select! {
                served = connection.as_mut() => return served,
                () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
            }
            connection.await
        };
        // How it ends is the other end's business: nothing is lost here.
        let _ = tokio::time::timeout(whole, serve).await;
    }
}

async fn answer(
    router: Router,
    from: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    request.extensions_mut().insert(ConnectInfo(from));
    router.oneshot(request).await
}
