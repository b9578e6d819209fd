//! Links: the shortest thing that opens a file.
//!
//! A link is the id and key of a sealed entry, however large the file. In a
//! URL it is the fragment, which browsers never send to a server
//! (`docs/protocol.md`, "Link").

use alloc::string::String;
use alloc::vec::Vec;
use core::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use sha2::{Digest as _, Sha256};

use crate::blob::BlobId;
use crate::derive::{SignalKey, Topic};
use crate::entry::blob::Depth;
use crate::seal::BlobKey;

/// First byte of a link.
const VERSION: u8 = 1;
/// Bytes of SHA-256 that end a link, so that a mistyped one is told at once.
const CHECKSUM_LEN: usize = 4;
/// `version 1 · depth 1 · id 32 · key 32 · checksum 4`.
const LINK_LEN: usize = 2 + BlobId::LEN + BlobKey::LEN + CHECKSUM_LEN;
/// What a link starts with where no page opens it.
const SCHEME: &str = "samara:";

/// Opens one file for whoever holds it. Its text is a secret: `Debug` hides
/// it, and there is no `Display`; use [`Link::to_text`] or [`Link::to_url`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// The entry blob.
    pub id: BlobId,
    /// The entry blob's key.
    pub key: BlobKey,
    /// How many entries are between this link and the file's own.
    pub depth: Depth,
}

/// Why a text is not a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// There is no link in the text.
    #[error(
        "this is not a samara link; a link ends in # and {} letters, digits, - and _",
        text_len()
    )]
    NotALink,
    /// Too short or too long.
    #[error(
        "the link has {found} characters after the # where {} belong; copy it again, whole",
        text_len()
    )]
    Length {
        /// Characters found.
        found: usize,
    },
    /// A character was changed on the way.
    #[error("the link is damaged: its check digits do not match; copy it again")]
    Damaged,
    /// Made by a later version of this software.
    #[error("the link is of version {found}, this software reads version 1; update it")]
    Version {
        /// Version found.
        found: u8,
    },
}

const fn text_len() -> usize {
    LINK_LEN.div_ceil(3) * 4 - (3 - LINK_LEN % 3) % 3
}

impl Link {
    /// Where holders of this link meet.
    pub fn topic(&self) -> Topic {
        Topic::of(&self.key)
    }

    /// What holders of this link seal their signaling with.
    pub fn signal_key(&self) -> SignalKey {
        SignalKey::of(&self.key)
    }

    /// The link on its own, for a command line: `samara:…`.
    pub fn to_text(&self) -> String {
        let mut text = String::from(SCHEME);
        text.push_str(&self.payload());
        text
    }

    /// The link as the fragment of a page that opens it.
    pub fn to_url(&self, page: &str) -> String {
        let mut url = String::from(page.split('#').next().unwrap_or_default());
        url.push('#');
        url.push_str(&self.payload());
        url
    }

    fn payload(&self) -> String {
        let mut bytes = Vec::with_capacity(LINK_LEN);
        bytes.extend_from_slice(&[VERSION, self.depth.get()]);
        bytes.extend_from_slice(self.id.as_bytes());
        bytes.extend_from_slice(self.key.expose());
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        Base64UrlUnpadded::encode_string(&bytes)
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_LEN] {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    core::array::from_fn(|index| digest[index])
}

impl FromStr for Link {
    type Err = LinkError;

    /// Reads `samara:…`, a page's URL with the link as its fragment, or the
    /// bare payload.
    fn from_str(text: &str) -> Result<Self, LinkError> {
        let text = text.trim();
        let payload = match (text.strip_prefix(SCHEME), text.split_once('#')) {
            (Some(payload), _) | (None, Some((_, payload))) => payload,
            (None, None) => text,
        };
        if payload.is_empty() || payload.contains(['/', ':', '.', ' ']) {
            return Err(LinkError::NotALink);
        }
        let mut bytes = [0; LINK_LEN];
        if payload.len() != text_len() {
            let found = payload.chars().count();
            return Err(LinkError::Length { found });
        }
        Base64UrlUnpadded::decode(payload, &mut bytes).map_err(|_| LinkError::Damaged)?;
        Self::from_bytes(&bytes)
    }
}

impl Link {
    fn from_bytes(bytes: &[u8; LINK_LEN]) -> Result<Self, LinkError> {
        let (body, check) = bytes
            .split_last_chunk::<CHECKSUM_LEN>()
            .ok_or(LinkError::Damaged)?;
        if checksum(body) != *check {
            return Err(LinkError::Damaged);
        }
        let [version, depth, ids @ ..] = body else {
            return Err(LinkError::Damaged);
        };
        if *version != VERSION {
            return Err(LinkError::Version { found: *version });
        }
        let (id, key) = ids
            .split_first_chunk::<{ BlobId::LEN }>()
            .ok_or(LinkError::Damaged)?;
        Ok(Self {
            id: BlobId::from_bytes(*id),
            key: BlobKey::from_bytes(key.try_into().map_err(|_| LinkError::Damaged)?),
            depth: Depth::new(*depth).ok_or(LinkError::Damaged)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn link() -> Link {
        Link {
            id: BlobId::from_bytes([1; 32]),
            key: BlobKey::from_bytes([2; 32]),
            depth: Depth::ZERO,
        }
    }

    #[test]
    fn a_link_reads_back_in_every_form_it_is_written() {
        let url = link().to_url("https://relay.example/?lang=en#old");
        assert!(url.starts_with("https://relay.example/?lang=en#"));
        assert_eq!(url.parse(), Ok(link()));
        let text = link().to_text();
        assert_eq!(text.parse(), Ok(link()));
        assert_eq!(std::format!(" {text}\n").parse(), Ok(link()));
        assert_eq!(text.strip_prefix(SCHEME).unwrap().parse(), Ok(link()));
    }

    #[test]
    fn a_truncated_link_is_told_from_a_text_that_is_none() {
        let text = link().to_text();
        let cut = &text[..text.len() - 3];
        assert_eq!(cut.parse::<Link>(), Err(LinkError::Length { found: 91 }));
        for text in ["", "https://relay.example/", "movie.mkv", "a b"] {
            assert_eq!(text.parse::<Link>(), Err(LinkError::NotALink), "{text}");
        }
        assert!("ünïcödé".parse::<Link>().is_err());
    }

    #[test]
    fn a_link_is_not_shown_in_debug_output() {
        let shown = std::format!("{:?}", link());
        assert!(
            !shown.contains("0202") && !shown.contains("2, 2"),
            "{shown}"
        );
    }

    proptest! {
        #[test]
        fn one_mistyped_character_is_noticed(at in 0..94_usize, letter in "[A-Za-z0-9_-]") {
            let mut payload = link().payload();
            prop_assume!(payload[at..=at] != letter);
            payload.replace_range(at..=at, &letter);
            prop_assert!(payload.parse::<Link>().is_err());
        }

        #[test]
        fn no_text_makes_the_parser_panic(text: String) {
            let _ = text.parse::<Link>();
        }
    }
}
