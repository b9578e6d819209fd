//! As much of STUN (RFC 8489) as tells whose packet it is.

/// Bytes of a message before its attributes.
const HEADER: usize = 20;
const COOKIE: [u8; 4] = 0x2112_a442_u32.to_be_bytes();
const BINDING_REQUEST: [u8; 2] = [0, 1];
/// Of TURN (RFC 8656, section 17).
const ALLOCATE_REQUEST: [u8; 2] = [0, 3];
const USERNAME: u16 = 6;

/// What a request and its response have in common.
pub(super) type Transaction = [u8; 12];

/// The transaction of a request.
pub(super) fn request(packet: &[u8]) -> Option<Transaction> {
    let (kind, transaction, _) = message(packet)?;
    (kind[0] & 1 == 0 && kind[1] & 0x10 == 0).then_some(transaction)
}

/// The transaction of a success or error response.
pub(super) fn response(packet: &[u8]) -> Option<Transaction> {
    let (kind, transaction, _) = message(packet)?;
    (kind[0] & 1 == 1).then_some(transaction)
}

/// Whether it asks a TURN server for an address there.
pub(super) fn allocates(packet: &[u8]) -> bool {
    message(packet).is_some_and(|(kind, ..)| kind == ALLOCATE_REQUEST)
}

/// Whether it asks for nothing but how its sender is seen, or is a
/// connectivity check.
pub(super) fn binds(packet: &[u8]) -> bool {
    message(packet).is_some_and(|(kind, ..)| kind == BINDING_REQUEST)
}

/// To whom a connectivity check is addressed: the receiver's user name
/// fragment (RFC 8445, section 7.2.2).
pub(super) fn addressee(packet: &[u8]) -> Option<&str> {
    let (kind, _, mut attributes) = message(packet)?;
    if kind != BINDING_REQUEST {
        return None;
    }
    while let Some((header, rest)) = attributes.split_first_chunk::<4>() {
        let [t0, t1, l0, l1] = *header;
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        let value = rest.get(..len)?;
        if u16::from_be_bytes([t0, t1]) == USERNAME {
            let (receiver, _) = std::str::from_utf8(value).ok()?.split_once(':')?;
            return Some(receiver);
        }
        attributes = rest.get(len.next_multiple_of(4)..)?;
    }
    None
}

/// Kind, transaction and attributes of what is a STUN message.
fn message(packet: &[u8]) -> Option<([u8; 2], Transaction, &[u8])> {
    let (header, attributes) = packet.split_first_chunk::<HEADER>()?;
    let (kind, rest) = header.split_first_chunk::<2>()?;
    let (len, rest) = rest.split_first_chunk::<2>()?;
    let (cookie, transaction) = rest.split_first_chunk::<4>()?;
    let attributes = attributes.get(..usize::from(u16::from_be_bytes(*len)))?;
    // The upper two bits tell STUN from all else on the same port (RFC 7983).
    let is_stun = kind[0] & 0xc0 == 0 && *cookie == COOKIE;
    is_stun.then_some((*kind, transaction.try_into().ok()?, attributes))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A STUN message with these attributes.
    pub fn packet(kind: u16, transaction: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, value) in attributes {
            body.extend(kind.to_be_bytes());
            body.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut packet = kind.to_be_bytes().to_vec();
        packet.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        packet.extend(COOKIE);
        packet.extend([transaction; 12]);
        packet.extend(body);
        packet
    }

    /// A connectivity check for the owner of a user name fragment.
    pub fn check(receiver: &str) -> Vec<u8> {
        let name = format!("{receiver}:theirs");
        packet(1, 9, &[(0x8022, b"odd"), (USERNAME, name.as_bytes())])
    }

    #[test]
    fn a_check_names_its_receiver() {
        assert_eq!(addressee(&check("ours")), Some("ours"));
        // Whatever follows the message in the datagram is none of it.
        assert_eq!(
            addressee(&[check("ours"), vec![1; 9]].concat()),
            Some("ours")
        );
    }

    #[test]
    fn a_message_cut_short_anywhere_names_nobody() {
        let whole = check("ours");
        for len in 0..whole.len() {
            assert_eq!(addressee(&whole[..len]), None, "{len}");
            assert_eq!(request(&whole[..len]), None, "{len}");
        }
    }

    #[test]
    fn an_attribute_that_is_longer_than_the_message_names_nobody() {
        let mut long = check("ours");
        long[22..24].copy_from_slice(&u16::MAX.to_be_bytes());
        assert_eq!(addressee(&long), None);
    }

    #[test]
    fn what_is_no_check_names_nobody() {
        let mut other_cookie = check("ours");
        other_cookie[4] ^= 1;
        let mut dtls = check("ours");
        dtls[0] = 22;
        for packet in [
            other_cookie,
            dtls,
            packet(0x0101, 9, &[(USERNAME, b"ours:theirs")]),
            packet(1, 9, &[]),
            packet(1, 9, &[(USERNAME, b"nocolon")]),
            packet(1, 9, &[(USERNAME, b"\xff\xff:theirs")]),
            Vec::new(),
        ] {
            assert_eq!(addressee(&packet), None, "{packet:?}");
        }
    }

    #[test]
    fn a_response_is_found_by_its_requests_transaction() {
        let request_of = |kind| request(&packet(kind, 7, &[]));
        let response_of = |kind| response(&packet(kind, 7, &[]));
        assert_eq!(request_of(0x0001), Some([7; 12]));
        for answered in [0x0101, 0x0111] {
            assert_eq!(response_of(answered), Some([7; 12]));
            assert_eq!(request_of(answered), None);
        }
        // An indication is neither.
        assert_eq!(request_of(0x0011), None);
        assert_eq!(response_of(0x0011), None);
        assert_eq!(response_of(0x0001), None);
    }
}
