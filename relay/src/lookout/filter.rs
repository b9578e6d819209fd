//! Which addresses out of the DHT browsers are told.
//!
//! Anybody can put anything there. Told an address of its own network, a
//! browser would knock at what is none of the DHT's business.

use std::net::{Ipv4Addr, SocketAddrV4};

use samara_node::is_public;

use crate::config;

/// Lets addresses pass that may lead to a peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filter {
    /// The DHT is the operator's own: any address may be a peer's.
    private_too: bool,
    /// This relay's own port, if it is announced.
    own_port: Option<u16>,
}

impl Filter {
    pub fn new(config: &config::Dht) -> Self {
        Self {
            private_too: config.bootstrap.is_some(),
            own_port: config.announce_port,
        }
    }

    /// `own` is this machine's address, as far as it is known.
    pub fn lets_pass(self, address: SocketAddrV4, own: Option<Ipv4Addr>) -> bool {
        let is_own = own == Some(*address.ip()) && self.own_port == Some(address.port());
        let somewhere = address.port() != 0 && !address.ip().is_unspecified();
        somewhere && !is_own && (self.private_too || is_public(*address.ip()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(filter: Filter, address: &str) -> bool {
        filter.lets_pass(address.parse().unwrap(), Some(Ipv4Addr::new(9, 9, 9, 9)))
    }

    #[test]
    fn only_addresses_on_the_internet_pass() {
        let filter = Filter {
            private_too: false,
            own_port: Some(8787),
        };
        for address in ["8.8.8.8:1", "100.128.0.1:80", "9.9.9.9:80"] {
            assert!(passes(filter, address), "{address}");
        }
        for address in [
            "127.0.0.1:80",
            "192.168.1.1:80",
            "10.0.0.1:80",
            "172.16.0.1:80",
            "169.254.1.1:80",
            "100.64.0.1:80",
            "0.1.2.3:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "8.8.8.8:0",
            "9.9.9.9:8787",
        ] {
            assert!(!passes(filter, address), "{address}");
        }
    }

    #[test]
    fn an_operators_own_dht_may_name_any_address_but_the_relays() {
        let filter = Filter {
            private_too: true,
            own_port: Some(8787),
        };
        assert!(passes(filter, "127.0.0.1:80"));
        assert!(!passes(filter, "9.9.9.9:8787"));
        assert!(!passes(filter, "0.0.0.0:80"));
    }
}
