//! The port that a node announces in the DHT: one that others can reach.
//!
//! Behind a home router nobody reaches a port that nobody opened there. The DHT
//! cannot tell: it sees where UDP packets come from, and a router passes answers
//! to these but no connection of a stranger.

use std::net::{IpAddr, SocketAddr};

use crate::address::{Allowed, is_public};
use crate::config::NodeConfig;
use crate::moved;

/// The port, and when it is announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announced {
    /// Always: somebody decided that it leads here.
    Always(u16),
    /// While this machine itself has an address on the internet.
    WhilePublic(u16),
}

impl Announced {
    /// What follows from the configuration; `bound` is where the node listens.
    /// `None` if nobody from outside ever gets there.
    pub fn of(config: &NodeConfig, bound: Option<SocketAddr>) -> Option<Self> {
        if let Some(port) = config.announce_port {
            return Some(Self::Always(port));
        }
        let (asked, port) = (config.listen?, bound?.port());
        let dht = config.dht.as_ref()?;
        // Its nodes are where this one is.
        if Allowed::of(dht) == Allowed::Any {
            return Some(Self::Always(port));
        }
        // A router can lead a port here that somebody chose, and none that was
        // free by chance.
        let chosen = asked.port() != 0;
        match asked.ip() {
            ip if ip.is_loopback() => None,
            ip if ip.is_unspecified() && !chosen => Some(Self::WhilePublic(port)),
            // The DHT is one of IPv4 addresses.
            IpAddr::V6(ip) if !ip.is_unspecified() => None,
            ip if chosen || is_public(ip) => Some(Self::Always(port)),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        }
    }

    /// The port, if it is to be announced now.
    pub fn now(self) -> Option<u16> {
        self.given(moved::outward())
    }

    fn given(self, outward: Option<IpAddr>) -> Option<u16> {
        match self {
            Self::Always(port) => Some(port),
            Self::WhilePublic(port) => outward.is_some_and(is_public).then_some(port),
        }
    }
}

#[cfg(test)]
mod tests {
    use samara_core::PeerSecret;
    use samara_store::{Options, Store};

    use super::*;
    use crate::config::DhtConfig;

    /// Where 4001 is the free port that the system gave.
    fn announced(listen: &str, bootstrap: Option<&str>) -> Option<Announced> {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let mut config = NodeConfig::new(store, PeerSecret::from_bytes(&[1; 32]));
        let listen: SocketAddr = listen.parse().unwrap();
        config.listen = Some(listen);
        config.dht = Some(DhtConfig {
            bootstrap: bootstrap.map(|node| vec![node.to_owned()]),
            ..DhtConfig::default()
        });
        let port = if listen.port() == 0 {
            4001
        } else {
            listen.port()
        };
        Announced::of(&config, Some(SocketAddr::new(listen.ip(), port)))
    }

    #[test]
    fn a_free_port_is_announced_only_where_this_machine_is_on_the_internet() {
        for any in ["0.0.0.0:0", "[::]:0"] {
            let announced = announced(any, None).unwrap();
            assert_eq!(announced, Announced::WhilePublic(4001));
            let given = |ip: &str| announced.given(Some(ip.parse().unwrap()));
            assert_eq!(given("8.8.8.8"), Some(4001));
            for behind_a_router in ["192.168.1.7", "10.0.0.7", "100.64.0.7"] {
                assert_eq!(given(behind_a_router), None, "{behind_a_router}");
            }
            assert_eq!(announced.given(None), None);
        }
    }

    #[test]
    fn a_port_that_somebody_chose_is_announced_as_a_router_may_lead_it_here() {
        for chosen in ["0.0.0.0:9000", "192.168.1.7:9000", "[::]:9000"] {
            assert_eq!(announced(chosen, None), Some(Announced::Always(9000)));
        }
        assert_eq!(
            announced("8.8.8.8:0", None),
            Some(Announced::Always(4001)),
            "an address on the internet needs none"
        );
    }

    #[test]
    fn where_nobody_comes_from_outside_nothing_is_announced() {
        for nowhere in ["127.0.0.1:9000", "[::1]:9000", "192.168.1.7:0"] {
            assert_eq!(announced(nowhere, None), None, "{nowhere}");
        }
    }

    #[test]
    fn in_a_dht_of_ones_own_every_port_is_announced() {
        for listen in ["127.0.0.1:0", "0.0.0.0:0", "192.168.1.7:0"] {
            let announced = announced(listen, Some("10.0.0.1:6881"));
            assert_eq!(announced, Some(Announced::Always(4001)), "{listen}");
        }
    }
}
