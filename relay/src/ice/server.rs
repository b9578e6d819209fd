//! Servers as an operator writes them.

use std::fmt;
use std::str::FromStr;

use samara_core::message::IceServer;

/// A STUN (RFC 7064) or TURN (RFC 7065) server that peers are told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceUrl(String);

/// Why a text is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IceUrlError {
    /// Neither kind of server.
    #[error("write it like stun.example:3478, or with stun:, stuns:, turn: or turns: before it")]
    Scheme,
    /// No host, or one with what no host has in it.
    #[error("the server's host is missing")]
    Host,
    /// A port that is none.
    #[error("the server's port is no number from 1 to 65535")]
    Port,
    /// Not udp or tcp.
    #[error("after the port only ?transport=udp or ?transport=tcp may stand")]
    Transport,
}

impl IceUrl {
    /// `HOST:PORT`, or with `stun:` or `stuns:` before it.
    pub fn stun(text: &str) -> Result<Self, IceUrlError> {
        Self::of_kind(text, "stun", "stuns")
    }

    /// `HOST:PORT`, or with `turn:` or `turns:` before it; `?transport=tcp`
    /// may follow.
    pub fn turn(text: &str) -> Result<Self, IceUrlError> {
        Self::of_kind(text, "turn", "turns")
    }

    fn of_kind(text: &str, plain: &str, tls: &str) -> Result<Self, IceUrlError> {
        let named = text
            .split_once(':')
            .filter(|(name, _)| [plain, tls].contains(name));
        let url = match named {
            Some(_) => text.to_owned(),
            None => format!("{plain}:{text}"),
        };
        url.parse()
    }

    /// A STUN server on the relay's own host, whatever peers call that.
    pub(super) fn of_relay(port: u16) -> Self {
        Self(format!("stun::{port}"))
    }

    /// The whole URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The server for one that asks nobody who it is.
    pub(super) fn open(&self) -> IceServer {
        IceServer {
            url: self.0.clone(),
            username: String::new(),
            credential: String::new(),
        }
    }
}

impl fmt::Display for IceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for IceUrl {
    type Err = IceUrlError;

    fn from_str(text: &str) -> Result<Self, IceUrlError> {
        let (scheme, rest) = text.split_once(':').ok_or(IceUrlError::Scheme)?;
        let (address, query) = match rest.split_once('?') {
            Some((address, query)) => (address, Some(query)),
            None => (rest, None),
        };
        match (scheme, query) {
            ("stun" | "stuns" | "turn" | "turns", None)
            | ("turn" | "turns", Some("transport=udp" | "transport=tcp")) => {}
            ("stun" | "stuns" | "turn" | "turns", Some(_)) => return Err(IceUrlError::Transport),
            _ => return Err(IceUrlError::Scheme),
        }
        let (host, port) = match address.rfind(':') {
            Some(at) if !address[at..].contains(']') => (&address[..at], Some(&address[at + 1..])),
            Some(_) | None => (address, None),
        };
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let odd = |byte: u8| !byte.is_ascii_graphic() || b"/@#?".contains(&byte);
        if host.is_empty() || host.bytes().any(odd) || (host.contains(':') && !bracketed) {
            return Err(IceUrlError::Host);
        }
        if port.is_none_or(|port| port.parse().is_ok_and(|port: u16| port > 0)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IceUrlError::Port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_people_write_them() {
        let stun = |text| IceUrl::stun(text).map(|url| url.0);
        let turn = |text| IceUrl::turn(text).map(|url| url.0);
        assert_eq!(stun("a.example:3478"), Ok("stun:a.example:3478".into()));
        assert_eq!(stun("stuns:a.example"), Ok("stuns:a.example".into()));
        assert_eq!(turn("[2001:db8::1]:1"), Ok("turn:[2001:db8::1]:1".into()));
        let tcp = "turns:a.example:443?transport=tcp";
        assert_eq!(turn(tcp), Ok(tcp.into()));
    }

    #[test]
    fn what_is_no_server_is_refused() {
        assert_eq!(IceUrl::stun(""), Err(IceUrlError::Host));
        assert_eq!(IceUrl::stun("stun://host"), Err(IceUrlError::Host));
        assert_eq!(IceUrl::stun("user@host:1"), Err(IceUrlError::Host));
        assert_eq!(IceUrl::stun("2001:db8::1"), Err(IceUrlError::Host));
        assert_eq!(IceUrl::stun("host:0"), Err(IceUrlError::Port));
        assert_eq!(IceUrl::stun("host:x"), Err(IceUrlError::Port));
        assert_eq!(
            IceUrl::stun("host:1?transport=udp"),
            Err(IceUrlError::Transport)
        );
        assert_eq!(
            IceUrl::turn("host:1?transport=sctp"),
            Err(IceUrlError::Transport)
        );
        assert_eq!("http:host".parse::<IceUrl>(), Err(IceUrlError::Scheme));
    }
}
