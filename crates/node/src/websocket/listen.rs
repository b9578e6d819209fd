//! Accepts WebSockets on a node's own port.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use samara_core::message::MAX_MESSAGE_LEN;
use samara_swarm::{Limits, Path};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_tungstenite::tungstenite::handshake::server::{
    Callback, ErrorResponse, Request, Response,
};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_util::task::TaskTracker;

use super::{carry, config};
use crate::doubt::Doubted;
use crate::driver::Command;
use crate::node::attach;

/// Path of the endpoint, on every node and relay.
const ENDPOINT: &str = "/ws";

/// After an accept that failed, most likely for want of file descriptors.
const RETRY: Duration = Duration::from_millis(100);

/// Accepts for ever. Sockets beyond the limit wait in the system's queue.
pub(crate) async fn accept(
    listener: TcpListener,
    commands: mpsc::UnboundedSender<Command>,
    limits: Limits,
    tasks: TaskTracker,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let handshake = Duration::from_millis(limits.handshake.0);
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let commands = commands.clone();
                tasks.spawn(async move {
                    serve(stream, commands, handshake).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, commands: mpsc::UnboundedSender<Command>, handshake: Duration) {
    // Small messages must not wait for large ones; without it they only may.
    let _ = stream.set_nodelay(true);
    let accepted =
        tokio_tungstenite::accept_hdr_async_with_config(stream, AtEndpoint, Some(config()));
    let socket = match tokio::time::timeout(handshake, accepted).await {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) => {
            tracing::debug!(%error, "somebody connected and spoke no WebSocket");
            return;
        }
        Err(_) => {
            tracing::debug!("somebody connected and said nothing");
            return;
        }
    };
    if let Ok(attached) = attach(&commands, Path::WebSocket, MAX_MESSAGE_LEN, Bytes::new()).await {
        carry(socket, attached, Doubted::never()).await;
    }
}

/// Lets a handshake pass if it asks for the endpoint.
struct AtEndpoint;

impl Callback for AtEndpoint {
    fn on_request(self, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
        if request.uri().path() == ENDPOINT {
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(Some(format!("peers meet at {ENDPOINT}\n")));
        *refusal.status_mut() = StatusCode::NOT_FOUND;
        Err(refusal)
    }
}
