//! Servers that help data channels through routers, as relays name them.
//!
//! Only relays that the user named are believed: whoever is asked how this
//! peer is seen from outside learns where it is, and the DHT names anybody.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;

use samara_core::message::IceServer;

use crate::Swarm;
use crate::connection::{Origin, Scope};
use crate::face::{ConnectionId, Output};
use crate::time::{Millis, Time};

/// Relays whose servers are remembered.
const RELAYS: usize = 4;

/// Servers used at once. Each is sent packets for every data channel, and a
/// browser warns of more than four.
const USED: usize = 8;

/// Servers are used for so long at least: each change has channels tried again.
const LIFETIME_LEAST: Millis = Millis::seconds(60);

/// What one relay named.
pub(crate) struct Named {
    servers: Vec<IceServer>,
    until: Time,
}

impl Swarm {
    pub(crate) fn on_ice_servers(
        &mut self,
        relay: ConnectionId,
        lifetime: u32,
        servers: Vec<IceServer>,
    ) {
        if !self.check_relay(relay) {
            return;
        }
        let Some(connection) = self.connections.get(&relay) else {
            return;
        };
        let (Origin::Dialed(address), Scope::Everything, Some(peer)) =
            (&connection.origin, &connection.scope, connection.ready())
        else {
            return;
        };
        let id = peer.id;
        let servers = servers.into_iter();
        let servers = servers.filter_map(|server| usable(server, host_of(address)));
        let servers: Vec<_> = servers.take(USED).collect();
        let until = self.now + Millis::seconds(lifetime.into()).max(LIFETIME_LEAST);
        self.arm(until);
        let before = self.ice_servers();
        if self.ice.len() >= RELAYS && !self.ice.contains_key(&id) {
            let first = self.ice.iter().min_by_key(|(_, named)| named.until);
            if let Some(first) = first.map(|(id, _)| *id) {
                self.ice.remove(&first);
            }
        }
        self.ice.insert(id, Named { servers, until });
        self.use_ice_servers(&before);
    }

    /// Forgets servers whose time is over.
    pub(crate) fn run_ice(&mut self) {
        let now = self.now;
        let before = self.ice_servers();
        self.ice.retain(|_, named| named.until > now);
        let next = self.ice.values().map(|named| named.until).min();
        if let Some(until) = next {
            self.arm(until);
        }
        self.use_ice_servers(&before);
    }

    fn use_ice_servers(&mut self, before: &[IceServer]) {
        let servers = self.ice_servers();
        if servers != before {
            let urls = |servers: &[IceServer]| -> Vec<_> {
                servers.iter().map(|server| server.url.clone()).collect()
            };
            // New credentials open no new ways, and a relay that names others
            // again and again does not have channels tried without end.
            let rested = self
                .ice_looked_at
                .is_none_or(|at| at + LIFETIME_LEAST <= self.now);
            if urls(&servers) != urls(before) && rested {
                self.ice_looked_at = Some(self.now);
                self.look_again();
            }
            self.outputs.push_back(Output::IceServers(servers));
        }
    }

    /// One relay's first servers before any relay's second.
    fn ice_servers(&self) -> Vec<IceServer> {
        let longest = self.ice.values().map(|named| named.servers.len()).max();
        let by_rank = (0..longest.unwrap_or(0)).flat_map(|rank| {
            let all = self.ice.values();
            all.filter_map(move |named| named.servers.get(rank))
        });
        let mut known = BTreeSet::new();
        let new = by_rank.filter(|server| known.insert(&server.url));
        new.take(USED).cloned().collect()
    }
}

/// The server with its host spelled out; `None` if it is none. What is wrong
/// beyond that is for the driver to find.
fn usable(server: IceServer, relay: &str) -> Option<IceServer> {
    let (scheme, rest) = server.url.split_once(':')?;
    let asks = match scheme {
        "stun" | "stuns" => false,
        "turn" | "turns" => true,
        _ => return None,
    };
    let plain = server.url.bytes().all(|byte| byte.is_ascii_graphic());
    let known = !server.username.is_empty() && !server.credential.is_empty();
    if !plain || asks != known || rest.is_empty() || rest.contains(['/', '@', '#']) {
        return None;
    }
    let url = if rest.starts_with(':') {
        format!("{scheme}:{relay}{rest}")
    } else {
        server.url
    };
    Some(IceServer { url, ..server })
}

/// The host in a WebSocket URL, an IPv6 address in its brackets.
fn host_of(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (_, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
    match rest.rfind(':') {
        Some(port) if !rest[port..].contains(']') => &rest[..port],
        Some(_) | None => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(url: &str, username: &str) -> IceServer {
        IceServer {
            url: url.into(),
            username: username.into(),
            credential: username.into(),
        }
    }

    #[test]
    fn the_host_of_a_relay_is_found_in_its_address() {
        for (url, host) in [
            ("wss://relay.example/ws", "relay.example"),
            ("ws://127.0.0.1:8787/ws", "127.0.0.1"),
            ("ws://[2001:db8::1]:80/ws", "[2001:db8::1]"),
            ("ws://[2001:db8::1]/ws", "[2001:db8::1]"),
        ] {
            assert_eq!(host_of(url), host);
        }
    }

    #[test]
    fn a_server_without_a_host_is_the_relays() {
        let of = |url| usable(named(url, ""), "relay.example").map(|server| server.url);
        assert_eq!(of("stun::3478").as_deref(), Some("stun:relay.example:3478"));
        assert_eq!(of("stun:other:1").as_deref(), Some("stun:other:1"));
    }

    #[test]
    fn what_is_no_server_is_not_used() {
        for (url, username) in [
            ("https://example", ""),
            ("stun:", ""),
            ("stun", ""),
            ("stun:me@example", ""),
            ("stun:exa mple", ""),
            ("turn:example", ""),
            ("stun:example", "name"),
        ] {
            assert_eq!(usable(named(url, username), "r"), None, "{url}");
        }
    }
}
