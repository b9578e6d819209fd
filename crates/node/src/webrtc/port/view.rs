//! A connection's part of a shared socket, in the shape the crate `webrtc`
//! wants.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures_util::future::BoxFuture;
use webrtc::runtime::AsyncUdpSocket;
use webrtc::runtime::primitives::{RecvMeta, Transmit};

use super::aside::{Aside, Closed};
use super::routes::MemberId;
use super::socket::{Inbox, Socket};
use super::stun;
use crate::webrtc::ports::Ports;

/// A connection's place on a socket; ends with the last that holds it.
pub(super) struct Membership {
    socket: Arc<Socket>,
    id: MemberId,
}

impl Membership {
    pub fn new(socket: Arc<Socket>, name: &str) -> Arc<Self> {
        let id = socket.routes().join(name.to_owned());
        Arc::new(Self { socket, id })
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.socket.routes().leave(self.id);
    }
}

/// A connection's place on a port: on each of its sockets.
pub(in crate::webrtc) struct Seat {
    memberships: Vec<Arc<Membership>>,
    /// For what it says to TURN servers.
    ports: Arc<Ports>,
}

impl Seat {
    pub(super) fn new(memberships: Vec<Arc<Membership>>, ports: Arc<Ports>) -> Self {
        Self { memberships, ports }
    }

    /// A socket in the place of one bound to this address.
    pub fn view(&self, bound: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let of_family = |membership: &&Arc<Membership>| {
            let shared = membership.socket.io.local_addr();
            shared.is_ok_and(|shared| shared.is_ipv4() == bound.is_ipv4())
        };
        let membership = self.memberships.iter().find(of_family);
        let membership = membership.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let inbox = Arc::new(Inbox::default());
        let mut routes = membership.socket.routes();
        routes.listen(membership.id, bound.ip(), Arc::clone(&inbox));
        drop(routes);
        Ok(Arc::new(View {
            membership: Arc::clone(membership),
            bound,
            aside: Aside::new(bound.ip(), Arc::clone(&self.ports), Arc::clone(&inbox)),
            inbox,
            writable: Mutex::new(None),
        }))
    }
}

/// A shared socket, as if it were bound to one of the machine's addresses and
/// one connection's own.
struct View {
    membership: Arc<Membership>,
    bound: SocketAddr,
    inbox: Arc<Inbox>,
    aside: Aside,
    /// Its own wait for room: a tokio socket wakes one waiter of `poll_`
    /// methods, and the socket has many.
    writable: Mutex<Option<BoxFuture<'static, io::Result<()>>>>,
}

impl View {
    /// The address to send from, if it is a certain one.
    fn from(&self) -> Option<IpAddr> {
        let ip = self.bound.ip();
        (!ip.is_unspecified()).then_some(ip)
    }

    fn poll_writable(&self, cx: &mut Context<'_>, of: &Arc<Socket>) -> Poll<io::Result<()>> {
        let mut waiting = self.writable.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = waiting.get_or_insert_with(|| {
            let socket = Arc::clone(of);
            Box::pin(async move { socket.io.writable().await })
        });
        let writable = ready!(wait.as_mut().poll(cx));
        *waiting = None;
        Poll::Ready(writable)
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("View")
    }
}

impl AsyncUdpSocket for View {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.bound)
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let Membership { socket, id } = &*self.membership;
        let (socket, from) = match self.aside.takes(transmit) {
            Some(Ok(aside)) => (aside, None),
            // As lost as on any line: the server is asked again.
            Some(Err(Closed)) => return Poll::Ready(Ok(transmit.contents.len())),
            None => {
                if let Some(transaction) = stun::request(transmit.contents) {
                    socket.routes().asks(*id, transaction);
                }
                (socket, self.from())
            }
        };
        loop {
            match socket.try_send(transmit, from) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.poll_writable(cx, socket))?;
                }
                sent => return Poll::Ready(sent),
            }
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let (Some(buf), Some(meta)) = (bufs.first_mut(), meta.first_mut()) else {
            return Poll::Ready(Ok(0));
        };
        *meta = ready!(self.inbox.poll(cx, buf));
        Poll::Ready(Ok(1))
    }

    fn max_gso_segments(&self) -> usize {
        self.membership.socket.batch.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.membership.socket.batch.gro_segments()
    }
}
