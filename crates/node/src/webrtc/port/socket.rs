//! The socket that many share.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket as StdSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use webrtc::runtime::primitives::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};

use super::routes::Routes;

/// What the system holds of packets that are not yet read or sent, in bytes.
/// With the usual 200 KiB a burst is lost before anybody could take it.
pub(in crate::webrtc) const SYSTEM: usize = 4 << 20;

/// What waits for one connection, in bytes: its own window is 1 MiB. More is
/// lost, as on any line that is too full.
const WAITING: usize = 2 << 20;

/// Longest packet, or run of packets that the system joined.
const LONGEST: usize = 64 << 10;

/// After an error that says nothing about one packet.
const RETRY: Duration = Duration::from_millis(100);

/// A UDP socket, and who gets what from it.
pub(super) struct Socket {
    pub io: UdpSocket,
    pub batch: UdpSocketState,
    routes: Mutex<Routes<Inbox>>,
}

/// Packets for one connection.
#[derive(Default)]
pub(super) struct Inbox(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    packets: VecDeque<Packet>,
    bytes: usize,
    waker: Option<Waker>,
}

struct Packet {
    bytes: Box<[u8]>,
    meta: RecvMeta,
}

impl Socket {
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let domain = Domain::for_address(address);
        let socket = socket2::Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            // IPv4 has a socket of its own, with the same port.
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let io = UdpSocket::from_std(StdSocket::from(socket))?;
        let batch = UdpSocketState::new(UdpSockRef::from(&io))?;
        // The system may give less, which costs speed only.
        let _ = batch.set_recv_buffer_size(UdpSockRef::from(&io), SYSTEM);
        let _ = batch.set_send_buffer_size(UdpSockRef::from(&io), SYSTEM);
        Ok(Self {
            io,
            batch,
            routes: Mutex::new(Routes::new()),
        })
    }

    pub fn port(&self) -> io::Result<u16> {
        Ok(self.io.local_addr()?.port())
    }

    pub fn routes(&self) -> MutexGuard<'_, Routes<Inbox>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what comes, for ever.
    pub async fn receive(self: Arc<Self>, take: impl Fn(&[u8], &RecvMeta)) {
        let mut slab = vec![0; BATCH_SIZE * LONGEST];
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        loop {
            match self.receive_some(&mut slab, &mut metas).await {
                Ok(received) => {
                    let packets = slab.chunks(LONGEST).zip(&metas[..received]);
                    for (packet, meta) in packets {
                        take(&packet[..meta.len.min(LONGEST)], meta);
                    }
                }
                // Of an earlier packet whose receiver is not there.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
                    ) => {}
                Err(error) => {
                    tracing::debug!(%error, "packets could not be received");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn receive_some(
        &self,
        slab: &mut [u8],
        metas: &mut [RecvMeta; BATCH_SIZE],
    ) -> io::Result<usize> {
        let receive = || {
            let mut chunks = slab.chunks_mut(LONGEST);
            let mut bufs: [IoSliceMut<'_>; BATCH_SIZE] =
                std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
            let received = self
                .batch
                .recv(UdpSockRef::from(&self.io), &mut bufs, metas)?;
            // How tokio wants to hear that nothing is there.
            (received > 0)
                .then_some(received)
                .ok_or(io::ErrorKind::WouldBlock.into())
        };
        self.io.async_io(Interest::READABLE, receive).await
    }

    /// Gives a packet to whom it belongs.
    pub fn sort(&self, bytes: &[u8], meta: &RecvMeta) {
        let first = &bytes[..meta.stride.min(bytes.len())];
        let mut routes = self.routes();
        // What the system joined has one sender, and so one receiver.
        if let Some(inbox) = routes.route(Instant::now(), meta.addr, meta.dst_ip, first) {
            inbox.push(bytes, meta);
        }
    }

    /// Sends without waiting; `from` is which of the machine's addresses.
    pub fn try_send(&self, transmit: &Transmit<'_>, from: Option<IpAddr>) -> io::Result<usize> {
        let transmit = Transmit {
            destination: transmit.destination,
            ecn: transmit.ecn,
            contents: transmit.contents,
            segment_size: transmit.segment_size,
            src_ip: from,
        };
        self.io.try_io(Interest::WRITABLE, || {
            self.batch
                .try_send(UdpSockRef::from(&self.io), &transmit)
                .map(|()| transmit.contents.len())
        })
    }
}

impl Packet {
    /// Bytes of memory: small packets must not be many.
    const fn cost(&self) -> usize {
        size_of::<Self>() + self.bytes.len()
    }
}

impl Inbox {
    pub fn push(&self, bytes: &[u8], meta: &RecvMeta) {
        let mut waiting = self.lock();
        let packet = Packet {
            bytes: bytes.into(),
            meta: *meta,
        };
        if bytes.is_empty() || waiting.bytes + packet.cost() > WAITING {
            return;
        }
        waiting.bytes += packet.cost();
        waiting.packets.push_back(packet);
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
    }

    /// Takes the next packet, or run of packets, into the buffer.
    pub fn poll(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<RecvMeta> {
        let mut waiting = self.lock();
        let Some(packet) = waiting.packets.pop_front() else {
            waiting.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        waiting.bytes -= packet.cost();
        let mut meta = packet.meta;
        meta.len = packet.bytes.len().min(buf.len());
        meta.stride = meta.stride.max(1);
        buf[..meta.len].copy_from_slice(&packet.bytes[..meta.len]);
        Poll::Ready(meta)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn meta(len: usize) -> RecvMeta {
        let mut meta = RecvMeta::default();
        (meta.len, meta.stride) = (len, len);
        meta
    }

    #[tokio::test]
    async fn what_waits_for_a_connection_has_a_limit() {
        let inbox = Inbox::default();
        let packet = vec![7; 1200];
        for _ in 0..10_000 {
            inbox.push(&packet, &meta(packet.len()));
        }
        assert!(inbox.lock().bytes <= WAITING);
        let mut buf = [0; 2000];
        let taken = poll_fn(|cx| inbox.poll(cx, &mut buf)).await;
        assert_eq!(buf[..taken.len], packet);
        // There is room again.
        let before = inbox.lock().packets.len();
        inbox.push(&packet, &meta(packet.len()));
        assert_eq!(inbox.lock().packets.len(), before + 1);
    }
}
