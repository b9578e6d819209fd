//! Dials what the DHT names, and dials relays again whose bridge ended.

use std::net::SocketAddrV4;
use std::time::Duration;

use futures_util::StreamExt as _;
use samara_core::PeerId;
use samara_core::identity::Role;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::connect_async_with_config;
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
    let mut was_relay = false;
    let mut in_vain = 0;
    loop {
        let began = Instant::now();
        let went = dial(&bridges, address).await;
        if went.ending == Ending::Bridged
            && let Some(relay) = went.relay
        {
            return other_bridge(&bridges, address, relay);
        }
        was_relay |= went.opened;
        if went.opened && began.elapsed() > limits.bridge_again_most {
            in_vain = 0;
        }
        let needed = bridges
            .book()
            .keep(address, |topic| bridges.0.rooms.has(topic));
        if went.ending == Ending::Myself || !was_relay || in_vain == IN_VAIN {
            let until = began + limits.relay_again;
            return bridges.book().is_no_relay(address, until);
        }
        if !needed {
            return bridges.book().is_no_relay(address, Instant::now());
        }
        bridges.book().is_dialed(address);
        sleep(wait(
            limits.bridge_again_first,
            limits.bridge_again_most,
            in_vain,
        ))
        .await;
        in_vain += 1;
    }
}

/// There is a bridge to the same relay.
fn other_bridge(bridges: &Bridges, address: SocketAddrV4, relay: PeerId) {
    bridges.book().is_relay(address, relay);
    if let Some(bridge) = bridges.0.open.get(&relay) {
        for topic in bridges.book().topics(address) {
            bridges.0.rooms.share(topic, &bridge);
        }
    }
}

async fn dial(bridges: &Bridges, address: SocketAddrV4) -> Went {
    let limits = &bridges.0.limits;
    let nobody = Went {
        relay: None,
        opened: false,
        ending: Ending::Broken,
    };
    let socket = {
        let Ok(_place) = bridges.0.dials.acquire().await else {
            return nobody;
        };
        let longest = longest(limits);
        let config = WebSocketConfig::default()
            .max_message_size(Some(longest))
            .max_frame_size(Some(longest));
        let url = format!("ws://{address}{ENDPOINT}");
        let dialed = connect_async_with_config(url, Some(config), true);
        match timeout(limits.relay_dial, dialed).await {
            Ok(Ok((socket, _))) => socket,
            // Most of what the DHT names is no relay.
            Ok(Err(_)) | Err(_) => return nobody,
        }
    };
    let (sink, stream) = socket.split();
    let sink = frame::to_tungstenite(sink);
    let stream = frame::from_tungstenite(stream);
    carry::run(bridges, sink, stream, Role::Dialer, |relay, bridge| {
        bridges.book().is_relay(address, relay);
        for topic in bridges.book().topics(address) {
            bridges.0.rooms.share(topic, bridge);
        }
    })
    .await
}

/// The wait after so many in vain, with up to a quarter more, or many that lost
/// a relay at once would come back at once.
fn wait(first: Duration, most: Duration, in_vain: u32) -> Duration {
    let wait = first.saturating_mul(1 << in_vain.min(16)).min(most);
    let random = getrandom::u32().expect("the system gave random bytes at the start too");
    wait + wait.mul_f64(0.25 * f64::from(random) / f64::from(u32::MAX))
}
