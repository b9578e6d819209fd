//! Messages on an open channel: one binary message is one message of the
//! protocol.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelMessage};
use webrtc::error::Error;

use crate::connection::{Incoming, Outgoing};

/// How long the other side has to take what is queued when the connection is
/// to be closed, and to answer the close.
const FAREWELL: Duration = Duration::from_secs(2);

/// Messages that come before the channel is known to be open. The other side
/// says one thing and waits for an answer.
const MOST_EARLY: usize = 4;

/// What came before the channel was known to be open.
pub(super) type Early = Vec<RTCDataChannelMessage>;

/// Waits until the channel is open. The crate may tell so after the first
/// messages.
pub(super) async fn opened(channel: &dyn DataChannel) -> Result<Early, String> {
    let mut early = Early::new();
    while let Some(event) = channel.poll().await {
        match event {
            DataChannelEvent::OnOpen => return Ok(early),
            DataChannelEvent::OnMessage(message) if early.len() < MOST_EARLY => early.push(message),
            DataChannelEvent::OnClose => break,
            _ => {}
        }
    }
    Err("no direct connection to the peer came about".to_owned())
}

/// Carries messages until either side ends the connection; why it ended.
pub(super) async fn carry(
    channel: &dyn DataChannel,
    early: Early,
    incoming: &Incoming,
    outgoing: Outgoing,
) -> String {
    let drained = Notify::new();
    let closing = outgoing.closing();
    let overdue = async {
        closing.await;
        tokio::time::sleep(FAREWELL).await;
        "it did not take what was sent before the close".to_owned()
    };
    tokio::select! {
        reason = receive(channel, early, incoming, &drained) => reason,
        reason = send(channel, outgoing, &drained) => reason,
        reason = overdue => reason,
    }
}

async fn receive(
    channel: &dyn DataChannel,
    early: Early,
    incoming: &Incoming,
    drained: &Notify,
) -> String {
    for message in early {
        if let Err(reason) = take(message, incoming).await {
            return reason;
        }
    }
    while let Some(event) = channel.poll().await {
        match event {
            DataChannelEvent::OnMessage(message) => {
                if let Err(reason) = take(message, incoming).await {
                    return reason;
                }
            }
            DataChannelEvent::OnBufferedAmountLow => drained.notify_one(),
            DataChannelEvent::OnClose => break,
            _ => {}
        }
    }
    "it closed the connection".to_owned()
}

async fn take(message: RTCDataChannelMessage, incoming: &Incoming) -> Result<(), String> {
    if message.is_string {
        let reason = "it sent text where the protocol has bytes: it is not a samara peer";
        return Err(reason.to_owned());
    }
    let taken = incoming.send(message.data.freeze()).await;
    taken.map_err(|_| "the node was stopped".to_owned())
}

async fn send(channel: &dyn DataChannel, outgoing: Outgoing, drained: &Notify) -> String {
    match send_all(channel, outgoing, drained).await {
        // The other end closes its own, which ends the channel.
        Ok(()) => std::future::pending().await,
        Err(error) => format!("the connection broke: {error}"),
    }
}

/// Sends until the node wants the connection closed, and says so to the peer
/// once it has everything: a close overtakes what is buffered.
async fn send_all(
    channel: &dyn DataChannel,
    mut outgoing: Outgoing,
    drained: &Notify,
) -> Result<(), Error> {
    while let Some(message) = outgoing.recv().await {
        let bytes = message.len();
        channel.send(owned(message)).await?;
        outgoing.drained(bytes);
    }
    while channel.outstanding_bytes().await? > 0 {
        drained.notified().await;
    }
    channel.close().await
}

/// Without a copy if nobody else holds the message.
fn owned(message: Bytes) -> BytesMut {
    message
        .try_into_mut()
        .unwrap_or_else(|shared| BytesMut::from(&*shared))
}
