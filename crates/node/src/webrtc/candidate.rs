//! This end's candidates, as they are told to the other end.
//!
//! A candidate's text (RFC 8839, section 5.1) is a list of words: foundation,
//! component, transport, priority, address, port, then pairs of name and
//! value.

use std::net::{IpAddr, Ipv4Addr};

/// Position of the address among the words.
const ADDRESS: usize = 4;
/// Position of the port.
const PORT: usize = 5;
/// Position of the kind's value, after `typ`.
const KIND: usize = 7;

/// The candidate as others can use it; `None` if they cannot. `port` is the
/// one that this end really listens on, if it is not the candidate's.
pub(super) fn reachable(candidate: &str, port: Option<u16>) -> Option<String> {
    let mut words: Vec<_> = candidate.split(' ').map(str::to_owned).collect();
    let address: IpAddr = words.get(ADDRESS)?.parse().ok()?;
    if address.is_unspecified() {
        // A machine with no network: whoever is on it as well can reach it.
        if address.is_ipv6() {
            return None;
        }
        words[ADDRESS] = Ipv4Addr::LOCALHOST.to_string();
    }
    let Some(port) = port else {
        return Some(words.join(" "));
    };
    if words.get(KIND)? == "host" {
        words[PORT] = port.to_string();
    }
    if let Some(name) = words.iter().position(|word| word == "rport")
        && let Some(base) = words.get_mut(name + 1)
    {
        *base = port.to_string();
    }
    Some(words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "candidate:1 1 udp 2130706431 192.0.2.7 50001 typ host";
    const SEEN: &str =
        "candidate:2 1 udp 1694498815 198.51.100.3 61000 typ srflx raddr 192.0.2.7 rport 50001";

    #[test]
    fn a_candidate_of_an_own_socket_is_told_as_it_is() {
        assert_eq!(reachable(HOST, None).as_deref(), Some(HOST));
        assert_eq!(reachable(SEEN, None).as_deref(), Some(SEEN));
    }

    #[test]
    fn a_candidate_of_a_shared_socket_has_its_port() {
        let host = "candidate:1 1 udp 2130706431 192.0.2.7 4000 typ host";
        assert_eq!(reachable(HOST, Some(4000)).as_deref(), Some(host));
        // What a server saw is the port outside, whatever it is within.
        let seen =
            "candidate:2 1 udp 1694498815 198.51.100.3 61000 typ srflx raddr 192.0.2.7 rport 4000";
        assert_eq!(reachable(SEEN, Some(4000)).as_deref(), Some(seen));
    }

    #[test]
    fn a_machine_without_a_network_is_reached_on_itself() {
        let any = HOST.replace("192.0.2.7", "0.0.0.0");
        let here = HOST.replace("192.0.2.7", "127.0.0.1");
        assert_eq!(reachable(&any, None), Some(here));
        assert_eq!(reachable(&HOST.replace("192.0.2.7", "::"), None), None);
    }

    #[test]
    fn what_is_no_candidate_is_not_told() {
        for text in ["", "candidate:1", "candidate:1 1 udp 1 host.local 9"] {
            assert_eq!(reachable(text, Some(1)), None, "{text}");
        }
    }
}
