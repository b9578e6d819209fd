//! One WebSocket: one binary message is one message of the protocol.
//!
//! Messages about rooms are handled here, all others go to the node. A
//! connection costs the node nothing before it has sent its HANDSHAKE, and is
//! in no room before its PROOF.

mod receive;
mod send;
mod session;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{SplitSink, SplitStream};
use samara_core::message::MAX_MESSAGE_LEN;
use samara_node::{Attached, Path};

use crate::ending::Ending;
use crate::host::host;
use crate::rooms::Mailbox;
pub(crate) use send::{FAREWELL, FLUSH};

use crate::server::{NoPlace, Place, Shared};
use send::Queues;
use session::Session;

/// The longest message read at all. One beyond the protocol's limit still gets
/// to the node, which says so to the peer.
const LONGEST: usize = 2 * MAX_MESSAGE_LEN;

/// How long a peer has to answer a close.
const CLOSE: Duration = Duration::from_secs(2);

/// `GET /ws`.
pub(crate) async fn accept(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let place = match shared.place(host(from.ip(), &headers)) {
        Ok(place) => place,
        Err(NoPlace::Full) => {
            let text = "this relay has as many connections as it may; try another or come later\n";
            return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
        }
        Err(NoPlace::Host) => {
            let text = "this relay has as many connections from your address as it may; close some, \
                        or try another relay\n";
            return (StatusCode::TOO_MANY_REQUESTS, text).into_response();
        }
    };
    upgrade
        .max_message_size(LONGEST)
        .max_frame_size(LONGEST)
        .on_upgrade(move |socket| {
            let tracked = shared.sockets.clone();
            tracked.track_future(serve(shared, place, socket, from))
        })
}

/// Carries messages until either side ends the connection.
async fn serve(shared: Arc<Shared>, place: Place, socket: WebSocket, from: SocketAddr) {
    let connection = place.number;
    if shared.log_addresses {
        tracing::info!(connection, %from, "connection opened");
    } else {
        tracing::info!(connection, "connection opened");
    }
    let (mut sink, mut stream) = socket.split();
    let ending = carry(&shared, &place, &mut sink, &mut stream).await;
    if ending.is_a_cut() {
        shared.metrics.connections_cut.increment(1);
        tracing::warn!(connection, reason = %ending, "connection cut");
    } else {
        tracing::info!(connection, reason = %ending, "connection closed");
    }
    send::farewell(&mut sink, ending).await;
    if ending.close().is_some() {
        // Closing a socket with unread bytes in it resets the connection, and
        // the peer would lose the reason.
        let unread = async { while let Some(Ok(_)) = stream.next().await {} };
        let _ = tokio::time::timeout(CLOSE, unread).await;
    }
}

async fn carry(
    shared: &Arc<Shared>,
    place: &Place,
    sink: &mut SplitSink<WebSocket, axum::extract::ws::Message>,
    stream: &mut SplitStream<WebSocket>,
) -> Ending {
    let stop = shared.stop.clone();
    let limits = &shared.limits;
    let first = tokio::select! {
        first = receive::handshake(stream, limits.handshake) => first,
        () = stop.cancelled() => Err(Ending::Stopping),
    };
    let (first, features) = match first {
        Ok(first) => first,
        Err(ending) => return ending,
    };
    let attached = shared
        .node
        .attach(Path::WebSocket, MAX_MESSAGE_LEN, Bytes::new())
        .await;
    let Ok(Attached { incoming, outgoing }) = attached else {
        return Ending::Stopping;
    };
    if incoming.send(first).await.is_err() {
        return Ending::Stopping;
    }

    let (mailbox, letters) = Mailbox::new(limits);
    let overrun = letters.overrun();
    let queues = Queues::new(outgoing, letters, limits);
    let mut session = Session::new(Arc::clone(shared), place, mailbox, features);
    let metrics = &shared.metrics;
    let ending = tokio::select! {
        ending = receive::all(stream, &mut session, &incoming, metrics, limits) => ending,
        ending = send::all(sink, queues, metrics) => ending,
        () = overrun.cancelled() => Ending::Slow,
        () = stop.cancelled() => Ending::Stopping,
    };
    drop(session);
    incoming.close(ending.to_string()).await;
    ending
}
