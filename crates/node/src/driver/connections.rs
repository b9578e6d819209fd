//! Connections, from the machine's wish for one to its end.

use bytes::Bytes;
use samara_swarm::{Address, ConnectionId, Input, Path};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Command, Driver};
use crate::connection::{self, Attached, Queue};
use crate::websocket;

/// A connection, dialed or accepted.
pub(super) struct Connection {
    pub queue: Queue,
    /// Ends a dial; a connection that exists ends with its queue.
    _dial: Option<DropGuard>,
}

impl Driver {
    pub(super) fn accept(
        &mut self,
        path: Path,
        max_message: usize,
        binding: Bytes,
        reply: oneshot::Sender<Attached>,
    ) {
        let connection = self.swarm.connection();
        let attached = self.connect(connection, None);
        if reply.send(attached).is_ok() {
            self.handle(Input::Accepted {
                connection,
                path,
                max_message,
                binding,
            });
        } else {
            self.connections.remove(&connection);
        }
    }

    pub(super) fn dial(&mut self, connection: ConnectionId, address: Address) {
        match address {
            Address::WebSocket(url) => {
                let stop = CancellationToken::new();
                let attached = self.connect(connection, Some(stop.clone().drop_guard()));
                self.tasks.spawn(websocket::dial(url, attached, stop));
            }
            Address::WebRtc => self.refuse(connection),
        }
    }

    pub(super) fn refuse(&self, connection: ConnectionId) {
        let reason = "this node opens no data channels".to_owned();
        let closed = Input::Closed { connection, reason };
        let _ = self.commands.send(Command::Input(closed));
    }

    fn connect(&mut self, connection: ConnectionId, dial: Option<DropGuard>) -> Attached {
        let (queue, attached) =
            connection::attach(connection, self.wire.clone(), self.commands.clone());
        let entry = Connection { queue, _dial: dial };
        self.connections.insert(connection, entry);
        attached
    }
}
