//! The few messages of BEP 5 that a sweep needs: its two queries, and what may
//! be answered.

use std::net::{Ipv4Addr, SocketAddrV4};

use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};

use super::key::{Key, LEN};

/// Longest answer that is read, in bytes; more than fits into one packet on
/// most ways through the internet.
pub(super) const MAX_PACKET: usize = 2048;

/// Nodes read of one answer: twice what BEP 5 has.
const NODES: usize = 16;

/// Longest token that is taken, in bytes. Those in use have 4 to 20.
const MAX_TOKEN: usize = 64;

/// Bytes of a node in an answer: id, IPv4 address, port.
const COMPACT: usize = LEN + 6;

/// Names a query in its answer. Four bytes, since some nodes drop others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Transaction(pub [u8; 4]);

/// What a node wants to see again in an announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token(Box<[u8]>);

/// What a node named: itself or another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Contact {
    pub key: Key,
    pub address: SocketAddrV4,
}

/// An answer to a query.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub transaction: Transaction,
    pub said: Said,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Yes {
        from: Key,
        nodes: Vec<Contact>,
        token: Option<Token>,
    },
    /// An error: for an announcement, that its token is not good here.
    No,
}

#[derive(Serialize)]
struct Query<'a> {
    a: Arguments<'a>,
    q: &'static str,
    /// The sender answers no queries (BEP 43).
    ro: u8,
    #[serde(with = "serde_bytes")]
    t: &'a [u8],
    y: &'static str,
}

#[derive(Serialize)]
struct Arguments<'a> {
    id: &'a Bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    implied_port: Option<u8>,
    info_hash: &'a Bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a Bytes>,
}

#[derive(Deserialize)]
struct Read {
    t: ByteBuf,
    y: ByteBuf,
    #[serde(default)]
    r: Option<Values>,
}

#[derive(Deserialize)]
struct Values {
    id: ByteBuf,
    #[serde(default)]
    nodes: Option<ByteBuf>,
    #[serde(default)]
    token: Option<ByteBuf>,
}

/// Asks for a token, and for the nodes nearest to `target`.
pub(super) fn get_peers(own: &Key, target: &Key, transaction: Transaction) -> Vec<u8> {
    let arguments = Arguments {
        id: Bytes::new(&own.0),
        implied_port: None,
        info_hash: Bytes::new(&target.0),
        port: None,
        token: None,
    };
    encode("get_peers", arguments, transaction)
}

/// Says that `target` is to be had at this machine's TCP port.
pub(super) fn announce_peer(
    own: &Key,
    target: &Key,
    port: u16,
    token: &Token,
    transaction: Transaction,
) -> Vec<u8> {
    let arguments = Arguments {
        id: Bytes::new(&own.0),
        implied_port: Some(0),
        info_hash: Bytes::new(&target.0),
        port: Some(port),
        token: Some(Bytes::new(&token.0)),
    };
    encode("announce_peer", arguments, transaction)
}

fn encode(q: &'static str, a: Arguments<'_>, transaction: Transaction) -> Vec<u8> {
    let query = Query {
        a,
        q,
        ro: 1,
        t: &transaction.0,
        y: "q",
    };
    serde_bencode::to_bytes(&query).expect("byte strings and numbers can be written")
}

/// Lists and dictionaries within each other that an answer may have: the
/// library reads them by recursion.
const DEPTH: usize = 16;

/// Whether nothing in a packet lies deeper than [`DEPTH`]. What is no bencode
/// is left for its reader to find.
fn is_flat(mut packet: &[u8]) -> bool {
    let mut depth = 0_usize;
    while let Some((first, rest)) = packet.split_first() {
        packet = rest;
        match first {
            b'd' | b'l' => depth += 1,
            b'e' => depth = depth.saturating_sub(1),
            b'i' => {
                let end = rest.iter().position(|byte| *byte == b'e');
                packet = end.and_then(|end| rest.get(end + 1..)).unwrap_or_default();
            }
            b'0'..=b'9' => {
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let more = rest.iter().take(digits.min(6));
                let len = more.fold(usize::from(first - b'0'), |len, digit| {
                    len * 10 + usize::from(digit - b'0')
                });
                // The colon, and the bytes.
                packet = rest.get(digits + 1 + len..).unwrap_or_default();
            }
            _ => return true,
        }
        if depth > DEPTH {
            return false;
        }
    }
    true
}

