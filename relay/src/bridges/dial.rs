//! Dials what the DHT names, and dials relays again whose bridge ended.

use std::net::SocketAddrV4;
use std::time::Duration;

use futures_util::StreamExt as _;
use samara_core::PeerId;
use samara_core::identity::Role;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::carry::{self, Went};
use super::frame;
use super::{Bridges, ENDPOINT, longest};
use crate::ending::Ending;

/// So often in a row a relay is dialed in vain before it counts as gone.
const IN_VAIN: u32 = 8;

/// Looks after one address until it needs no looking after.
pub(super) async fn run(bridges: Bridges, address: SocketAddrV4) {
    let limits = &bridges.0.limits;
    let mut in_vain = 0;
    let mut was_relay = false;
    loop {
        let dialed = Instant::now();
        let (again_in, went) = match dial(&bridges, address).await {
            Err(again_in) => (again_in, None),
            Ok(went) => (limits.relay_again, Some(went)),
        };
        if let Some(went) = &went {
            if went.ending == Ending::Bridged
                && let Some(relay) = went.relay
            {
                bridges.book().is_relay(address, relay);
                return share(&bridges, relay);
            }
            was_relay |= went.opened;
            if went.opened && dialed.elapsed() > limits.bridge_again_most {
                in_vain = 0;
            }
        }
        // Whoever did what no relay may is left alone for as long as whoever is none.
        let left_alone = went.is_some_and(|went| went.ending.is_a_cut() || !went.opened);
        if left_alone || !was_relay || in_vain == IN_VAIN {
            let until = Instant::now() + again_in;
            return bridges.book().is_no_relay(address, until);
        }
        let is_needed = |topic: &_| bridges.0.rooms.has(topic);
        if !bridges.book().again(address, is_needed) {
            return;
        }
        sleep(wait(
            limits.bridge_again_first,
            limits.bridge_again_most,
            in_vain,
        ))
        .await;
        in_vain += 1;
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

/// How a bridge went; or, where no WebSocket came about, when to try again.
async fn dial(bridges: &Bridges, address: SocketAddrV4) -> Result<Went, Duration> {
    let limits = &bridges.0.limits;
    let socket = {
        let Ok(_place) = bridges.0.dials.acquire().await else {
            return Err(limits.relay_again);
        };
        let longest = longest(limits);
        let config = WebSocketConfig::default()
            .max_message_size(Some(longest))
            .max_frame_size(Some(longest));
        let url = format!("ws://{address}{ENDPOINT}");
        let dialed = connect_async_with_config(url, Some(config), true);
        match timeout(limits.relay_dial, dialed).await {
            Ok(Ok((socket, _))) => socket,
            // It may be starting, or have no place just now.
            Ok(Err(Error::Io(_))) => return Err(limits.relay_again_soon),
            Ok(Err(Error::Http(answer))) if answer.status() == StatusCode::SERVICE_UNAVAILABLE => {
                return Err(limits.relay_again_soon);
            }
            // Most of what the DHT names is no relay.
            Ok(Err(_)) | Err(_) => return Err(limits.relay_again),
        }
    };
    let (sink, stream) = socket.split();
    let sink = frame::to_tungstenite(sink);
    let stream = frame::from_tungstenite(stream);
    let went = carry::run(bridges, sink, stream, Role::Dialer, |relay| {
        bridges.book().is_held(address, relay);
        share(bridges, relay);
    });
    Ok(went.await)
}

/// The wait after so many in vain, with up to a quarter more, or many that lost
/// a relay at once would come back at once.
fn wait(first: Duration, most: Duration, in_vain: u32) -> Duration {
    let wait = first.saturating_mul(1 << in_vain.min(16)).min(most);
    let random = getrandom::u32().expect("the system gave random bytes at the start too");
    wait + wait.mul_f64(0.25 * f64::from(random) / f64::from(u32::MAX))
}
