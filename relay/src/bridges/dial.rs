//! Dials what the DHT names, and dials again where that may help.

use std::net::{IpAddr, SocketAddrV4};
use std::time::Duration;

use futures_util::StreamExt as _;
use samara_core::PeerId;
use samara_core::identity::Role;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::book::Outcome;
use super::carry::{self, Went};
use super::frame;
use super::{Bridges, ENDPOINT, longest};
use crate::ending::Ending;

/// A bridge that lasted so long was not in vain.
const LASTED: Duration = Duration::from_mins(1);

/// Looks after one address until it needs no looking after.
pub(super) async fn run(bridges: Bridges, address: SocketAddrV4) {
    let mut outcome = dial(&bridges, address, false).await;
    loop {
        let again = bridges.book().came(address, outcome);
        if let Outcome::Elsewhere(relay) = outcome {
            share(&bridges, relay);
        }
        let Some(at) = again else {
            return;
        };
        sleep_until(at).await;
        let is_needed = |topic: &_| bridges.0.rooms.has(topic);
        if !bridges.book().again(address, at, is_needed) {
            return;
        }
        outcome = dial(&bridges, address, true).await;
    }
}

/// Tells a relay of the members of all topics that its addresses were found for.
fn share(bridges: &Bridges, relay: PeerId) {
    let topics = bridges.book().topics_of(relay);
    if let Some(bridge) = bridges.0.open.get(&relay) {
        for topic in topics {
            bridges.0.rooms.share(topic, &bridge);
        }
    }
}

/// Dials, and carries the bridge there is then to its end.
async fn dial(bridges: &Bridges, address: SocketAddrV4, again: bool) -> Outcome {
    let socket = match connect(bridges, address, again).await {
        Ok(socket) => socket,
        Err(outcome) => return outcome,
    };
    let (sink, stream) = socket.split();
    let sink = frame::to_tungstenite(sink);
    let stream = frame::from_tungstenite(stream);
    let dialed = Instant::now();
    let host = IpAddr::V4(*address.ip());
    let went = carry::run(bridges, sink, stream, Role::Dialer, host, |relay| {
        bridges.book().is_held(address, relay);
        share(bridges, relay);
    });
    came_of(&went.await, dialed.elapsed() > LASTED)
}

async fn connect(
    bridges: &Bridges,
    address: SocketAddrV4,
    again: bool,
) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, Outcome> {
    let limits = &bridges.0.limits;
    // What is dialed in vain holds up nothing that the DHT has just named.
    let redials = again.then_some(&bridges.0.redials);
    let _place = match redials {
        Some(redials) => redials.acquire().await.ok(),
        None => None,
    };
    let Ok(_place) = bridges.0.dials.acquire().await else {
        return Err(Outcome::InVain);
    };
    let longest = longest(limits);
    let config = WebSocketConfig::default()
        .max_message_size(Some(longest))
        .max_frame_size(Some(longest));
    let url = format!("ws://{address}{ENDPOINT}");
    let dialed = connect_async_with_config(url, Some(config), true);
    match timeout(limits.relay_dial, dialed).await {
        Ok(Ok((socket, _))) => Ok(socket),
        // It may be starting, or the way to it broken.
        Err(_) | Ok(Err(Error::Io(_) | Error::Protocol(ProtocolError::HandshakeIncomplete))) => {
            Err(Outcome::InVain)
        }
        // A relay without a place says so, a proxy that its relay is gone.
        Ok(Err(Error::Http(answer))) if answer.status().is_server_error() => Err(Outcome::InVain),
        // Most of what the DHT names is no relay.
        Ok(Err(_)) => Err(Outcome::NoRelay),
    }
}

/// Whether it may go better another time.
fn came_of(went: &Went, lasted: bool) -> Outcome {
    match went.ending {
        Ending::Bridged => went.relay.map_or(Outcome::InVain, Outcome::Elsewhere),
        Ending::Closed
        | Ending::Broken
        | Ending::LateHandshake
        | Ending::Silent
        | Ending::Slow
        | Ending::Full
        | Ending::Shunned
        | Ending::Idle
        | Ending::Stopping => {
            if went.opened && lasted {
                Outcome::Ended
            } else {
                Outcome::InVain
            }
        }
        Ending::NoHandshake
        | Ending::NoProof
        | Ending::Text
        | Ending::Malformed
        | Ending::Unexpected
        | Ending::Flood
        | Ending::LongSignal
        | Ending::NotProven
        | Ending::Overdrawn
        | Ending::Crowd
        | Ending::Overload
        | Ending::Lies
        | Ending::Version
        | Ending::Myself
        | Ending::Protocol => Outcome::NoRelay,
    }
}
