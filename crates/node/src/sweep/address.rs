//! Which addresses strangers may have a machine send to.

use std::net::{Ipv4Addr, SocketAddrV4};

/// Whether the address can be somebody's on the internet (RFC 6890).
pub fn is_public(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    let shared = first == 100 && (64..128).contains(&second);
    let this_network = first == 0;
    let reserved = first >= 224;
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || shared
        || this_network
        || reserved)
}

/// Whether a packet can go there at all.
pub(super) fn is_somewhere(address: SocketAddrV4) -> bool {
    address.port() != 0 && !address.ip().is_unspecified() && address.ip().octets()[0] < 224
}
