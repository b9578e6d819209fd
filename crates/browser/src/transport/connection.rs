//! One connection: from a channel in the making to its end.

use bytes::Bytes;
use js_sys::ArrayBuffer;
use samara_swarm::{ConnectionId, Input, Path};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{MessageEvent, WebSocket};

use super::channel::Channel;
use super::flow::{Flow, LOW};
use super::{Happened, Listener};
use crate::buffer;
use crate::handlers::Handlers;
use crate::number::length;

/// Messages that come before the connection is known to stand. The other side
/// says one thing and waits for an answer.
const MOST_EARLY: usize = 4;

/// A connection and its channel, if there is one yet.
pub(super) struct Connection {
    path: Path,
    /// To whom, for a person.
    to: String,
    channel: Option<Channel>,
    handlers: Handlers,
    stage: Stage,
    flow: Flow,
}

/// What both ends know of a channel.
pub(super) struct Agreed {
    /// Longest message in bytes.
    pub max_message: usize,
    /// That of [`Input::Connected`].
    pub binding: Bytes,
}

/// How far a connection is.
enum Stage {
    /// The channel is not open, or not agreed on.
    Opening {
        open: bool,
        agreed: Option<Agreed>,
        early: Vec<Bytes>,
    },
    Open,
}

impl Connection {
    pub fn new(path: Path, agreed: Option<Agreed>, to: String) -> Self {
        let stage = Stage::Opening {
            open: false,
            agreed,
            early: Vec::new(),
        };
        Self {
            path,
            to,
            channel: None,
            handlers: Handlers::default(),
            stage,
            flow: Flow::default(),
        }
    }

    pub fn path(&self) -> Path {
        self.path
    }

    pub fn is_idle(&self) -> bool {
        self.flow.is_idle()
    }

    /// Listens to the connection's channel, which may be open already.
    pub fn attach(
        &mut self,
        id: ConnectionId,
        channel: Channel,
        listener: &Listener,
    ) -> Vec<Input> {
        channel.set_binary_type("arraybuffer");
        let on = |happened: fn(JsValue) -> Happened| {
            let listener = listener.clone();
            let handle = move |event| listener(id, happened(event));
            self.handlers.function(handle)
        };
        channel.set_onopen(Some(&on(|_| Happened::Opened)));
        channel.set_onmessage(Some(&on(|event| Happened::Message(bytes(&event)))));
        channel.set_onclose(Some(&on(|_| Happened::Closed)));
        if self.path == Path::WebRtc {
            let threshold = u32::try_from(LOW).expect("1 MiB");
            channel.set_low_threshold(threshold);
            channel.set_onbufferedamountlow(Some(&on(|_| Happened::Low)));
        }
        let open = is_open(&channel.ready_state());
        self.channel = Some(channel);
        if open { self.opened(id) } else { Vec::new() }
    }

    pub fn opened(&mut self, id: ConnectionId) -> Vec<Input> {
        if let Stage::Opening { open, .. } = &mut self.stage {
            *open = true;
        }
        self.begin(id)
    }

    pub fn agreed(&mut self, id: ConnectionId, on: Agreed) -> Vec<Input> {
        if let Stage::Opening { agreed, .. } = &mut self.stage {
            *agreed = Some(on);
        }
        self.begin(id)
    }

    fn begin(&mut self, connection: ConnectionId) -> Vec<Input> {
        let Stage::Opening {
            open: true,
            agreed: Some(agreed),
            early,
        } = &mut self.stage
        else {
            return Vec::new();
        };
        let connected = Input::Connected {
            connection,
            path: self.path,
            max_message: agreed.max_message,
            binding: agreed.binding.clone(),
        };
        let early = early.drain(..).map(|message| Input::Received {
            connection,
            message,
        });
        let inputs = std::iter::once(connected).chain(early).collect();
        self.stage = Stage::Open;
        inputs
    }

    pub fn received(&mut self, connection: ConnectionId, message: Bytes) -> Vec<Input> {
        match &mut self.stage {
            Stage::Open => vec![Input::Received {
                connection,
                message,
            }],
            Stage::Opening { early, .. } => {
                if early.len() < MOST_EARLY {
                    early.push(message);
                }
                Vec::new()
            }
        }
    }

    /// Hands a message to the channel; whether it took it.
    pub fn send(&mut self, message: &[u8]) -> bool {
        let Some(channel) = &self.channel else {
            return false;
        };
        self.flow.sent(message.len());
        channel.send(message).is_ok()
    }

    pub fn drained(&mut self) -> usize {
        let Some(channel) = &self.channel else {
            return 0;
        };
        self.flow.drained(length(channel.buffered_amount()))
    }

    /// Why a connection that ended by itself ended, for a person.
    pub fn lost(&self) -> String {
        match (&self.stage, self.path) {
            (Stage::Open, _) => format!("the connection to {} was lost", self.to),
            (Stage::Opening { .. }, Path::WebSocket) => format!(
                "nothing answers at {}; check the address and that the relay runs",
                self.to
            ),
            (Stage::Opening { .. }, Path::WebRtc | Path::Circuit) => {
                "no direct connection to the peer came about".into()
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(channel) = &self.channel {
            channel.set_onopen(None);
            channel.set_onmessage(None);
            channel.set_onclose(None);
            if self.path == Path::WebRtc {
                channel.set_onbufferedamountlow(None);
            }
            channel.close();
        }
    }
}

/// Data channels say it in a word, sockets by a number.
fn is_open(ready_state: &JsValue) -> bool {
    let socket = f64::from(WebSocket::OPEN);
    *ready_state == "open" || *ready_state == socket
}

fn bytes(event: &JsValue) -> Bytes {
    let event: &MessageEvent = event.unchecked_ref();
    match event.data().dyn_into::<ArrayBuffer>() {
        Ok(buffer) => buffer::take(&buffer),
        Err(_) => Bytes::new(),
    }
}
