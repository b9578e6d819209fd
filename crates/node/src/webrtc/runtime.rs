//! What a connection runs on: tokio, with sockets that are ours.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use socket2::SockRef;
use webrtc::runtime::primitives::{RecvMeta, Transmit};
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime,
    TokioRuntime,
};

use super::port::{SYSTEM, Seat};

/// What names of the local network are asked for at (RFC 6762); not a
/// connection's own.
const MDNS_PORT: u16 = 5353;

/// Whether a connection's channel is open.
pub(super) type IsOpen = Arc<AtomicBool>;

/// The tokio runtime for one connection.
pub(super) struct ConnectionRuntime {
    seat: Option<Seat>,
    open: IsOpen,
}

impl ConnectionRuntime {
    /// Without a seat on a shared port the connection has ports of its own.
    pub fn new(seat: Option<Seat>, open: IsOpen) -> Self {
        Self { seat, open }
    }
}

impl fmt::Debug for ConnectionRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionRuntime")
    }
}

impl Runtime for ConnectionRuntime {
    /// Of a socket in whose place there is a view, its address alone is used:
    /// it says which of the machine's the crate means.
    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let bound = socket.local_addr()?;
        let inner = match &self.seat {
            Some(seat) if bound.port() != MDNS_PORT => seat.view(bound)?,
            Some(_) | None => {
                let sized = SockRef::from(&socket);
                // The system may give less, which costs speed only.
                let _ = sized.set_recv_buffer_size(SYSTEM);
                let _ = sized.set_send_buffer_size(SYSTEM);
                TokioRuntime.wrap_udp_socket(socket)?
            }
        };
        let open = Arc::clone(&self.open);
        let took = AtomicBool::new(false);
        Ok(Arc::new(OneByOne { inner, open, took }))
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) -> Box<dyn JoinHandle> {
        TokioRuntime.spawn(future)
    }

    fn wrap_tcp_listener(&self, listener: TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        TokioRuntime.wrap_tcp_listener(listener)
    }

    fn connect_tcp(
        &self,
        address: SocketAddr,
    ) -> BoxFuture<'_, io::Result<Arc<dyn AsyncTcpStream>>> {
        TokioRuntime.connect_tcp(address)
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        TokioRuntime.resolve_host(host)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        TokioRuntime.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }

    fn yield_now(&self) -> BoxFuture<'static, ()> {
        TokioRuntime.yield_now()
    }

    fn name(&self) -> &'static str {
        TokioRuntime.name()
    }
}

/// A socket whose packets are taken one by one until the channel is open.
///
/// The crate takes many at a time, and sees only then that the channel opened:
/// the other side's first message, if it came with them, is for a channel not
/// yet there, and lost.
struct OneByOne {
    inner: Arc<dyn AsyncUdpSocket>,
    open: IsOpen,
    /// The crate has a packet, and is to look at it before it takes more.
    took: AtomicBool,
}

impl fmt::Debug for OneByOne {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl AsyncUdpSocket for OneByOne {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        self.inner.poll_send(cx, transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if self.open.load(Ordering::Acquire) {
            return self.inner.poll_recv(cx, bufs, meta);
        }
        if self.took.swap(false, Ordering::AcqRel) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let received = self.inner.poll_recv(cx, bufs, meta);
        self.took.store(received.is_ready(), Ordering::Release);
        received
    }

    fn max_gso_segments(&self) -> usize {
        self.inner.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.inner.max_gro_segments()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Always has a packet.
    #[derive(Debug)]
    struct Busy;

    impl AsyncUdpSocket for Busy {
        fn local_addr(&self) -> io::Result<SocketAddr> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn poll_send(&self, _: &mut Context<'_>, _: &Transmit<'_>) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_recv(
            &self,
            _: &mut Context<'_>,
            _: &mut [IoSliceMut<'_>],
            _: &mut [RecvMeta],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(1))
        }
    }

    #[test]
    fn packets_are_taken_one_by_one_until_the_channel_is_open() {
        let open = IsOpen::default();
        let socket = OneByOne {
            inner: Arc::new(Busy),
            open: Arc::clone(&open),
            took: AtomicBool::new(false),
        };
        let mut cx = Context::from_waker(Waker::noop());
        let mut takes = || socket.poll_recv(&mut cx, &mut [], &mut []).is_ready();
        assert_eq!(
            [takes(), takes(), takes(), takes()],
            [true, false, true, false]
        );
        open.store(true, Ordering::Release);
        assert_eq!([takes(), takes(), takes()], [true, true, true]);
    }
}
