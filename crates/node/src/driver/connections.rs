//! Connections, from the machine's wish for one to its end.

use bytes::Bytes;
use samara_swarm::{Address, ConnectionId, Input, Path, Signal};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Driver;
use crate::connection::{self, Attached, Queue};
use crate::doubt::Doubted;
use crate::webrtc::Role;
use crate::websocket;

/// A connection, dialed or accepted.
pub(super) struct Connection {
    pub queue: Queue,
    /// For what the other end of a data channel says.
    signals: Option<mpsc::Sender<Signal>>,
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
                let doubted = match &self.webrtc {
                    Some(webrtc) => webrtc.doubted(),
                    None => Doubted::never(),
                };
                self.tasks
                    .spawn(websocket::dial(url, attached, doubted, stop));
            }
            Address::WebRtc => self.open_channel(connection, Role::Offer),
        }
    }

    pub(super) fn open_channel(&mut self, connection: ConnectionId, role: Role) {
        let stop = CancellationToken::new();
        let attached = self.connect(connection, Some(stop.clone().drop_guard()));
        let webrtc = self.webrtc.as_ref();
        let signals = webrtc.map(|webrtc| webrtc.connect(role, attached, stop));
        if let Some(connection) = self.connections.get_mut(&connection) {
            connection.signals = signals;
        }
    }

    pub(super) fn signal(&self, connection: ConnectionId, signal: Signal) {
        let connection = self.connections.get(&connection);
        if let Some(signals) = connection.and_then(|known| known.signals.as_ref())
            && signals.try_send(signal).is_err()
        {
            tracing::debug!("a member says more than its data channel takes, or has none any more");
        }
    }

    fn connect(&mut self, connection: ConnectionId, dial: Option<DropGuard>) -> Attached {
        let (queue, attached) =
            connection::attach(connection, self.wire.clone(), self.commands.clone());
        let entry = Connection {
            queue,
            signals: None,
            _dial: dial,
        };
        self.connections.insert(connection, entry);
        attached
    }
}
