//! Credentials for a TURN server, as coturn's `--use-auth-secret` checks them
//! (draft-uberti-behave-turn-rest-00).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use zeroize::Zeroizing;

/// What a relay and its TURN servers know, and nobody else.
#[derive(Clone)]
pub struct TurnSecret(Arc<Zeroizing<String>>);

/// Anybody could know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the TURN servers' secret is empty")]
pub struct EmptySecret;

impl FromStr for TurnSecret {
    type Err = EmptySecret;

    /// White space around it is none of it: files end with a line break.
    fn from_str(text: &str) -> Result<Self, EmptySecret> {
        let text = text.trim();
        if text.is_empty() {
            return Err(EmptySecret);
        }
        Ok(Self(Arc::new(Zeroizing::new(text.to_owned()))))
    }
}

impl fmt::Debug for TurnSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TurnSecret")
    }
}

/// A user name and password that hold until so many seconds after 1970. All of
/// one host have one name, behind the time that coturn does not count to it, so
/// that its `--user-quota` is for each host.
pub(super) fn credentials(
    secret: &TurnSecret,
    until: u64,
    host: IpAddr,
) -> Result<(String, String), getrandom::Error> {
    let name = name(secret, host)?;
    let username = format!("{until}:{name:016x}");
    let credential = password(secret, &username);
    Ok((username, credential))
}

/// It says nothing of the address to who does not have the secret. Whoever comes
/// through a proxy on this machine that does not say for whom it asks has a name
/// of its own.
fn name(secret: &TurnSecret, host: IpAddr) -> Result<u64, getrandom::Error> {
    if host.is_loopback() {
        return getrandom::u64();
    }
    let digest = digest(secret, &format!("the host {host}"));
    let first = digest.first_chunk().expect("SHA-1 gives 20 bytes");
    Ok(u64::from_be_bytes(*first))
}

fn password(secret: &TurnSecret, username: &str) -> String {
    STANDARD.encode(digest(secret, username))
}

fn digest(secret: &TurnSecret, of: &str) -> [u8; 20] {
    let mut mac =
        Hmac::<Sha1>::new_from_slice(secret.0.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(of.as_bytes());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `echo -n 1790000000:samara | openssl dgst -sha1 -hmac north -binary |
    /// base64` says.
    #[test]
    fn a_password_is_what_coturn_expects() {
        let secret: TurnSecret = "north\n".parse().unwrap();
        assert_eq!(
            password(&secret, "1790000000:samara"),
            "QeBqU1/jPjwpNUKrPKVg+5qREcc="
        );
    }

    /// coturn's quota is for what stands behind the time.
    #[test]
    fn a_host_has_one_name_whenever_it_asks() {
        let secret: TurnSecret = "north".parse().unwrap();
        let name = |until, host: [u8; 4]| {
            let (username, _) = credentials(&secret, until, host.into()).unwrap();
            username.split_once(':').unwrap().1.to_owned()
        };
        let host = [192, 0, 2, 7];
        assert_eq!(name(7, host), name(8, host));
        assert_ne!(name(7, host), name(7, [192, 0, 2, 8]));
    }

    #[test]
    fn no_two_are_alike_and_none_shows_the_secret() {
        let secret: TurnSecret = "north".parse().unwrap();
        let proxy = IpAddr::from([127, 0, 0, 1]);
        let [one, other] = [(); 2].map(|()| credentials(&secret, 7, proxy).unwrap());
        assert_ne!(one, other);
        assert!(one.0.starts_with("7:"));
        assert_eq!(format!("{secret:?}"), "TurnSecret");
        assert!(matches!(" ".parse::<TurnSecret>(), Err(EmptySecret)));
    }
}
