//! One connection, as its transport and the machine's task share it.
//!
//! A transport of any kind hands whole messages to [`Incoming`] and takes
//! them from [`Outgoing`]; it knows nothing of the machine.

use bytes::Bytes;
use samara_swarm::{ConnectionId, Input, Pair, Path, Signal};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::driver::Command;

/// The node was shut down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the node was stopped")]
pub struct Stopped;

/// A connection's ends for its transport.
#[derive(Debug)]
pub struct Attached {
    /// For what came from the peer.
    pub incoming: Incoming,
    /// What is to go to the peer.
    pub outgoing: Outgoing,
}

/// Takes what came from the peer. Dropping it ends the connection.
#[derive(Debug)]
pub struct Incoming {
    connection: ConnectionId,
    wire: mpsc::Sender<Input>,
    commands: mpsc::UnboundedSender<Command>,
    open: bool,
}

/// Gives what is to go to the peer.
#[derive(Debug)]
pub struct Outgoing {
    connection: ConnectionId,
    queue: mpsc::UnboundedReceiver<Bytes>,
    closing: CancellationToken,
    commands: mpsc::UnboundedSender<Command>,
}

/// The node's end. Dropping it asks the transport to send what is queued and
/// close. Unbounded, since the machine queues no more than its limit allows.
pub(crate) struct Queue {
    messages: mpsc::UnboundedSender<Bytes>,
    _closing: DropGuard,
}

impl Queue {
    pub fn send(&self, message: Bytes) {
        // A transport that is gone says so by itself.
        let _ = self.messages.send(message);
    }
}

/// Makes both ends of a connection.
pub(crate) fn attach(
    connection: ConnectionId,
    wire: mpsc::Sender<Input>,
    commands: mpsc::UnboundedSender<Command>,
) -> (Queue, Attached) {
    let (messages, receiver) = mpsc::unbounded_channel();
    let closing = CancellationToken::new();
    let queue = Queue {
        messages,
        _closing: closing.clone().drop_guard(),
    };
    let incoming = Incoming {
        connection,
        wire,
        commands: commands.clone(),
        open: true,
    };
    let outgoing = Outgoing {
        connection,
        queue: receiver,
        closing,
        commands,
    };
    (queue, Attached { incoming, outgoing })
}

impl Incoming {
    /// Hands over a whole message; waits while the node is busy.
    pub async fn send(&self, message: Bytes) -> Result<(), Stopped> {
        let connection = self.connection;
        let received = Input::Received {
            connection,
            message,
        };
        self.wire.send(received).await.map_err(|_| Stopped)
    }

    /// Says why the connection ended, after all its messages.
    pub async fn close(mut self, reason: impl Into<String>) {
        self.open = false;
        let connection = self.connection;
        let reason = reason.into();
        // A node that was stopped has nothing to learn.
        let _ = self.wire.send(Input::Closed { connection, reason }).await;
    }

    /// Says that a dialed connection came to be.
    pub(crate) async fn connected(
        &self,
        path: Path,
        max_message: usize,
        binding: Bytes,
    ) -> Result<(), Stopped> {
        let connected = Input::Connected {
            connection: self.connection,
            path,
            max_message,
            binding,
        };
        self.wire.send(connected).await.map_err(|_| Stopped)
    }

    /// Says what a data channel goes through.
    pub(crate) async fn selected(&self, pair: Pair) {
        let connection = self.connection;
        // A node that was stopped tells nobody.
        let _ = self.wire.send(Input::Selected { connection, pair }).await;
    }

    /// Tells the other end of a connection in the making, by whoever
    /// introduced the two.
    pub(crate) async fn signal(&self, signal: Signal) {
        let connection = self.connection;
        // A node that was stopped tells nothing.
        let _ = self.wire.send(Input::Signal { connection, signal }).await;
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if self.open {
            let connection = self.connection;
            let reason = "the connection ended".to_owned();
            let _ = self
                .commands
                .send(Command::Input(Input::Closed { connection, reason }));
        }
    }
}

impl Outgoing {
    /// The next message; `None` when the connection is to be closed.
    pub async fn recv(&mut self) -> Option<Bytes> {
        self.queue.recv().await
    }

    /// The next message if there is one at once.
    pub fn try_recv(&mut self) -> Option<Bytes> {
        self.queue.try_recv().ok()
    }

    /// Resolves once the connection is to be closed, while messages may still
    /// be queued: a peer that does not take them must not keep its place.
    pub fn closing(&self) -> impl Future<Output = ()> + Send + 'static {
        self.closing.clone().cancelled_owned()
    }

    /// Reports that the transport took so many bytes of what was received from
    /// here. Every message must be reported, in any portions: the node sends
    /// no more while too much is unreported.
    pub fn drained(&self, bytes: usize) {
        let connection = self.connection;
        let _ = self
            .commands
            .send(Command::Input(Input::Drained { connection, bytes }));
    }
}
