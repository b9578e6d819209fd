//! Dials what the DHT names, and dials relays again whose link ended.

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
use super::{Bridge, ENDPOINT, longest};
use crate::ending::Ending;

/// So often in a row a relay is dialed in vain before it counts as gone.
const IN_VAIN: u32 = 8;

/// Looks after one address until it needs no looking after.
pub(super) async fn run(bridge: Bridge, address: SocketAddrV4) {
    let limits = &bridge.0.limits;
    let mut was_relay = false;
    let mut in_vain = 0;
    loop {
        let began = Instant::now();
        let went = dial(&bridge, address).await;
        if went.ending == Ending::Linked
            && let Some(relay) = went.relay
        {
            return other_link(&bridge, address, relay);
        }
        was_relay |= went.linked;
        if went.linked && began.elapsed() > limits.relink_most {
            in_vain = 0;
        }
        let needed = bridge
            .book()
            .keep(address, |topic| bridge.0.rooms.has(topic));
        if went.ending == Ending::Myself || !was_relay || in_vain == IN_VAIN {
            let until = began + limits.relay_again;
            return bridge.book().is_no_relay(address, until);
        }
        if !needed {
            return bridge.book().is_no_relay(address, Instant::now());
        }
        bridge.book().is_dialed(address);
        sleep(wait(limits.relink_first, limits.relink_most, in_vain)).await;
        in_vain += 1;
    }
}

/// There is a link to the same relay.
fn other_link(bridge: &Bridge, address: SocketAddrV4, relay: PeerId) {
    bridge.book().is_relay(address, relay);
    if let Some(link) = bridge.0.links.get(&relay) {
        for topic in bridge.book().topics(address) {
            bridge.0.rooms.share(topic, &link);
        }
    }
}

async fn dial(bridge: &Bridge, address: SocketAddrV4) -> Went {
    let limits = &bridge.0.limits;
    let nobody = Went {
        relay: None,
        linked: false,
        ending: Ending::Broken,
    };
    let socket = {
        let Ok(_place) = bridge.0.dials.acquire().await else {
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
    carry::run(bridge, sink, stream, Role::Dialer, |relay, link| {
        bridge.book().is_relay(address, relay);
        for topic in bridge.book().topics(address) {
            bridge.0.rooms.share(topic, link);
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
