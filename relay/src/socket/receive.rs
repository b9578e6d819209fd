//! From the socket to rooms and to the node.

use std::time::Duration;

use axum::extract::ws;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use samara_core::Message;
use samara_core::message::Features;
use samara_node::Incoming;
use tokio::time::Interval;

use super::session::Session;
use crate::ending::Ending;
use crate::heard::Heard;
use crate::limits::Limits;
use crate::metrics::Metrics;

/// Waits for the HANDSHAKE, which is left for the node to judge; and what its
/// sender understands.
pub(super) async fn handshake<S>(
    stream: &mut S,
    within: Duration,
) -> Result<(Bytes, Features), Ending>
where
    S: Stream<Item = Result<ws::Message, axum::Error>> + Unpin,
{
    let first = tokio::time::timeout(within, next(stream, &Heard::now())).await;
    let first = first.map_err(|_| Ending::LateHandshake)??;
    match Message::decode(&first) {
        Ok(Message::Handshake(handshake)) => Ok((first, handshake.features)),
        Ok(_) | Err(_) => Err(Ending::NoHandshake),
    }
}

/// Waits for the PROOF, which is left for the node to judge: nobody is in a
/// room before.
async fn proof<S>(
    stream: &mut S,
    incoming: &Incoming,
    limits: &Limits,
    heard: &Heard,
) -> Result<(), Ending>
where
    S: Stream<Item = Result<ws::Message, axum::Error>> + Unpin,
{
    let second = tokio::time::timeout(limits.handshake, next(stream, heard)).await;
    let second = second.map_err(|_| Ending::LateHandshake)??;
    match Message::decode(&second) {
        Ok(Message::Proof(_)) => {
            let sent = incoming.send(second).await;
            sent.map_err(|_stopped| Ending::Stopping)
        }
        Ok(_) | Err(_) => Err(Ending::NoProof),
    }
}

/// Receives until the connection ends.
pub(super) async fn all<S>(
    stream: &mut S,
    session: &mut Session,
    incoming: &Incoming,
    metrics: &Metrics,
    limits: &Limits,
) -> Ending
where
    S: Stream<Item = Result<ws::Message, axum::Error>> + Unpin,
{
    let heard = Heard::now();
    if let Err(ending) = proof(stream, incoming, limits, &heard).await {
        return ending;
    }
    let mut turns = session.ice_turns();
    if turns.is_some() {
        // Before it hears of anybody, with whom it would begin at once.
        session.tell_ice_servers();
    }
    loop {
        let message = tokio::select! {
            () = turn(&mut turns) => {
                session.tell_ice_servers();
                continue;
            }
            message = next(stream, &heard) => message,
            () = heard.until_silent_for(limits.cut_after) => return Ending::Silent,
        };
        let handled = match message {
            Ok(message) => one(message, session, incoming, metrics).await,
            Err(ending) => Err(ending),
        };
        if let Err(ending) = handled {
            return ending;
        }
        // While it has to wait for being read it is not silent.
        heard.touch();
    }
}

async fn turn(turns: &mut Option<Interval>) {
    match turns {
        Some(turns) => {
            turns.tick().await;
        }
        None => std::future::pending().await,
    }
}

async fn one(
    message: Bytes,
    session: &mut Session,
    incoming: &Incoming,
    metrics: &Metrics,
) -> Result<(), Ending> {
    if session.admit(&message)? {
        return session.handle(&message).await;
    }
    metrics.received(&message);
    incoming
        .send(message)
        .await
        .map_err(|_stopped| Ending::Stopping)
}

/// The next whole message of the protocol.
async fn next<S>(stream: &mut S, heard: &Heard) -> Result<Bytes, Ending>
where
    S: Stream<Item = Result<ws::Message, axum::Error>> + Unpin,
{
    while let Some(message) = stream.next().await {
        heard.touch();
        match message {
            Ok(ws::Message::Binary(bytes)) => return Ok(bytes),
            Ok(ws::Message::Text(_)) => return Err(Ending::Text),
            // Answered by the library, the close when the stream is read to its end.
            Ok(ws::Message::Ping(_) | ws::Message::Pong(_) | ws::Message::Close(_)) => {}
            Err(_) => return Err(Ending::Broken),
        }
    }
    Err(Ending::Closed)
}
