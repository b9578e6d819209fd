//! How much one host has of what is there for all.
//!
//! Many people may share one address, so it may have a lot. This machine itself
//! is a reverse proxy as a rule that does not say for whom it asks: its
//! connections are all the world's and not counted together.

use std::collections::HashMap;
use std::net::IpAddr;
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
    pub host: IpAddr,
    hosts: Arc<Hosts>,
}

impl Hosts {
    pub fn new(most: usize) -> Arc<Self> {
        let connections = Mutex::default();
        Arc::new(Self { most, connections })
    }

    /// One more connection of a host ([`crate::host`]), unless it has as many as
    /// it may.
    pub fn enter(self: &Arc<Self>, host: IpAddr) -> Option<Guest> {
        if !host.is_loopback() {
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
        if self.host.is_loopback() {
            Asker::Connection(connection)
        } else {
            Asker::Host(self.host)
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut connections = self.hosts.lock();
        if let Some(of_host) = connections.get_mut(&self.host) {
            *of_host -= 1;
            if *of_host == 0 {
                connections.remove(&self.host);
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
        let _second = hosts.enter(ip("192.0.2.7")).unwrap();
        assert!(hosts.enter(ip("192.0.2.7")).is_none());
        assert!(hosts.enter(ip("192.0.2.8")).is_some());
        drop(first);
        assert!(hosts.enter(ip("192.0.2.7")).is_some());
    }

    #[test]
    fn a_proxy_that_says_nothing_is_not_one_host() {
        let hosts = Hosts::new(1);
        for proxy in ["127.0.0.1", "::1"] {
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
