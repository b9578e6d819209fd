//! Addresses of relays and peers, as people type them and as they are dialed.

use std::fmt;
use std::net::SocketAddrV4;
use std::str::FromStr;

use url::Url;

/// A WebSocket address, `ws://host:port/ws` or `wss:`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PeerUrl(String);

/// Why a text is not the address of a relay or peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerUrlError {
    /// Not a URL.
    #[error("this is not an address; write it like http://relay.example:8080")]
    Syntax,
    /// Neither HTTP nor WebSocket.
    #[error("an address starts with http://, https://, ws:// or wss://")]
    Scheme,
    /// Credentials would end up in logs.
    #[error("an address has no user name and password")]
    Credentials,
}

impl PeerUrl {
    /// The address of a peer that the DHT named.
    pub fn of_socket(address: SocketAddrV4) -> Self {
        Self(format!("ws://{address}/ws"))
    }

    /// The page of the relay at this address.
    pub fn page(&self) -> String {
        let page = self.0.strip_suffix("ws").unwrap_or(&self.0);
        // ws: and wss: become http: and https:.
        page.replacen("ws", "http", 1)
    }

    /// The URL to dial.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PeerUrl {
    type Err = PeerUrlError;

    /// Takes a relay's page or a WebSocket URL. What follows a `#` is dropped:
    /// somebody may paste a whole link, and its secret is none of a relay's
    /// business.
    fn from_str(text: &str) -> Result<Self, PeerUrlError> {
        let mut url = Url::parse(text.trim()).map_err(|_| PeerUrlError::Syntax)?;
        let scheme = match url.scheme() {
            "http" | "ws" => "ws",
            "https" | "wss" => "wss",
            _ => return Err(PeerUrlError::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(PeerUrlError::Credentials);
        }
        url.set_scheme(scheme).map_err(|()| PeerUrlError::Scheme)?;
        url.set_fragment(None);
        url.set_query(None);
        let folder = url.path().trim_end_matches('/');
        let folder = folder.strip_suffix("/ws").unwrap_or(folder);
        let path = format!("{folder}/ws");
        url.set_path(&path);
        Ok(Self(url.into()))
    }
}

impl fmt::Display for PeerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_an_address_leads_to_the_socket() {
        for (text, url) in [
            ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/ws"),
            ("https://relay.example/", "wss://relay.example/ws"),
            ("ws://[::1]:9/ws", "ws://[::1]:9/ws"),
            ("wss://relay.example/ws/", "wss://relay.example/ws"),
            (" https://a.example/samara ", "wss://a.example/samara/ws"),
            ("https://a.example/?lang=en#secret", "wss://a.example/ws"),
        ] {
            assert_eq!(text.parse::<PeerUrl>().unwrap().as_str(), url, "{text}");
        }
    }

    #[test]
    fn a_relays_page_is_beside_its_socket() {
        for (text, page) in [
            ("ws://127.0.0.1:8080/ws", "http://127.0.0.1:8080/"),
            (
                "https://news.example/samara",
                "https://news.example/samara/",
            ),
        ] {
            assert_eq!(text.parse::<PeerUrl>().unwrap().page(), page, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, error) in [
            ("relay.example", PeerUrlError::Syntax),
            ("", PeerUrlError::Syntax),
            ("ftp://a.example", PeerUrlError::Scheme),
            ("http://me:pw@a.example", PeerUrlError::Credentials),
        ] {
            assert_eq!(text.parse::<PeerUrl>(), Err(error), "{text}");
        }
    }
}
