//! What the worker's script does for the peer, and what it is told.

use samara_core::message::IceServer;
use samara_swarm::{Cause, Problem, Signal};
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::WebSocket;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** Something one end of a WebRTC connection tells the other. */
export type PeerSignal =
  | { kind: 'offer'; sdp: string }
  | { kind: 'answer'; sdp: string }
  | { kind: 'candidate'; mid: string; mline: number; candidate: string };

/** A STUN or TURN server, and what a TURN server asks for. */
export interface PeerIceServer {
  url: string;
  username: string;
  credential: string;
}

/** Something a user wants to know at once. */
export type PeerEvent =
  | { kind: 'entry'; transfer: number; name: string; size: number; mimeType: string; chunks: number }
  | { kind: 'chunk'; transfer: number; index: number }
  | { kind: 'done'; transfer: number }
  | { kind: 'failed'; transfer: number; code: string; message: string }
  | {
      kind: 'pushed';
      transfer: number;
      proven: number;
      wanted: number;
      copies: number;
      target: number;
    }
  | { kind: 'pushRefused'; transfer: number; reason: string }
  | { kind: 'kept'; url: string; problem?: PeerProblem }
  | { kind: 'misbehaved'; peer?: string; what: string };

/** Why there is no connection: for programs and for people. */
export interface PeerProblem {
  cause: 'unreachable' | 'otherVersion';
  text: string;
}

/** What only a page can do, and who is to be told. */
export interface PeerHost {
  event(event: PeerEvent): void;
  /** Progress, peers or the store may be different now. Called often. */
  changed(): void;
  /** A socket to there, which may have been dialed before. Throws where none may be. */
  socket(url: string): WebSocket;
  /** Use these servers for connections made from now on, besides the user's. */
  iceServers(servers: PeerIceServer[]): void;
  /** Make a connection and its offer; every signal goes to `Peer.signal`. */
  dial(connection: bigint): void;
  /** Make a connection that answers the offer. */
  answer(connection: bigint, offer: string): void;
  /** Give the connection what its other end sent. */
  signal(connection: bigint, signal: PeerSignal): void;
  /** Close the connection, or stop making it. */
  hangUp(connection: bigint): void;
}

/** What a data channel looks like, and what can stand for one. */
export interface PeerChannel {
  send(bytes: Uint8Array): void;
  close(): void;
  readonly readyState: unknown;
  readonly bufferedAmount: number;
  bufferedAmountLowThreshold: number;
  binaryType: string;
  onopen: unknown;
  onmessage: unknown;
  onbufferedamountlow: unknown;
  onclose: unknown;
}
"#;

#[wasm_bindgen]
extern "C" {
    /// The worker's script, see `PeerHost` in the generated types.
    #[wasm_bindgen(typescript_type = "PeerHost")]
    pub type Host;

    #[wasm_bindgen(method)]
    pub(crate) fn event(this: &Host, event: JsValue);
    #[wasm_bindgen(method)]
    pub(crate) fn changed(this: &Host);
    #[wasm_bindgen(method, catch)]
    pub(crate) fn socket(this: &Host, url: &str) -> Result<WebSocket, JsValue>;
    #[wasm_bindgen(method, js_name = iceServers)]
    pub(crate) fn ice_servers(this: &Host, servers: JsValue);
    #[wasm_bindgen(method)]
    pub(crate) fn dial(this: &Host, connection: u64);
    #[wasm_bindgen(method)]
    pub(crate) fn answer(this: &Host, connection: u64, offer: &str);
    #[wasm_bindgen(method)]
    pub(crate) fn signal(this: &Host, connection: u64, signal: JsValue);
    #[wasm_bindgen(method, js_name = hangUp)]
    pub(crate) fn hang_up(this: &Host, connection: u64);
}

/// [`samara_swarm::Event`] for JavaScript.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum HostEvent<'a> {
    #[serde(rename_all = "camelCase")]
    Entry {
        transfer: u32,
        name: &'a str,
        size: u64,
        mime_type: &'a str,
        chunks: usize,
    },
    Chunk {
        transfer: u32,
        index: u32,
    },
    Done {
        transfer: u32,
    },
    Failed {
        transfer: u32,
        code: &'a str,
        message: &'a str,
    },
    Pushed {
        transfer: u32,
        proven: u32,
        wanted: u32,
        copies: u8,
        target: u8,
    },
    #[serde(rename = "pushRefused")]
    PushRefused {
        transfer: u32,
        reason: &'a str,
    },
    Kept {
        url: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        problem: Option<HostProblem>,
    },
    Misbehaved {
        #[serde(skip_serializing_if = "Option::is_none")]
        peer: Option<String>,
        what: &'a str,
    },
}

/// [`Problem`] for JavaScript.
#[derive(Serialize)]
pub(crate) struct HostProblem {
    cause: HostCause,
    text: String,
}

/// [`Cause`] for JavaScript.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum HostCause {
    Unreachable,
    OtherVersion,
}

impl From<Problem> for HostProblem {
    fn from(Problem { cause, text }: Problem) -> Self {
        let cause = match cause {
            Cause::Unreachable => HostCause::Unreachable,
            Cause::OtherVersion => HostCause::OtherVersion,
        };
        Self { cause, text }
    }
}

/// [`IceServer`] for JavaScript.
#[derive(Serialize, Deserialize)]
pub(crate) struct HostIceServer {
    url: String,
    username: String,
    credential: String,
}

impl From<IceServer> for HostIceServer {
    fn from(server: IceServer) -> Self {
        let IceServer {
            url,
            username,
            credential,
        } = server;
        Self {
            url,
            username,
            credential,
        }
    }
}

impl From<HostIceServer> for IceServer {
    fn from(server: HostIceServer) -> Self {
        let HostIceServer {
            url,
            username,
            credential,
        } = server;
        Self {
            url,
            username,
            credential,
        }
    }
}

/// [`Signal`] for JavaScript.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum HostSignal {
    Offer {
        sdp: String,
    },
    Answer {
        sdp: String,
    },
    Candidate {
        mid: String,
        mline: u16,
        candidate: String,
    },
}

impl From<Signal> for HostSignal {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Offer(sdp) => Self::Offer { sdp },
            Signal::Answer(sdp) => Self::Answer { sdp },
            Signal::Candidate {
                mid,
                mline,
                candidate,
            } => Self::Candidate {
                mid,
                mline,
                candidate,
            },
        }
    }
}

impl From<HostSignal> for Signal {
    fn from(signal: HostSignal) -> Self {
        match signal {
            HostSignal::Offer { sdp } => Self::Offer(sdp),
            HostSignal::Answer { sdp } => Self::Answer(sdp),
            HostSignal::Candidate {
                mid,
                mline,
                candidate,
            } => Self::Candidate {
                mid,
                mline,
                candidate,
            },
        }
    }
}

/// A value of ours as a JavaScript object.
pub(crate) fn to_object(value: &impl Serialize) -> JsValue {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    value
        .serialize(&serializer)
        .expect("our own shapes have a JavaScript form")
}

/// The same, with bytes as `Uint8Array`s.
pub(crate) fn to_object_with_bytes(value: &impl Serialize) -> JsValue {
    value
        .serialize(&serde_wasm_bindgen::Serializer::new())
        .expect("our own shapes have a JavaScript form")
}
