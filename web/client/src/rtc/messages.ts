// What the worker tells the page about WebRTC connections, and hears from it.
// Only a page can make them.

import type { PeerIceServer, PeerSignal } from "../../wasm/samara_browser.js";

export type ConnectionId = bigint;
export type Signal = PeerSignal;
export type IceServer = PeerIceServer;

export type RtcCommand =
  /** Make a connection and its offer. */
  | { kind: "dial"; connection: ConnectionId }
  /** Make a connection that answers an offer. */
  | { kind: "answer"; connection: ConnectionId; offer: string }
  /** The other end says this. */
  | { kind: "signal"; connection: ConnectionId; signal: Signal }
  /** Use these servers for connections made from now on, besides the user's. */
  | { kind: "iceServers"; servers: IceServer[] }
  /** The connection is no longer needed. */
  | { kind: "hangUp"; connection: ConnectionId };

export type RtcEvent =
  /** For the other end. */
  | { kind: "signal"; connection: ConnectionId; signal: Signal }
  /** The connection's channel, not open yet: itself, or the port it is piped through. */
  | { kind: "channel"; connection: ConnectionId; channel: RTCDataChannel | MessagePort }
  /** The longest message both ends take, in bytes, and their certificates' fingerprints. */
  | {
      kind: "agreed";
      connection: ConnectionId;
      maxMessage: number;
      binding: Uint8Array<ArrayBuffer>;
    }
  /** What its packets go through now: a TURN server, or nothing. */
  | { kind: "selected"; connection: ConnectionId; turn: boolean }
  /** The connection is over, or never came to be. */
  | { kind: "closed"; connection: ConnectionId; reason: string };
