//! Messages for JavaScript: objects with the specification's names.

use bytes::Bytes;
use samara_core::Message;
use samara_core::message::DecodeError;
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::error::{Coded, coded, to_js};
use crate::host::{HostIceServer, to_object_with_bytes};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** What a peer says of itself. */
export interface PeerHandshake {
  version: number;
  features: string;
  peer: string;
  maxMessage: number;
  nonce: string;
}

/**
 * A message of the protocol. Ids are hexadecimal: 64 digits of a blob, peer or nonce, 128
 * of a proof, 40 of a topic, 16 of a member or of feature bits.
 */
export type PeerMessage =
  | ({ type: 'HANDSHAKE' } & PeerHandshake)
  | ({ type: 'HANDSHAKE_ACK'; proof: string } & PeerHandshake)
  | { type: 'PROOF'; proof: string }
  | { type: 'REQUEST' | 'NOT_FOUND'; request: number; blob: string }
  | { type: 'RESPONSE'; request: number; blob: string; data: Uint8Array }
  | { type: 'HAVE'; blobs: { blob: string; length: number }[] }
  | { type: 'HAVE_BITS'; topic: string; first: number; bits: Uint8Array }
  | { type: 'WANT'; blobs: { blob: string; hops: number }[] }
  | { type: 'ERROR'; request: number; code: number; text: string }
  | { type: 'PART'; request: number; offset: number; total: number; data: Uint8Array }
  | { type: 'CANCEL'; request: number }
  | { type: 'CHALLENGE'; request: number; blob: string; nonce: string }
  | { type: 'POSSESSION'; request: number; evidence: string }
  | { type: 'JOIN'; topic: string; reach: number }
  | { type: 'LEAVE'; topic: string }
  | { type: 'MEMBERS'; topic: string; you: string; members: { member: string; reach: number }[] }
  | { type: 'JOINED'; topic: string; member: string; reach: number }
  | { type: 'LEFT'; topic: string; member: string }
  | { type: 'SIGNAL'; topic: string; member: string; sealed: Uint8Array }
  | { type: 'SOURCES'; topic: string; addresses: string[] }
  | { type: 'ICE_SERVERS'; lifetime: number; servers: PeerIceServer[] }
  | { type: 'FORWARD'; topic: string; from: string; to: string; sealed: Uint8Array }
  | { type: 'TAKEN'; topic: string; from: string; bytes: number };
"#;

#[wasm_bindgen]
extern "C" {
    /// `PeerMessage` in the generated types.
    #[wasm_bindgen(typescript_type = "PeerMessage")]
    pub type PeerMessage;
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Greeting {
    pub version: u16,
    pub features: String,
    pub peer: String,
    pub max_message: u32,
    pub nonce: String,
}

/// A [`Greeting`] and its proof.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    pub version: u16,
    pub features: String,
    pub peer: String,
    pub max_message: u32,
    pub nonce: String,
    pub proof: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Held {
    pub blob: String,
    pub length: u32,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Wanted {
    pub blob: String,
    pub hops: i8,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Present {
    pub member: String,
    pub reach: u8,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Form {
    Handshake(Greeting),
    HandshakeAck(Answer),
    Proof {
        proof: String,
    },
    Request {
        request: u32,
        blob: String,
    },
    Response {
        request: u32,
        blob: String,
        data: Bytes,
    },
    Have {
        blobs: Vec<Held>,
    },
    HaveBits {
        topic: String,
        first: u32,
        bits: Bytes,
    },
    Want {
        blobs: Vec<Wanted>,
    },
    NotFound {
        request: u32,
        blob: String,
    },
    Error {
        request: u32,
        code: u16,
        text: String,
    },
    Part {
        request: u32,
        offset: u32,
        total: u32,
        data: Bytes,
    },
    Cancel {
        request: u32,
    },
    Challenge {
        request: u32,
        blob: String,
        nonce: String,
    },
    Possession {
        request: u32,
        evidence: String,
    },
    Join {
        topic: String,
        reach: u8,
    },
    Leave {
        topic: String,
    },
    Members {
        topic: String,
        you: String,
        members: Vec<Present>,
    },
    Joined {
        topic: String,
        member: String,
        reach: u8,
    },
    Left {
        topic: String,
        member: String,
    },
    Signal {
        topic: String,
        member: String,
        sealed: Bytes,
    },
    Sources {
        topic: String,
        addresses: Vec<String>,
    },
    IceServers {
        lifetime: u32,
        servers: Vec<HostIceServer>,
    },
    Forward {
        topic: String,
        from: String,
        to: String,
        sealed: Bytes,
    },
    Taken {
        topic: String,
        from: String,
        bytes: u32,
    },
}

impl Coded for DecodeError {
    fn code(&self) -> &'static str {
        "bad-message"
    }
}

/// Reads one whole message.
#[wasm_bindgen(js_name = readMessage)]
pub fn read_message(bytes: Vec<u8>) -> Result<PeerMessage, JsValue> {
    let message = Message::decode(&Bytes::from(bytes)).map_err(|error| to_js(&error))?;
    Ok(to_object_with_bytes(&Form::from(message)).into())
}

/// The message as it goes on the wire.
#[wasm_bindgen(js_name = writeMessage)]
pub fn write_message(message: PeerMessage) -> Result<Vec<u8>, JsValue> {
    let form: Form = serde_wasm_bindgen::from_value(message.into())
        .map_err(|error| coded("bad-message", &error.to_string()))?;
    let message = Message::try_from(form);
    let message = message.map_err(|error| coded("bad-message", &error.to_string()))?;
    Ok(message.encode().to_vec())
}
