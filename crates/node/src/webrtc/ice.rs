//! What a node is told about finding ways to others.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use rtc::ice::url::Url;
use samara_core::message::IceServer as Named;

use super::ports::PortRange;

/// How a node opens data channels.
#[derive(Clone, Debug, Default)]
pub struct WebRtcConfig {
    /// Servers that say how this machine is seen from outside, or that pass
    /// its packets on.
    pub ice_servers: Vec<IceServer>,
    /// The UDP port for connections that others begin; `None` is any free one.
    /// Each connection begun here has a port of its own, and so has what a
    /// connection says to TURN servers.
    pub port: Option<u16>,
    /// Where all ports come from that are not named; `None` is anywhere.
    pub ports: Option<PortRange>,
    /// Addresses of this machine to send from and be reached at; none is those
    /// of all interfaces.
    pub addresses: Vec<IpAddr>,
}

/// A STUN server (RFC 7064) or a TURN server (RFC 7065) with what it asks for.
#[derive(Clone, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:host:port` or `turn:host:port`.
    pub(super) url: String,
    pub(super) username: String,
    pub(super) credential: String,
}

/// Why a text is no STUN or TURN server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IceServerError {
    /// Neither kind, or one that is not spoken here.
    #[error("write it like stun:stun.example:3478 or turn:user:password@turn.example:3478")]
    Scheme,
    /// No host.
    #[error("the server's host is missing")]
    Host,
    /// TURN serves nobody it does not know.
    #[error("a TURN server asks for a user and a password: turn:user:password@host:port")]
    Credentials,
}

impl IceServer {
    /// One that a relay named; `None` if it is none, which would cost a
    /// connection all the others, or of a kind that is not spoken here: with
    /// TLS, or TURN by TCP.
    pub(super) fn named(server: Named) -> Option<Self> {
        let Named {
            url,
            username,
            credential,
        } = server;
        let (scheme, rest) = url.split_once(':')?;
        Url::parse_url(&url).ok()?;
        let spoken = match scheme {
            "stun" => true,
            "turn" => !rest.contains('?') || rest.ends_with("?transport=udp"),
            _ => false,
        };
        spoken.then_some(Self {
            url,
            username,
            credential,
        })
    }

    /// Whether packets go through it.
    pub(super) fn passes_on(&self) -> bool {
        self.url.starts_with("turn:")
    }
}

impl FromStr for IceServer {
    type Err = IceServerError;

    /// The user and the password of a TURN server stand before its host; a
    /// password may hold any character.
    fn from_str(text: &str) -> Result<Self, IceServerError> {
        let text = text.trim();
        let (scheme, rest) = text.split_once(':').ok_or(IceServerError::Scheme)?;
        let (username, credential, host) = match scheme {
            "stun" => ("", "", rest),
            "turn" => {
                let (who, host) = rest.rsplit_once('@').ok_or(IceServerError::Credentials)?;
                let (user, password) = who.split_once(':').ok_or(IceServerError::Credentials)?;
                if user.is_empty() || password.is_empty() {
                    return Err(IceServerError::Credentials);
                }
                (user, password, host)
            }
            _ => return Err(IceServerError::Scheme),
        };
        if host.is_empty() || host.starts_with([':', '/', '?']) || host.contains('@') {
            return Err(IceServerError::Host);
        }
        Ok(Self {
            url: format!("{scheme}:{host}"),
            username: username.to_owned(),
            credential: credential.to_owned(),
        })
    }
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IceServer").field(&self.url).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_people_write_them() {
        let stun: IceServer = "stun:stun.example:3478".parse().unwrap();
        assert_eq!(stun.url, "stun:stun.example:3478");
        assert!(!stun.passes_on());
        let turn: IceServer = "turn:me:p@ss:w@[2001:db8::1]:3478".parse().unwrap();
        assert_eq!(turn.url, "turn:[2001:db8::1]:3478");
        assert_eq!((&*turn.username, &*turn.credential), ("me", "p@ss:w"));
        assert!(turn.passes_on());
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for (text, error) in [
            ("stun.example", IceServerError::Scheme),
            ("https://stun.example", IceServerError::Scheme),
            ("stuns:stun.example", IceServerError::Scheme),
            ("stun:", IceServerError::Host),
            ("stun://stun.example", IceServerError::Host),
            ("stun:me@stun.example", IceServerError::Host),
            ("turn:turn.example:3478", IceServerError::Credentials),
            ("turn:me@turn.example", IceServerError::Credentials),
            ("turn:me:@turn.example", IceServerError::Credentials),
            ("turn:me:pw@", IceServerError::Host),
        ] {
            assert_eq!(text.parse::<IceServer>(), Err(error), "{text}");
        }
    }

    #[test]
    fn of_what_a_relay_names_only_what_can_be_used_is() {
        let named = |url: &str| {
            IceServer::named(Named {
                url: url.into(),
                username: "name".into(),
                credential: "pw".into(),
            })
        };
        for url in [
            "stun:a.example",
            "turn:a.example:1",
            "turn:[::1]?transport=udp",
        ] {
            assert!(named(url).is_some(), "{url}");
        }
        for url in [
            "",
            "stun:",
            "stun:a.example:70000",
            "stuns:a.example",
            "turns:a.example",
            "turn:a.example?transport=tcp",
        ] {
            assert!(named(url).is_none(), "{url}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let turn: IceServer = "turn:me:secret@turn.example".parse().unwrap();
        assert!(!format!("{turn:?}").contains("secret"));
    }
}
