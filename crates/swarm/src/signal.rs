//! What members of a room say to each other inside the seal
//! (`docs/protocol.md`, "Signaling").

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use samara_core::{MemberId, Topic};

use crate::face::Signal;

/// Which session a signal belongs to, and the how manieth of its sender's it is
/// there, from 1 on: whoever carries signals cannot say one again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) session: u32,
    pub(crate) number: u32,
}

/// A sealed signal's content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Whisper {
    /// 1, 2, 3: about a WebRTC connection.
    WebRtc(Signal),
    /// 4: a message of the blob protocol.
    Circuit(Bytes),
    /// 5: the session is over.
    Bye,
}

const OFFER: u8 = 1;
const ANSWER: u8 = 2;
const CANDIDATE: u8 = 3;
const CIRCUIT: u8 = 4;
const BYE: u8 = 5;

/// Bytes before a signal's content.
const HEADER: usize = 9;

/// What the seal also covers: a relay cannot pass a signal off as another's.
pub(crate) fn context(topic: Topic, from: MemberId, to: MemberId) -> [u8; 36] {
    let mut context = [0; 36];
    context[..20].copy_from_slice(topic.as_bytes());
    context[20..28].copy_from_slice(&from.0.to_be_bytes());
    context[28..].copy_from_slice(&to.0.to_be_bytes());
    context
}

impl Whisper {
    pub(crate) fn encode(&self, place: Place) -> Vec<u8> {
        let (kind, fields): (u8, [&[u8]; 3]) = match self {
            Self::WebRtc(Signal::Offer(sdp)) => (OFFER, [sdp.as_bytes(), &[], &[]]),
            Self::WebRtc(Signal::Answer(sdp)) => (ANSWER, [sdp.as_bytes(), &[], &[]]),
            Self::WebRtc(Signal::Candidate {
                mid,
                mline,
                candidate,
            }) => {
                // RFC 8843 mids are a few characters; one that is not is cut.
                let mid = &mid[..mid.floor_char_boundary(255)];
                let [high, low] = mline.to_be_bytes();
                let len = u8::try_from(mid.len()).expect("cut to 255 bytes");
                let fields = [&[high, low, len], mid.as_bytes(), candidate.as_bytes()];
                return concat(CANDIDATE, place, fields);
            }
            Self::Circuit(message) => (CIRCUIT, [message, &[], &[]]),
            Self::Bye => (BYE, [&[], &[], &[]]),
        };
        concat(kind, place, fields)
    }

    /// Reads place and content; `None` if it is neither.
    pub(crate) fn decode(bytes: Vec<u8>) -> Option<(Place, Self)> {
        let ([kind], rest) = bytes.split_first_chunk::<1>()?;
        let (session, rest) = rest.split_first_chunk::<4>()?;
        let (number, rest) = rest.split_first_chunk::<4>()?;
        let place = Place {
            session: u32::from_be_bytes(*session),
            number: u32::from_be_bytes(*number),
        };
        let text = || core::str::from_utf8(rest).ok().map(String::from);
        let whisper = match *kind {
            OFFER => Self::WebRtc(Signal::Offer(text()?)),
            ANSWER => Self::WebRtc(Signal::Answer(text()?)),
            CANDIDATE => Self::WebRtc(candidate(rest)?),
            CIRCUIT => return Some((place, Self::Circuit(Bytes::from(bytes).slice(HEADER..)))),
            BYE => Self::Bye,
            _ => return None,
        };
        Some((place, whisper))
    }
}

fn concat(kind: u8, place: Place, fields: [&[u8]; 3]) -> Vec<u8> {
    let [a, b, c] = fields;
    let [session, number] = [place.session, place.number].map(u32::to_be_bytes);
    [&[kind], &session[..], &number, a, b, c].concat()
}

fn candidate(bytes: &[u8]) -> Option<Signal> {
    let ([high, low, len], rest) = bytes.split_first_chunk::<3>()?;
    let (mid, candidate) = rest.split_at_checked(usize::from(*len))?;
    Some(Signal::Candidate {
        mid: core::str::from_utf8(mid).ok()?.into(),
        mline: u16::from_be_bytes([*high, *low]),
        candidate: core::str::from_utf8(candidate).ok()?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whispers() -> impl Strategy<Value = Whisper> {
        let sdp = "[ -~\r\n]{0,80}";
        prop_oneof![
            sdp.prop_map(|sdp| Whisper::WebRtc(Signal::Offer(sdp))),
            sdp.prop_map(|sdp| Whisper::WebRtc(Signal::Answer(sdp))),
            ("[a-z0-9]{0,9}", any::<u16>(), sdp).prop_map(|(mid, mline, candidate)| {
                Whisper::WebRtc(Signal::Candidate {
                    mid,
                    mline,
                    candidate,
                })
            }),
            any::<Vec<u8>>().prop_map(|bytes| Whisper::Circuit(bytes.into())),
            Just(Whisper::Bye),
        ]
    }

    /// A case of `tests/vectors/signal.json`, see the README there.
    fn of_vector(case: &serde_json::Value) -> (Place, Whisper, Vec<u8>) {
        let fields = &case["fields"];
        let text = |value: &serde_json::Value| String::from(value.as_str().unwrap());
        let bytes = |value: &serde_json::Value| -> Vec<u8> {
            let digits = value.as_str().unwrap();
            let pairs = (0..digits.len()).step_by(2);
            pairs
                .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
                .collect()
        };
        let number = |value: &serde_json::Value| u32::try_from(value.as_u64().unwrap()).unwrap();
        let whisper = match case["name"].as_str().unwrap() {
            "OFFER" => Whisper::WebRtc(Signal::Offer(text(&fields["sdp"]))),
            "ANSWER" => Whisper::WebRtc(Signal::Answer(text(&fields["sdp"]))),
            "CANDIDATE" => Whisper::WebRtc(Signal::Candidate {
                mid: text(&fields["mid"]),
                mline: u16::try_from(number(&fields["mline"])).unwrap(),
                candidate: text(&fields["candidate"]),
            }),
            "CIRCUIT" => Whisper::Circuit(bytes(&fields["message"]).into()),
            "BYE" => Whisper::Bye,
            other => panic!("the vectors have a signal {other}"),
        };
        let place = Place {
            session: number(&fields["session"]),
            number: number(&fields["number"]),
        };
        (place, whisper, bytes(&case["plain"]))
    }

    #[test]
    fn whispers_are_written_and_read_as_the_vectors_say() {
        let text = include_str!("../../../tests/vectors/signal.json");
        let file: serde_json::Value = serde_json::from_str(text).unwrap();
        for case in file["signals"].as_array().unwrap() {
            let (place, whisper, plain) = of_vector(case);
            assert_eq!(whisper.encode(place), plain);
            assert_eq!(Whisper::decode(plain), Some((place, whisper)));
        }
    }

    proptest! {
        #[test]
        fn every_whisper_reads_back(whisper in whispers(), session: u32, number: u32) {
            let place = Place { session, number };
            let bytes = whisper.encode(place);
            prop_assert_eq!(Whisper::decode(bytes), Some((place, whisper)));
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes: Vec<u8>) {
            let _ = Whisper::decode(bytes);
        }
    }
}