/// Reads an answer; `None` if it is none.
pub(super) fn answer(packet: &[u8]) -> Option<Answer> {
    if !is_flat(packet) {
        return None;
    }
    let read: Read = serde_bencode::from_bytes(packet).ok()?;
    let transaction = Transaction(read.t.as_slice().try_into().ok()?);
    let said = match read.y.as_slice() {
        b"r" => yes(read.r?)?,
        b"e" => Said::No,
        _ => return None,
    };
    Some(Answer { transaction, said })
}

fn yes(values: Values) -> Option<Said> {
    let token = values.token.filter(|token| token.len() <= MAX_TOKEN);
    let nodes = values.nodes.unwrap_or_default();
    Some(Said::Yes {
        from: Key::from_slice(&values.id)?,
        nodes: nodes
            .chunks_exact(COMPACT)
            .take(NODES)
            .filter_map(contact)
            .collect(),
        token: token.map(|token| Token(token.into_vec().into())),
    })
}

fn contact(compact: &[u8]) -> Option<Contact> {
    let (key, address) = compact.split_at_checked(LEN)?;
    let [a, b, c, d, high, low] = address.try_into().ok()?;
    let port = u16::from_be_bytes([high, low]);
    Some(Contact {
        key: Key::from_slice(key)?,
        address: SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), port),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Key = Key(*b"abcdefghij0123456789");
    const HASH: Key = Key(*b"mnopqrstuvwxyz123456");
    const T: Transaction = Transaction(*b"aabb");

    #[test]
    fn queries_are_as_bep_5_and_43_have_them() {
        let expected =
            b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers2:roi1e1:t4:aabb1:y1:qe";
        assert_eq!(get_peers(&OWN, &HASH, T), expected);
        let token = Token(Box::from(*b"aoeusnth"));
        let expected =
            b"d1:ad2:id20:abcdefghij012345678912:implied_porti0e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe1:q13:announce_peer2:roi1e1:t4:aabb1:y1:qe";
        assert_eq!(announce_peer(&OWN, &HASH, 6881, &token, T), expected);
    }

    #[test]
    fn answers_are_read_with_whatever_else_is_in_them() {
        let packet = b"d2:ip6:abcdef1:rd2:id20:abcdefghij01234567895:nodes26:mnopqrstuvwxyz123456\x7f\x00\x00\x01\x1a\xe15:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t4:aabb1:v4:LT\x01\x021:y1:re";
        let said = Said::Yes {
            from: OWN,
            nodes: vec![Contact {
                key: HASH,
                address: "127.0.0.1:6881".parse().unwrap(),
            }],
            token: Some(Token(Box::from(*b"aoeusnth"))),
        };
        let expected = Answer {
            transaction: T,
            said,
        };
        assert_eq!(answer(packet), Some(expected));
        let error = b"d1:eli203e9:bad tokene1:t4:aabb1:y1:ee";
        let expected = Answer {
            transaction: T,
            said: Said::No,
        };
        assert_eq!(answer(error), Some(expected));
    }

    #[test]
    fn what_is_no_answer_is_none() {
        let queries = get_peers(&OWN, &HASH, T);
        let nested = [b'l'; MAX_PACKET];
        // In a field that nobody reads.
        let deep = [b"d1:a", &nested[4..]].concat();
        let deeper = [b"d1:ai5e1:b2:le", &nested[14..]].concat();
        let packets: [&[u8]; 8] = [
            b"",
            b"d1:rd2:id3:abce1:t4:aabb1:y1:re",
            b"d1:rd2:id20:abcdefghij0123456789e1:t2:aa1:y1:re",
            b"d1:t4:aabb1:y99999999999999999999:re",
            &queries,
            &nested,
            &deep,
            &deeper,
        ];
        assert!(!is_flat(&deep) && !is_flat(&deeper));
        for packet in packets {
            assert_eq!(answer(packet), None);
        }
    }

    #[test]
    fn an_answer_names_a_bounded_number_of_nodes() {
        let mut packet = b"d1:rd2:id20:abcdefghij01234567895:nodes1040:".to_vec();
        packet.extend([7; 1040]);
        packet.extend(b"5:token100:");
        packet.extend([7; 100]);
        packet.extend(b"e1:t4:aabb1:y1:re");
        let Some(Answer {
            said: Said::Yes { nodes, token, .. },
            ..
        }) = answer(&packet)
        else {
            panic!("an answer")
        };
        assert_eq!((nodes.len(), token), (NODES, None));
    }
}
