//! Credentials for a TURN server, as coturn's `--use-auth-secret` checks them
//! (draft-uberti-behave-turn-rest-00).

use std::fmt;
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

/// A user name and password that hold until so many seconds after 1970. The
/// name is random: it tells the TURN server nothing of who asks.
pub(super) fn credentials(
    secret: &TurnSecret,
    until: u64,
) -> Result<(String, String), getrandom::Error> {
    let name = getrandom::u64()?;
    let username = format!("{until}:{name:016x}");
    let credential = password(secret, &username);
    Ok((username, credential))
}

fn password(secret: &TurnSecret, username: &str) -> String {
    let mut mac =
        Hmac::<Sha1>::new_from_slice(secret.0.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(username.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
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

    #[test]
    fn no_two_are_alike_and_none_shows_the_secret() {
        let secret: TurnSecret = "north".parse().unwrap();
        let [one, other] = [(); 2].map(|()| credentials(&secret, 7).unwrap());
        assert_ne!(one, other);
        assert!(one.0.starts_with("7:"));
        assert_eq!(format!("{secret:?}"), "TurnSecret");
        assert!(matches!(" ".parse::<TurnSecret>(), Err(EmptySecret)));
    }
}
