//! What a connection on a shared port says to TURN servers: from a socket of
//! its own, since a server tells its clients apart by their ports (RFC 8656,
//! section 3.1), and several connections may be the same server's.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio_util::sync::{CancellationToken, DropGuard};
use webrtc::runtime::primitives::Transmit;

use super::socket::{Inbox, Socket};
use super::stun;
use crate::webrtc::ports::{Ports, Taken};

/// Servers of one connection. Whoever configures more does without the rest.
const SERVERS: usize = 16;

/// The socket beside a view, once there is a TURN server to speak to.
pub(super) struct Aside {
    ip: IpAddr,
    ports: Arc<Ports>,
    inbox: Arc<Inbox>,
    servers: Mutex<Vec<SocketAddr>>,
    open: OnceLock<Option<Open>>,
}

struct Open {
    socket: Arc<Socket>,
    _taken: Taken,
    _receiving: DropGuard,
}

/// There is no socket to be had.
pub(super) struct Closed;

impl Aside {
    /// What comes goes to the inbox.
    pub fn new(ip: IpAddr, ports: Arc<Ports>, inbox: Arc<Inbox>) -> Self {
        Self {
            ip,
            ports,
            inbox,
            servers: Mutex::default(),
            open: OnceLock::new(),
        }
    }

    /// Where to send this from, if it is for a TURN server. How the shared port
    /// is seen from outside is asked from there, of whichever server.
    pub fn takes(&self, transmit: &Transmit<'_>) -> Option<Result<&Arc<Socket>, Closed>> {
        let to = transmit.destination;
        let begins = stun::allocates(transmit.contents);
        if !begins && (self.open.get().is_none() || stun::binds(transmit.contents)) {
            return None;
        }
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if !servers.contains(&to) {
            if !begins {
                return None;
            }
            if servers.len() == SERVERS {
                return Some(Err(Closed));
            }
            servers.push(to);
        }
        drop(servers);
        let open = self.open.get_or_init(|| self.open());
        Some(open.as_ref().map(|open| &open.socket).ok_or(Closed))
    }

    fn open(&self) -> Option<Open> {
        let opened = self
            .ports
            .take(&[self.ip])
            .map_err(|error| error.to_string());
        let opened = opened.and_then(|taken| {
            let socket = Socket::bind(SocketAddr::new(self.ip, taken.number()));
            Ok((taken, socket.map_err(|error| error.to_string())?))
        });
        let (taken, socket) = opened
            .inspect_err(|error| tracing::warn!(%error, "a TURN server cannot be spoken to"))
            .ok()?;
        let socket = Arc::new(socket);
        let (stop, inbox) = (CancellationToken::new(), Arc::clone(&self.inbox));
        let receive = Arc::clone(&socket).receive(move |bytes, meta| inbox.push(bytes, meta));
        tokio::spawn(stop.clone().run_until_cancelled_owned(receive));
        Some(Open {
            socket,
            _taken: taken,
            _receiving: stop.drop_guard(),
        })
    }
}
