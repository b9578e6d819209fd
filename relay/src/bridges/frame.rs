//! One kind of frame for WebSockets that were accepted, which are of one
//! library, and those that were dialed, which are of another.

use std::future::{Ready, ready};

use axum::extract::ws;
use bytes::Bytes;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::ending::Ending;

/// What a WebSocket carries.
pub(super) enum Frame {
    Message(Bytes),
    Ping,
    /// A sign of life.
    Other,
    Close(Ending),
}

/// The socket takes nothing more.
#[derive(Debug)]
pub(super) struct Broken;

/// The next frame.
pub(super) async fn frame<S>(stream: &mut S) -> Result<Frame, Ending>
where
    S: Stream<Item = Result<Frame, Ending>> + Unpin,
{
    stream.next().await.unwrap_or(Err(Ending::Closed))
}

/// Frames onto a socket that was accepted.
pub(super) fn to_axum(
    sink: impl Sink<ws::Message> + Unpin,
) -> impl Sink<Frame, Error = Broken> + Unpin {
    let sink = sink.sink_map_err(|_| Broken);
    sink.with(|frame| -> Ready<Result<ws::Message, Broken>> {
        ready(Ok(match frame {
            Frame::Message(bytes) => ws::Message::Binary(bytes),
            Frame::Ping | Frame::Other => ws::Message::Ping(Bytes::new()),
            Frame::Close(ending) => ws::Message::Close(ending.close()),
        }))
    })
}

/// Frames off a socket that was accepted.
pub(super) fn from_axum(
    stream: impl Stream<Item = Result<ws::Message, axum::Error>> + Unpin,
) -> impl Stream<Item = Result<Frame, Ending>> + Unpin {
    stream.map(|message| match message {
        Ok(ws::Message::Binary(bytes)) => Ok(Frame::Message(bytes)),
        Ok(ws::Message::Text(_)) => Err(Ending::Text),
        Ok(ws::Message::Ping(_) | ws::Message::Pong(_) | ws::Message::Close(_)) => Ok(Frame::Other),
        Err(_) => Err(Ending::Broken),
    })
}

/// Frames onto a socket that was dialed.
pub(super) fn to_tungstenite(
    sink: impl Sink<tungstenite::Message> + Unpin,
) -> impl Sink<Frame, Error = Broken> + Unpin {
    let sink = sink.sink_map_err(|_| Broken);
    sink.with(|frame| -> Ready<Result<tungstenite::Message, Broken>> {
        ready(Ok(match frame {
            Frame::Message(bytes) => tungstenite::Message::Binary(bytes),
            Frame::Ping | Frame::Other => tungstenite::Message::Ping(Bytes::new()),
            Frame::Close(ending) => {
                tungstenite::Message::Close(ending.close().map(|close| CloseFrame {
                    code: CloseCode::from(close.code),
                    reason: close.reason.as_str().into(),
                }))
            }
        }))
    })
}

/// Frames off a socket that was dialed.
pub(super) fn from_tungstenite(
    stream: impl Stream<Item = Result<tungstenite::Message, tungstenite::Error>> + Unpin,
) -> impl Stream<Item = Result<Frame, Ending>> + Unpin {
    use tungstenite::Message;
    stream.map(|message| match message {
        Ok(Message::Binary(bytes)) => Ok(Frame::Message(bytes)),
        Ok(Message::Text(_)) => Err(Ending::Text),
        Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => {
            Ok(Frame::Other)
        }
        Err(_) => Err(Ending::Broken),
    })
}
