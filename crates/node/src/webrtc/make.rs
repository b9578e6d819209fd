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
use super::ports::Taken;
use super::runtime::{ConnectionRuntime, IsOpen};
use super::{IceServer, Role, Ways, WebRtcConfig};
use crate::doubt::Doubt;

/// Bytes handed to the channel and not acknowledged by the other end. What is
/// below counts as on its way; a path of 100 ms takes 10 MiB/s with it.
const BUFFERED: usize = 1 << 20;

/// How long a better way is waited for where the other end was reached at an
/// address it did not name. Browsers name none of a local network.
const UNANNOUNCED: Duration = Duration::from_millis(100);

/// Silence after which a connection is in doubt. Nothing else tells that a
/// router has another address outside.
const DOUBT: Duration = Duration::from_secs(5);

/// Doubt after which it is over: a source is given up as early, and both ends
/// are to find another way.
const PATIENCE: Duration = Duration::from_secs(5);

/// A peer connection and what belongs to it.
pub(super) struct Made {
    pub connection: Arc<dyn PeerConnection>,
    /// What it tells.
    pub heard: Heard,
    /// To be set once the channel is open.
    pub open: IsOpen,
    /// Where it is reached, if that is not where the crate thinks.
    pub port: Option<u16>,
    /// The port that it has for itself.
    pub taken: Option<Taken>,
}

/// Makes a peer connection that has said nothing yet.
pub(super) async fn make(ways: &Ways, role: &Role) -> Result<Made, Error> {
    let servers = servers(ways, role);
    tracing::debug!(servers = servers.len(), "a data channel is made");
    let place = Place::of(ways, role)?;
    // Names that browsers give instead of addresses are looked up in the local
    // network, where there is one.
    let made = connect(&servers, &place, &ways.doubt, MulticastDnsMode::QueryOnly).await;
    let made = match made {
        Ok(made) => made,
        Err(error) => {
            tracing::debug!(%error, "no names of the local network");
            connect(&servers, &place, &ways.doubt, MulticastDnsMode::Disabled).await?
        }
    };
    let taken = match place {
        Place::Shared(..) => None,
        Place::Own(_, taken) => Some(taken),
    };
    Ok(Made { taken, ..made })
}

/// Where a connection's sockets are, and at which addresses.
enum Place<'a> {
    /// On the port that connections share.
    Shared(Vec<IpAddr>, &'a Port),
    /// On a port of its own.
    Own(Vec<IpAddr>, Taken),
}

impl<'a> Place<'a> {
    /// Two nodes may have several connections, and those could not be told
    /// apart if both ends had one port for all: the side that begins has one
    /// for each.
    fn of(ways: &'a Ways, role: &Role) -> Result<Self, Error> {
        let addresses = addresses(&ways.config);
        match role {
            Role::Answer(_) => Ok(Self::Shared(addresses, &ways.port)),
            Role::Offer => {
                let taken = ways.ports.take(&addresses).map_err(|used_up| {
                    tracing::warn!("{used_up}");
                    Error::Other(used_up.to_string())
                })?;
                Ok(Self::Own(addresses, taken))
            }
        }
    }

    /// The port that others have as well.
    const fn shared(&self) -> Option<&'a Port> {
        match self {
            Self::Shared(_, port) => Some(port),
            Self::Own(..) => None,
        }
    }

    /// What the crate is to bind. In place of what shares a port there will be
    /// a view.
    fn sockets(&self) -> Vec<SocketAddr> {
        let (addresses, port) = match self {
            Self::Shared(addresses, _) => (addresses, 0),
            Self::Own(addresses, taken) => (addresses, taken.number()),
        };
        let at = |address: &IpAddr| SocketAddr::new(*address, port);
        addresses.iter().map(at).collect()
    }
}

async fn connect(
    servers: &[IceServer],
    place: &Place<'_>,
    doubt: &Doubt,
    mdns: MulticastDnsMode,
) -> Result<Made, Error> {
    let (listener, heard) = listen(doubt.clone());
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
        .with_prflx_acceptance_min_wait(Some(UNANNOUNCED))
        .with_ice_timeouts(Some(DOUBT), Some(PATIENCE), None);
    let mut seat = None;
    if let Some(port) = place.shared() {
        let (name, password) = (secret::<8>()?, secret::<16>()?);
        seat = Some(port.join(&name));
        settings = settings.with_ice_credentials(name, password);
    }
    let open = IsOpen::default();
    let runtime = ConnectionRuntime::new(seat, Arc::clone(&open));
    let built = PeerConnectionBuilder::new()
        .with_configuration(configuration)
        .with_handler(Arc::new(listener))
        .with_udp_addrs(place.sockets())
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
        port: place.shared().map(Port::number),
        taken: None,
    })
}

/// The user's servers, then those that relays named. A connection that the
/// other side began uses no TURN server that a relay named: that side has one
/// as well, and one is enough.
fn servers(ways: &Ways, role: &Role) -> Vec<IceServer> {
    let begun_here = matches!(role, Role::Offer);
    let named = ways.named.read().unwrap_or_else(PoisonError::into_inner);
    let named = named
        .iter()
        .filter(|server| begun_here || !server.passes_on());
    ways.config
        .ice_servers
        .iter()
        .chain(named)
        .cloned()
        .collect()
}

/// So many bytes that nobody can guess, in characters that ICE allows.
fn secret<const LEN: usize>() -> Result<String, Error> {
    let mut bytes = [0; LEN];
    getrandom::fill(&mut bytes).map_err(|error| Error::Other(error.to_string()))?;
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    Ok(digits.collect())
}

/// The addresses to send from and be reached at.
fn addresses(config: &WebRtcConfig) -> Vec<IpAddr> {
    match &config.addresses[..] {
        [] => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
        named => named.to_vec(),
    }
}
