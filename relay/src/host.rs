//! Whom a connection counts for, where one host may have so much.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::HeaderMap;

/// What a proxy says for whom it asks.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The host that is behind a connection from this address. A proxy on this
/// machine is believed; others could say what they like. Of an IPv6 address it is
/// the network: who has one address there has as many as it likes.
pub(crate) fn host(from: IpAddr, headers: &HeaderMap) -> IpAddr {
    let from = from.to_canonical();
    let asks_for = from.is_loopback().then(|| asks_for(headers)).flatten();
    match asks_for.unwrap_or(from) {
        IpAddr::V6(address) if !address.is_loopback() => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        address => address,
    }
}

/// The last one: those before it are what whoever asked had said.
fn asks_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all(FORWARDED_FOR).into_iter().next_back()?;
    let address = last.to_str().ok()?.rsplit(',').next()?.trim();
    address.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(from: &str, headers: &[&'static str]) -> String {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(FORWARDED_FOR, header.parse().unwrap());
        }
        host(from.parse().unwrap(), &map).to_string()
    }

    #[test]
    fn a_proxy_on_this_machine_says_for_whom_it_asks() {
        assert_eq!(of("127.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(of("::1", &["10.0.0.1, 192.0.2.7"]), "192.0.2.7");
        assert_eq!(of("127.0.0.1", &["10.0.0.1", "192.0.2.7"]), "192.0.2.7");
        for nothing in [&[][..], &["nobody"], &["\u{e9}"]] {
            assert_eq!(of("127.0.0.1", nothing), "127.0.0.1");
        }
    }

    #[test]
    fn others_are_who_they_are() {
        assert_eq!(of("198.51.100.1", &["192.0.2.7"]), "198.51.100.1");
        assert_eq!(of("::ffff:198.51.100.1", &[]), "198.51.100.1");
        assert_eq!(of("2001:db8::1:2:3:4", &[]), "2001:db8::");
    }
}
