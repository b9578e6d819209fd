//! The WebSocket transport (RFC 6455): one binary message is one message of
//! the protocol.

mod dial;
mod listen;
mod tls;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use samara_core::message::MAX_MESSAGE_LEN;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::connection::{Attached, Incoming, Outgoing};
use crate::doubt::Doubted;

pub(crate) use dial::dial;
pub(crate) use listen::accept;

/// Between pings. Home routers forget a quiet connection after a minute or
/// more.
const PING_EVERY: Duration = Duration::from_secs(20);

/// A peer that was silent for so long, pings notwithstanding, is gone.
const SILENCE: Duration = Duration::from_mins(1);

/// The same once there is reason to ask: an answer takes a round trip.
const DOUBTED_SILENCE: Duration = Duration::from_secs(10);

/// How long the other side has to answer a close.
const CLOSE: Duration = Duration::from_secs(2);

/// How long the other side has to take what is queued when the connection is
/// to be closed, and to answer the close: 8 MiB in this time is a slow line.
const FAREWELL: Duration = Duration::from_secs(10);

/// Bytes collected before they are flushed: the machine refills what was
/// reported as gone, so the socket must not wait for a full queue.
const FLUSH: usize = 256 << 10;

/// The same in both directions and for both sides.
fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_LEN))
        .max_frame_size(Some(MAX_MESSAGE_LEN))
}

/// Carries messages until either side ends the connection, or does not answer
/// once that is in doubt.
async fn carry<S>(socket: WebSocketStream<S>, attached: Attached, doubted: Doubted)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Attached { incoming, outgoing } = attached;
    let (sink, stream) = socket.split();
    let heard = Heard::now();
    let closing = outgoing.closing();
    let overdue = async {
        closing.await;
        tokio::time::sleep(FAREWELL).await;
        "it did not take what was sent before the close".to_owned()
    };
    let reason = tokio::select! {
        reason = receive(stream, &incoming, &heard) => reason,
        reason = send(sink, outgoing, doubted.clone()) => reason,
        reason = heard.until_silent(doubted) => reason,
        reason = overdue => reason,
    };
    incoming.close(reason).await;
}

async fn receive<S>(
    mut stream: SplitStream<WebSocketStream<S>>,
    incoming: &Incoming,
    heard: &Heard,
) -> String
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = stream.next().await {
        heard.touch();
        match message {
            Ok(Message::Binary(message)) => {
                if incoming.send(message).await.is_err() {
                    return "the node was stopped".to_owned();
                }
            }
            Ok(Message::Text(_)) => {
                return "it sent text where the protocol has bytes: it is not a samara peer"
                    .to_owned();
            }
            // Answered by the library, the close when the stream is read to its end.
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => {}
            Err(error) => return problem(&error),
        }
    }
    "it closed the connection".to_owned()
}

async fn send<S>(
    mut sink: SplitSink<WebSocketStream<S>, Message>,
    outgoing: Outgoing,
    doubted: Doubted,
) -> String
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match send_all(&mut sink, outgoing, doubted).await {
        Ok(()) => {
            tokio::time::sleep(CLOSE).await;
            "it did not answer the close".to_owned()
        }
        Err(error) => problem(&error),
    }
}

/// Sends until the node wants the connection closed, and says so to the peer.
async fn send_all<S>(
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    mut outgoing: Outgoing,
    mut doubted: Doubted,
) -> Result<(), tungstenite::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut ping = tokio::time::interval(PING_EVERY);
    ping.reset();
    loop {
        let message = tokio::select! {
            message = outgoing.recv() => message,
            _ = ping.tick() => {
                sink.send(Message::Ping(Bytes::new())).await?;
                continue;
            }
            () = doubted.raised() => {
                sink.send(Message::Ping(Bytes::new())).await?;
                continue;
            }
        };
        let Some(message) = message else {
            return sink.close().await;
        };
        let mut bytes = message.len();
        sink.feed(Message::Binary(message)).await?;
        while bytes < FLUSH
            && let Some(message) = outgoing.try_recv()
        {
            bytes += message.len();
            sink.feed(Message::Binary(message)).await?;
        }
        sink.flush().await?;
        outgoing.drained(bytes);
    }
}

/// When the peer was last heard of.
struct Heard {
    start: Instant,
    millis: AtomicU64,
}

impl Heard {
    fn now() -> Self {
        Self {
            start: Instant::now(),
            millis: AtomicU64::new(0),
        }
    }

