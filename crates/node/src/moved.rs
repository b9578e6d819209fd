//! Notices that this machine has another address: packets to and from the old
//! one get lost, and no socket says so for minutes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use samara_swarm::Input;
use tokio::sync::mpsc;

use crate::driver::Command;

/// Between two looks. Systems have events for this, each its own.
const EVERY: Duration = Duration::from_secs(2);

/// Addresses that are nobody's (RFC 5737, RFC 3849): the way to them is the way
/// to the world.
const NOBODY: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// Tells the machine until it is gone.
pub(crate) async fn watch(machine: mpsc::UnboundedSender<Command>) {
    let mut before = NOBODY.map(source);
    loop {
        tokio::time::sleep(EVERY).await;
        let now = NOBODY.map(source);
        // While there is no network there is nothing to do.
        if now == before || now.iter().all(Option::is_none) {
            continue;
        }
        let lost = before.iter().flatten().any(|address| !is_ours(*address));
        tracing::info!(lost, "this machine has another address");
        let moved = Command::Input(Input::Moved { lost });
        if machine.send(moved).is_err() {
            return;
        }
        before = now;
    }
}

/// The IPv4 address from which this machine sends to the world.
pub(crate) fn outward() -> Option<IpAddr> {
    source(NOBODY[0])
}

/// The address that this machine would send from. Connecting a UDP socket
/// sends nothing.
fn source(to: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match to {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect(SocketAddr::new(to, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

fn is_ours(address: IpAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(address, 0)).is_ok()
}
