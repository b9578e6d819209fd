//! From rooms and the node to the socket.

use std::time::Duration;

use axum::extract::ws;
use bytes::Bytes;
use futures_util::{Sink, SinkExt as _};
use samara_node::Outgoing;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use crate::ending::Ending;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::rooms::{Letter, Letters};

/// Bytes collected before they are flushed: the node refills what was reported
/// as gone, so the socket must not wait for a full queue.
pub(crate) const FLUSH: usize = 256 << 10;

/// How long a peer that is cut off has to take the reason.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);

/// Everything that is to go out on a connection.
pub(super) struct Queues {
    outgoing: Outgoing,
    letters: Letters,
    ping: Interval,
    write: Duration,
}

/// One thing to send.
enum Next {
    /// Of the blob protocol, to be reported when it is gone.
    Blob(Bytes),
    Letter(Letter),
    Ping,
    /// The node wants the connection closed.
    Close,
}

impl Queues {
    pub fn new(outgoing: Outgoing, letters: Letters, limits: &Limits) -> Self {
        let mut ping = interval(limits.ping_after);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.reset();
        Self {
            outgoing,
            letters,
            ping,
            write: limits.write,
        }
    }

    async fn next(&mut self) -> Next {
        tokio::select! {
            message = self.outgoing.recv() => message.map_or(Next::Close, Next::Blob),
            Some(letter) = self.letters.recv() => Next::Letter(letter),
            _ = self.ping.tick() => Next::Ping,
        }
    }

    /// What is there at once, taking turns between the two.
    fn more(&mut self, letter_first: bool) -> Option<Next> {
        if letter_first && let Some(letter) = self.letters.try_recv() {
            return Some(Next::Letter(letter));
        }
        if let Some(message) = self.outgoing.try_recv() {
            return Some(Next::Blob(message));
        }
        self.letters.try_recv().map(Next::Letter)
    }
}

/// Sends until the connection ends.
pub(super) async fn all<S>(sink: &mut S, mut queues: Queues, metrics: &Metrics) -> Ending
where
    S: Sink<ws::Message, Error = axum::Error> + Unpin,
{
    loop {
        let first = queues.next().await;
        if let Next::Close = first {
            return Ending::Protocol;
        }
        let within = queues.write;
        match timeout(within, batch(sink, first, &mut queues, metrics)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Ending::Broken,
            Err(_) => return Ending::Slow,
        }
    }
}

/// Sends what is there, flushes it and reports it.
async fn batch<S>(
    sink: &mut S,
    first: Next,
    queues: &mut Queues,
    metrics: &Metrics,
) -> Result<(), axum::Error>
where
    S: Sink<ws::Message, Error = axum::Error> + Unpin,
{
    let mut next = Some(first);
    let (mut fed, mut drained) = (0, 0);
    // Their places in the queue are free when they are gone.
    let mut letters = Vec::new();
    while let Some(to_send) = next {
        let letter = matches!(to_send, Next::Letter(_));
        match to_send {
            Next::Blob(message) => {
                metrics.sent(&message);
                fed += message.len();
                drained += message.len();
                sink.feed(ws::Message::Binary(message)).await?;
            }
            Next::Letter(letter) => {
                fed += letter.message.len();
                sink.feed(ws::Message::Binary(letter.message.clone()))
                    .await?;
                letters.push(letter);
            }
            Next::Ping => sink.feed(ws::Message::Ping(Bytes::new())).await?,
            Next::Close => break,
        }
        next = if fed < FLUSH {
            queues.more(!letter)
        } else {
            None
        };
    }
    sink.flush().await?;
    if drained > 0 {
        queues.outgoing.drained(drained);
    }
    Ok(())
}

/// Tells the peer why the connection ends, if it still listens.
pub(super) async fn farewell<S>(sink: &mut S, ending: Ending)
where
    S: Sink<ws::Message, Error = axum::Error> + Unpin,
{
    let Some(close) = ending.close() else {
        return;
    };
    let send = async {
        if let Some(error) = ending.error() {
            sink.feed(ws::Message::Binary(error)).await?;
        }
        sink.send(ws::Message::Close(Some(close))).await
    };
    // Who does not listen learns nothing.
    let _ = timeout(FAREWELL, send).await;
}
