//! Making a peer connection of the crate.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rtc::ice::mdns::MulticastDnsMode;
use webrtc::error::Error;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, RTCConfigurationBuilder, RTCIceServer,
    SettingEngineBuilder,
};

use super::ends::{Heard, listen};
use super::port::Port;
use super::runtime::{ConnectionRuntime, IsOpen};
use super::{IceServer, Role, Ways, WebRtcConfig};

/// Bytes handed to the channel and not acknowledged by the other end. What is
/// below counts as on its way; a path of 100 ms takes 10 MiB/s with it.
const BUFFERED: usize = 1 << 20;

/// How long a better way is waited for where the other end was reached at an
/// address it did not name. Browsers name none of a local network.
const UNANNOUNCED: Duration = Duration::from_millis(100);

/// A peer connection and what belongs to it.
pub(super) struct Made {
    pub connection: Arc<dyn PeerConnection>,
    /// What it tells.
    pub heard: Heard,
    /// To be set once the channel is open.
    pub open: IsOpen,
    /// Where it is reached, if that is not where the crate thinks.
    pub port: Option<u16>,
}

/// Makes a peer connection that has said nothing yet.
pub(super) async fn make(ways: &Ways, role: &Role) -> Result<Made, Error> {
    let Ways { config, port, .. } = ways;
    let servers = servers(ways, role);
    tracing::debug!(servers = servers.len(), "a data channel is made");
    let shared = shares(role, config).then_some(port);
    // Names that browsers give instead of addresses are looked up in the local
    // network, where there is one.
    let made = connect(config, &servers, shared, MulticastDnsMode::QueryOnly).await;
    match made {
        Ok(made) => Ok(made),
        Err(error) => {
            tracing::debug!(%error, "no names of the local network");
            connect(config, &servers, shared, MulticastDnsMode::Disabled).await
        }
    }
}

async fn connect(
    config: &WebRtcConfig,
    servers: &[IceServer],
    shared: Option<&Port>,
    mdns: MulticastDnsMode,
) -> Result<Made, Error> {
    let (listener, heard) = listen();
    let servers = servers.iter().map(|server| RTCIceServer {
        urls: vec![server.url.clone()],
        username: server.username.clone(),
        credential: server.credential.clone(),
    });
    let configuration = RTCConfigurationBuilder::default()
        .with_ice_servers(servers.collect())
        .build();
    let mut settings = SettingEngineBuilder::new()
        .with_multicast_dns_mode(mdns)
        .with_prflx_acceptance_min_wait(Some(UNANNOUNCED));
    let mut seat = None;
    if let Some(port) = shared {
        let (name, password) = (secret::<8>()?, secret::<16>()?);
        seat = Some(port.join(&name));
        settings = settings.with_ice_credentials(name, password);
    }
    let open = IsOpen::default();
    let runtime = ConnectionRuntime::new(seat, Arc::clone(&open));
    let built = PeerConnectionBuilder::new()
        .with_configuration(configuration)
        .with_handler(Arc::new(listener))
        .with_udp_addrs(sockets(&config.addresses))
        .with_data_channel_send_buffer_limit(BUFFERED)
        .with_runtime(Arc::new(runtime))
        .with_setting_engine(settings.build())
        .build();
    // A future of twenty kilobytes.
    let connection = Box::pin(built).await?;
    Ok(Made {
        connection: Arc::new(connection),
        heard,
        open,
        port: shared.map(Port::number),
    })
}

/// The user's servers, then those that relays named. A connection on the
/// shared port uses no TURN server that a relay named: the side that begins
/// has one as well, and one is enough.
fn servers(ways: &Ways, role: &Role) -> Vec<IceServer> {
    let shared = shares(role, &ways.config);
    let named = ways.named.read().unwrap_or_else(PoisonError::into_inner);
    let named = named
        .iter()
        .filter(|server| !(shared && server.passes_on()));
    ways.config
        .ice_servers
        .iter()
        .chain(named)
        .cloned()
        .collect()
}

/// Whether a connection is made on the port that connections share. Two nodes
/// may have several connections, and those could not be told apart if both
/// ends had one port for all; a TURN server tells its clients apart by their
/// ports.
fn shares(role: &Role, config: &WebRtcConfig) -> bool {
    match role {
        Role::Offer => false,
        Role::Answer(_) => !config.ice_servers.iter().any(IceServer::passes_on),
    }
}

/// So many bytes that nobody can guess, in characters that ICE allows.
fn secret<const LEN: usize>() -> Result<String, Error> {
    let mut bytes = [0; LEN];
    getrandom::fill(&mut bytes).map_err(|error| Error::Other(error.to_string()))?;
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    Ok(digits.collect())
}

/// What to bind: a port of its own on each address.
fn sockets(addresses: &[IpAddr]) -> Vec<SocketAddr> {
    let everywhere = [
        IpAddr::from(Ipv4Addr::UNSPECIFIED),
        IpAddr::from(Ipv6Addr::UNSPECIFIED),
    ];
    let addresses = match addresses {
        [] => &everywhere,
        named => named,
    };
    let any_port = |address: &IpAddr| SocketAddr::new(*address, 0);
    addresses.iter().map(any_port).collect()
}
