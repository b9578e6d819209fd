//! What ties a peer's proof of identity to a data channel: the certificates
//! of its ends.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

/// A certificate's SHA-256 fingerprint (RFC 8122, section 5).
pub(super) type Fingerprint = [u8; 32];

/// The fingerprint of a certificate in DER, as a peer presented it.
pub(super) fn of_certificate(der: &[u8]) -> Fingerprint {
    Sha256::digest(der).into()
}

/// The fingerprint that a description of this end names; `None` if it names
/// not just one by SHA-256, which is not what the other end goes by then.
pub(super) fn of_description(sdp: &str) -> Option<Fingerprint> {
    let lines = sdp.lines().map(str::trim);
    let mut found = lines.filter_map(|line| line.strip_prefix("a=fingerprint:"));
    let first = found.next()?;
    if found.any(|other| !other.eq_ignore_ascii_case(first)) {
        return None;
    }
    let (hash, digits) = first.split_once(' ')?;
    if !hash.eq_ignore_ascii_case("sha-256") {
        return None;
    }
    let bytes = digits.split(':').map(|pair| {
        let two = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
        two.then(|| u8::from_str_radix(pair, 16).ok())?
    });
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

/// Both ends' fingerprints, the offering side's first.
pub(super) fn binding(offer: Fingerprint, answer: Fingerprint) -> Bytes {
    Bytes::from([offer, answer].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(byte: &str) -> String {
        let hex = vec![byte; 32].join(":");
        format!("a=fingerprint:sha-256 {hex}\r\n")
    }

    #[test]
    fn a_fingerprint_is_read_from_a_description() {
        let sdp = format!("v=0\r\n{}a=setup:actpass\r\n", line("AB"));
        assert_eq!(of_description(&sdp), Some([0xab; 32]));
    }

    #[test]
    fn the_same_fingerprint_for_the_session_and_its_medium_is_one() {
        let sdp = format!("{}m=application 9\r\n{}", line("0F"), line("0f"));
        assert_eq!(of_description(&sdp), Some([15; 32]));
    }

    #[test]
    fn a_description_with_another_fingerprint_or_none_has_no_binding() {
        for sdp in [
            "v=0\r\n".to_owned(),
            line("01") + &line("02"),
            line("01").replace("sha-256", "sha-512"),
            line("0x"),
            line("+1"),
            "a=fingerprint:sha-256 01:02\r\n".to_owned(),
        ] {
            assert_eq!(of_description(&sdp), None, "{sdp}");
        }
    }

    #[test]
    fn a_binding_has_the_offering_sides_fingerprint_first() {
        let expected = [[1; 32], [2; 32]].concat();
        assert_eq!(binding([1; 32], [2; 32]), expected);
    }
}
