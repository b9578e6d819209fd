//! What the DHT names that is this relay itself.

use std::net::{Ipv4Addr, SocketAddrV4};

/// This relay's own port, if it is announced.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own(pub Option<u16>);

impl Own {
    /// `own` is this machine's address, as far as it is known.
    pub fn is_at(self, address: SocketAddrV4, own: Option<Ipv4Addr>) -> bool {
        own == Some(*address.ip()) && self.0 == Some(address.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_at_its_own_address_and_announced_port() {
        let is_own = |own: Own, address: &str| {
            own.is_at(address.parse().unwrap(), Some(Ipv4Addr::new(9, 9, 9, 9)))
        };
        assert!(is_own(Own(Some(8787)), "9.9.9.9:8787"));
        assert!(!is_own(Own(Some(8787)), "9.9.9.9:80"));
        assert!(!is_own(Own(Some(8787)), "8.8.8.8:8787"));
        assert!(!is_own(Own(None), "9.9.9.9:8787"));
    }
}
