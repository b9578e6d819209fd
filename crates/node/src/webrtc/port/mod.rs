//! One UDP port for all connections that others begin.
//!
//! The crate `webrtc` binds sockets of its own for each connection. Whoever
//! opens a port in a firewall, or forwards one, can open one, not thousands;
//! so a connection is given views of one shared socket in their place, and
//! what comes is sorted by [`routes::Routes`].

mod aside;
mod routes;
mod socket;
mod stun;
mod view;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::ports::{Ports, Taken};
use crate::bind::BindError;
pub(super) use socket::SYSTEM;
use socket::Socket;
use view::Membership;
pub(super) use view::Seat;

/// The port, for IPv4 and where the machine has it for IPv6.
pub(super) struct Port {
    sockets: Vec<Arc<Socket>>,
    number: u16,
    /// For what its connections say to TURN servers.
    ports: Arc<Ports>,
    _taken: Taken,
    _receiving: DropGuard,
}

impl Port {
    /// Takes this port, else one of `ports`.
    pub fn bind(
        port: Option<u16>,
        ports: &Arc<Ports>,
        tasks: &TaskTracker,
    ) -> Result<Self, BindError> {
        let anywhere = IpAddr::from(Ipv4Addr::UNSPECIFIED);
        let taken = match port {
            Some(port) => ports.reserve(port),
            None => ports.take(&[anywhere]).map_err(|used_up| BindError {
                address: SocketAddr::new(anywhere, 0),
                source: io::Error::new(io::ErrorKind::AddrInUse, used_up),
            })?,
        };
        let any = SocketAddr::new(anywhere, taken.number());
        let failed = |source| BindError {
            address: any,
            source,
        };
        let v4 = Socket::bind(any).map_err(failed)?;
        let number = v4.port().map_err(failed)?;
        let mut sockets = vec![Arc::new(v4)];
        match Socket::bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), number)) {
            Ok(v6) => sockets.push(Arc::new(v6)),
            Err(error) => tracing::debug!(%error, "no data channels by IPv6"),
        }
        let stop = CancellationToken::new();
        for socket in &sockets {
            let sorter = Arc::clone(socket);
            let receive = Arc::clone(socket).receive(move |bytes, meta| sorter.sort(bytes, meta));
            tasks.spawn(stop.clone().run_until_cancelled_owned(receive));
        }
        Ok(Self {
            sockets,
            number,
            ports: Arc::clone(ports),
            _taken: taken,
            _receiving: stop.drop_guard(),
        })
    }

    pub fn number(&self) -> u16 {
        self.number
    }

    /// A place for a connection whose own user name fragment this is.
    pub fn join(&self, name: &str) -> Seat {
        let join = |socket: &Arc<Socket>| Membership::new(Arc::clone(socket), name);
        let ports = Arc::clone(&self.ports);
        Seat::new(self.sockets.iter().map(join).collect(), ports)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UdpSocket;
    use webrtc::runtime::AsyncUdpSocket;

    use super::stun::tests::{check, packet};
    use super::*;

    fn bind(tasks: &TaskTracker) -> Port {
        Port::bind(None, &Ports::new(None), tasks).unwrap()
    }

    /// A connection's view, as the crate has it made.
    fn view(seat: &Seat) -> Arc<dyn AsyncUdpSocket> {
        seat.view("127.0.0.1:9".parse().unwrap()).unwrap()
    }

    async fn next(view: &Arc<dyn AsyncUdpSocket>) -> (Vec<u8>, SocketAddr) {
        let mut buf = vec![0; 100_000];
        let (len, from) = view.recv_from(&mut buf).await.unwrap();
        buf.truncate(len);
        (buf, from)
    }

    #[tokio::test]
    async fn two_connections_have_one_port_and_each_gets_its_own_packets() {
        let tasks = TaskTracker::new();
        let port = bind(&tasks);
        let (a, b) = (port.join("a"), port.join("b"));
        let (a, b) = (view(&a), view(&b));
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        let one = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();

        one.send_to(&check("b"), at).await.unwrap();
        other.send_to(&check("a"), at).await.unwrap();
        assert_eq!(next(&a).await, (check("a"), other.local_addr().unwrap()));
        assert_eq!(next(&b).await, (check("b"), one.local_addr().unwrap()));

        let mut buf = [0; 100];
        for (view, peer) in [(&a, &other), (&b, &one)] {
            let to = peer.local_addr().unwrap();
            view.send_to(b"from the port", to).await.unwrap();
            let (len, from) = peer.recv_from(&mut buf).await.unwrap();
            assert_eq!((&buf[..len], from), (&b"from the port"[..], at));
            peer.send_to(b"data", at).await.unwrap();
            assert_eq!(next(view).await, (b"data".to_vec(), to));
        }
    }

    #[tokio::test]
    async fn a_server_answers_whoever_asked_it() {
        let tasks = TaskTracker::new();
        let port = bind(&tasks);
        let (a, b) = (port.join("a"), port.join("b"));
        let (a, b) = (view(&a), view(&b));
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = server.local_addr().unwrap();
        let mut buf = [0; 100];
        for (view, number) in [(&b, 1), (&a, 2)] {
            let request = packet(1, number, &[]);
            view.send_to(&request, to).await.unwrap();
            let (len, from) = server.recv_from(&mut buf).await.unwrap();
            assert_eq!(buf[..len], request);
            let response = packet(0x0101, number, &[]);
            server.send_to(&response, from).await.unwrap();
            assert_eq!(next(view).await, (response, to));
        }
    }

    #[tokio::test]
    async fn a_connection_that_ends_leaves_its_name() {
        let tasks = TaskTracker::new();
        let port = bind(&tasks);
        let first = port.join("a");
        let held = view(&first);
        drop(first);
        drop(held);
        let second = port.join("a");
        let second = view(&second);
        let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        peer.send_to(&check("a"), at).await.unwrap();
        assert_eq!(next(&second).await.0, check("a"));
    }
}
