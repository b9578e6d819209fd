//! Which addresses strangers may have a machine send to.
//!
//! Anybody can put anything into the DHT. An address of one's own network or
//! machine is none of its business: whoever dialed it would knock there on a
//! stranger's behalf.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4};

use crate::config::DhtConfig;

/// Which addresses out of a DHT may be somebody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// Those on the internet.
    Public,
    /// Any: the DHT is one's own.
    Any,
}

impl Allowed {
    /// In a DHT that is entered by nodes of one's own, others may be in one's own
    /// network too.
    pub fn of(config: &DhtConfig) -> Self {
        match config.bootstrap {
            None => Self::Public,
            Some(_) => Self::Any,
        }
    }

    /// Whether somebody may be there.
    pub fn lets_pass(self, address: SocketAddrV4) -> bool {
        match self {
            Self::Public => address.port() != 0 && is_public(IpAddr::V4(*address.ip())),
            Self::Any => is_somewhere(address),
        }
    }
}

/// Whether the address can be somebody's on the internet (RFC 6890 and the
/// registries of special addresses that it began).
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [first, second, third, _] = ip.octets();
    let this_network = first == 0;
    let shared = first == 100 && (64..128).contains(&second);
    let assigned = (first, second, third) == (192, 0, 0);
    let anycast_6to4 = (first, second, third) == (192, 88, 99);
    let benchmarks = first == 198 && (18..20).contains(&second);
    let multicast_or_reserved = first >= 224;
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || this_network
        || shared
        || assigned
        || anycast_6to4
        || benchmarks
        || multicast_or_reserved)
}

/// Of what is given out at all, without what means an IPv4 address.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    let global = first & 0xe000 == 0x2000;
    // Teredo is among the first.
    let assigned = first == 0x2001 && second < 0x200;
    let documentation = (first, second) == (0x2001, 0xdb8) || first == 0x3fff && second < 0x1000;
    let of_6to4 = first == 0x2002;
    global && !(assigned || documentation || of_6to4)
}

/// Whether a packet can go there at all.
fn is_somewhere(address: SocketAddrV4) -> bool {
    address.port() != 0 && !address.ip().is_unspecified() && address.ip().octets()[0] < 224
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_on_the_internet_pass_in_the_public_dht() {
        for address in [
            "8.8.8.8:1",
            "100.128.0.1:80",
            "192.0.1.1:80",
            "198.20.0.1:80",
        ] {
            assert!(
                Allowed::Public.lets_pass(address.parse().unwrap()),
                "{address}"
            );
        }
        for address in [
            "127.0.0.1:80",
            "192.168.1.1:80",
            "10.0.0.1:80",
            "172.16.0.1:80",
            "169.254.1.1:80",
            "100.64.0.1:80",
            "0.1.2.3:80",
            "192.0.0.8:80",
            "192.88.99.1:80",
            "198.18.0.1:80",
            "203.0.113.1:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "8.8.8.8:0",
        ] {
            assert!(
                !Allowed::Public.lets_pass(address.parse().unwrap()),
                "{address}"
            );
        }
    }

    #[test]
    fn a_dht_of_ones_own_may_name_any_address_that_leads_somewhere() {
        for address in ["127.0.0.1:80", "10.0.0.1:80", "8.8.8.8:1"] {
            assert!(
                Allowed::Any.lets_pass(address.parse().unwrap()),
                "{address}"
            );
        }
        for address in ["0.0.0.0:80", "127.0.0.1:0", "224.0.0.1:80"] {
            assert!(
                !Allowed::Any.lets_pass(address.parse().unwrap()),
                "{address}"
            );
        }
    }

    #[test]
    fn of_the_newer_addresses_the_given_out_ones_are_public() {
        for ip in ["2001:4860:4860::8888", "2a01::1", "2400:cb00::1"] {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
        for ip in [
            "::",
            "::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:808:808::1",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
    }
}