    fn touch(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.millis.store(millis, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.start + Duration::from_millis(self.millis.load(Ordering::Relaxed))
    }

    async fn until_silent(&self, mut doubted: Doubted) -> String {
        // Asked then, and not heard since.
        let mut asked: Option<Instant> = None;
        loop {
            let last = self.last();
            asked = asked.filter(|asked| last <= *asked);
            let silent_at = match asked {
                Some(asked) => (asked + DOUBTED_SILENCE).min(last + SILENCE),
                None => last + SILENCE,
            };
            if silent_at <= Instant::now() {
                let silence = last.elapsed().as_secs();
                return format!("it was silent for {silence} seconds");
            }
            tokio::select! {
                () = tokio::time::sleep_until(silent_at) => {}
                () = doubted.raised() => {
                    asked.get_or_insert_with(Instant::now);
                }
            }
        }
    }
}

/// What went wrong, for a person.
fn problem(error: &tungstenite::Error) -> String {
    use tungstenite::Error;
    use tungstenite::error::{CapacityError, ProtocolError};
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => "it closed the connection".to_owned(),
        Error::Io(error) => format!("the connection broke: {error}"),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            "the connection broke: it ended without a close".to_owned()
        }
        Error::Capacity(CapacityError::MessageTooLong { .. }) => {
            "it sent a message longer than the protocol allows".to_owned()
        }
        error => format!("it does not speak the protocol: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use samara_swarm::{ConnectionId, Input};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;
    use crate::connection::attach;
    use crate::doubt::Doubt;

    #[test]
    fn a_connection_that_broke_is_told_from_a_wrong_protocol() {
        use tungstenite::error::ProtocolError;
        let problem = |error| problem(&tungstenite::Error::Protocol(error));
        let broke = problem(ProtocolError::ResetWithoutClosingHandshake);
        assert!(broke.starts_with("the connection broke"), "{broke}");
        let wrong = problem(ProtocolError::NonZeroReservedBits);
        assert!(wrong.contains("does not speak the protocol"), "{wrong}");
    }

    /// Its own messages show that it lives, so silence does not end it.
    #[tokio::test(start_paused = true)]
    async fn a_peer_that_never_reads_loses_its_place_when_it_is_cut_off() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (wire, mut from_wire) = mpsc::channel(16);
        let (commands, _from_transport) = mpsc::unbounded_channel();
        let (queue, attached) = attach(ConnectionId(1), wire, commands);
        let carried = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            carry(socket, attached, Doubted::never()).await;
        });
        let url = format!("ws://{address}/");
        let (mut peer, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        // More than the buffers of both sockets take.
        for _ in 0..64 {
            queue.send(Bytes::from(vec![0; 1 << 20]));
        }
        drop(queue);

        let cut_off = Instant::now();
        let talking = async {
            loop {
                peer.send(Message::Ping(Bytes::new())).await.unwrap();
                tokio::time::sleep(PING_EVERY / 10).await;
            }
        };
        tokio::select! {
            () = talking => {}
            carried = carried => carried.unwrap(),
        }
        assert!(cut_off.elapsed() < 2 * FAREWELL, "{:?}", cut_off.elapsed());
        let Some(Input::Closed { reason, .. }) = from_wire.recv().await else {
            panic!("the machine is told of the end");
        };
        assert!(reason.contains("did not take"), "{reason}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_counts_as_gone_only_when_it_stays_silent() {
        let heard = Heard::now();
        let start = Instant::now();
        let listen = async {
            tokio::time::sleep(SILENCE / 2).await;
            heard.touch();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = listen => {}
            _ = heard.until_silent(Doubted::never()) => {}
        }
        let silent = start.elapsed();
        assert!(silent >= 3 * SILENCE / 2, "{silent:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_in_doubt_counts_as_gone_soon_unless_it_answers() {
        for answers in [true, false] {
            let (heard, doubt) = (Heard::now(), Doubt::new());
            let start = Instant::now();
            let doubted = doubt.listen();
            let ask = async {
                doubt.raise();
                tokio::time::sleep(Duration::from_millis(100)).await;
                if answers {
                    heard.touch();
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = ask => {}
                _ = heard.until_silent(doubted) => {}
            }
            let silent = start.elapsed();
            let expected = if answers { SILENCE } else { DOUBTED_SILENCE };
            assert!(
                silent >= expected && silent < expected + FAREWELL,
                "{silent:?}"
            );
        }
    }
}
