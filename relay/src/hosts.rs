//! Who is behind a connection, as far as an address tells.
//!
//! One host must not take what is there for all. A host is an IPv4 address or
//! the /64 of an IPv6 one, which is what one customer gets; many people may share
//! one. Connections from this machine are a reverse proxy's as a rule, which
//! stands for all the world: they are not counted together.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use samara_node::Asker;

/// How many connections each host has.
#[derive(Debug)]
pub(crate) struct Hosts {
    most: usize,
    connections: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection of a host, until it is dropped.
#[derive(Debug)]
pub(crate) struct Guest {
    host: Option<IpAddr>,
    hosts: Arc<Hosts>,
}

/// The host at an address, unless it stands for all the world.
pub(crate) fn host_of(address: IpAddr) -> Option<IpAddr> {
    // Where one socket takes both families, IPv4 comes inside of IPv6.
    let host = match address.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) if ip.is_loopback() => IpAddr::V6(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
    };
    (!host.is_loopback()).then_some(host)
}

impl Hosts {
    pub fn new(most: usize) -> Arc<Self> {
        let connections = Mutex::default();
        Arc::new(Self { most, connections })
    }

    /// One more connection from there, unless its host has as many as it may.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Guest> {
        let host = host_of(address);
        if let Some(host) = host {
            let mut connections = self.lock();
            let of_host = connections.entry(host).or_default();
            if *of_host >= self.most {
                return None;
            }
            *of_host += 1;
        }
        let hosts = Arc::clone(self);
        Some(Guest { host, hosts })
    }

    /// Nothing can panic while the lock is held and half a change is made.
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guest {
    /// In whose line this connection's wishes wait; `connection` is its number.
    pub fn asker(&self, connection: u64) -> Asker {
        self.host.map_or(Asker::Connection(connection), Asker::Host)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let Some(host) = self.host else {
            return;
        };
        let mut connections = self.hosts.lock();
        if let Some(of_host) = connections.get_mut(&host) {
            *of_host -= 1;
            if *of_host == 0 {
                connections.remove(&host);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_host_gets_as_many_connections_as_it_may_and_no_more() {
        let hosts = Hosts::new(2);
        let first = hosts.enter(ip("192.0.2.7")).unwrap();
        let _second = hosts.enter(ip("::ffff:192.0.2.7")).unwrap();
        assert!(hosts.enter(ip("192.0.2.7")).is_none());
        assert!(hosts.enter(ip("192.0.2.8")).is_some());
        drop(first);
        assert!(hosts.enter(ip("192.0.2.7")).is_some());
    }

    #[test]
    fn the_addresses_of_one_customer_are_one_host() {
        let hosts = Hosts::new(1);
        let _first = hosts.enter(ip("2001:db8:1:2:3::4")).unwrap();
        assert!(hosts.enter(ip("2001:db8:1:2::5")).is_none());
        assert!(hosts.enter(ip("2001:db8:1:3::5")).is_some());
    }

    #[test]
    fn a_proxy_on_this_machine_is_not_one_host() {
        let hosts = Hosts::new(1);
        for proxy in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            let of_proxy: Vec<_> = (0..3).filter_map(|_| hosts.enter(ip(proxy))).collect();
            assert_eq!(of_proxy.len(), 3, "{proxy}");
            assert_eq!(of_proxy[0].asker(7), Asker::Connection(7));
        }
    }

    #[test]
    fn hosts_that_are_gone_are_forgotten() {
        let hosts = Hosts::new(8);
        let guests: Vec<_> = (0..4)
            .filter_map(|_| hosts.enter(ip("192.0.2.7")))
            .collect();
        assert_eq!(guests[0].asker(7), Asker::Host(ip("192.0.2.7")));
        drop(guests);
        assert!(hosts.lock().is_empty());
    }
}
