//! Connections: `WebSocket`s made here and data channels made by the page.
//!
//! The table turns what channels do into inputs for the machine. It never
//! calls back: whoever owns it collects the inputs.

mod channel;
mod connection;
mod flow;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use bytes::Bytes;
use samara_core::message::MAX_MESSAGE_LEN;
use samara_swarm::{ConnectionId, Input, Path};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::WebSocket;

pub use self::channel::Channel;
use self::connection::{Agreed, Connection};

/// Longest message on a data channel whose connection allows more, in bytes.
/// Measured in Chromium from 32 to 256 KiB: the speed is the same, and at 64
/// the workers need least, since larger messages come in fresh memory.
const MOST_ON_CHANNEL: usize = 64 << 10;

/// What a channel did.
pub(crate) enum Happened {
    /// It can send.
    Opened,
    /// A message came; a text comes as no bytes.
    Message(Bytes),
    /// It wants more to send.
    Low,
    /// It is over.
    Closed,
}

/// Who is told.
pub(crate) type Listener = Rc<dyn Fn(ConnectionId, Happened)>;

/// All connections that are carried here.
pub(crate) struct Connections {
    table: BTreeMap<ConnectionId, Connection>,
    /// Connections that have not reported all bytes as drained.
    busy: BTreeSet<ConnectionId>,
    listener: Listener,
}

impl Connections {
    pub fn new(listener: Listener) -> Self {
        Self {
            table: BTreeMap::new(),
            busy: BTreeSet::new(),
            listener,
        }
    }

    /// Takes a `WebSocket` that was dialed; `None` where the page may not.
    pub fn dial(&mut self, id: ConnectionId, url: &str, socket: Option<WebSocket>) -> Vec<Input> {
        let Some(socket) = socket else {
            let reason = format!(
                "this page may not connect to {url}; a page from https: needs a wss: address"
            );
            let connection = id;
            return vec![Input::Closed { connection, reason }];
        };
        let channel: Channel = JsValue::from(socket).unchecked_into();
        let agreed = Agreed {
            max_message: MAX_MESSAGE_LEN,
            binding: Bytes::new(),
        };
        let mut connection = Connection::new(Path::WebSocket, Some(agreed), url.into());
        let inputs = connection.attach(id, channel, &self.listener);
        self.table.insert(id, connection);
        inputs
    }

    /// The page makes this connection.
    pub fn expect(&mut self, id: ConnectionId) {
        let connection = Connection::new(Path::WebRtc, None, "the peer".into());
        self.table.insert(id, connection);
    }

    /// The page has the channel of a connection it makes.
    pub fn adopt(&mut self, id: ConnectionId, channel: Channel) -> Vec<Input> {
        if let Some(connection) = self.table.get_mut(&id) {
            return connection.attach(id, channel, &self.listener);
        }
        channel.close();
        Vec::new()
    }

    /// The two ends agreed on the longest message, and know each other's
    /// certificate.
    pub fn agreed(&mut self, id: ConnectionId, max_message: usize, binding: Bytes) -> Vec<Input> {
        let agreed = Agreed {
            max_message: max_message.min(MOST_ON_CHANNEL),
            binding,
        };
        let connection = self.table.get_mut(&id);
        connection.map_or_else(Vec::new, |connection| connection.agreed(id, agreed))
    }

    pub fn send(&mut self, id: ConnectionId, message: &[u8]) -> Option<Input> {
        let connection = self.table.get_mut(&id)?;
        if connection.send(message) {
            self.busy.insert(id);
            return None;
        }
        let reason = connection.lost();
        self.close(id);
        Some(Input::Closed {
            connection: id,
            reason,
        })
    }

    /// Closes a connection; how it was made, if there was one.
    pub fn close(&mut self, id: ConnectionId) -> Option<Path> {
        self.busy.remove(&id);
        self.table.remove(&id).map(|connection| connection.path())
    }

    /// Something happened on a channel.
    pub fn on(&mut self, id: ConnectionId, happened: Happened) -> Vec<Input> {
        let Some(connection) = self.table.get_mut(&id) else {
            return Vec::new();
        };
        match happened {
            Happened::Opened => connection.opened(id),
            Happened::Message(message) => connection.received(id, message),
            Happened::Low => Vec::new(),
            Happened::Closed => {
                let reason = connection.lost();
                self.close(id);
                let connection = id;
                vec![Input::Closed { connection, reason }]
            }
        }
    }

    /// What went out since the last call.
    pub fn drained(&mut self) -> Vec<Input> {
        let mut inputs = Vec::new();
        let table = &mut self.table;
        self.busy.retain(|id| {
            let Some(connection) = table.get_mut(id) else {
                return false;
            };
            let bytes = connection.drained();
            if bytes > 0 {
                let connection = *id;
                inputs.push(Input::Drained { connection, bytes });
            }
            !connection.is_idle()
        });
        inputs
    }

    /// Whether a channel that does not tell when it wants more has bytes to
    /// send.
    pub fn needs_polling(&self) -> bool {
        let mut busy = self.busy.iter().filter_map(|id| self.table.get(id));
        busy.any(|connection| connection.path() == Path::WebSocket)
    }

    pub fn ids(&self) -> Vec<ConnectionId> {
        self.table.keys().copied().collect()
    }
}
