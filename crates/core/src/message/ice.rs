//! Servers that help data channels through routers.

use alloc::string::String;
use core::fmt;

/// A STUN server (RFC 7064), or a TURN server (RFC 7065) with what it asks for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IceServer {
    /// `stun:host:port` or `turn:host:port`; without a host it is the relay's.
    pub url: String,
    /// Empty for STUN.
    pub username: String,
    /// Empty for STUN.
    pub credential: String,
}

impl IceServer {
    /// Most servers in one message: each costs packets for every data channel.
    pub const MOST: usize = 16;
}

impl fmt::Debug for IceServer {
    /// Without what lets somebody use it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IceServer").field(&self.url).finish()
    }
}
