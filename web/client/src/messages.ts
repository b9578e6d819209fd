// What the page and its worker say to each other.

import type {
  Account,
  EntryInfo,
  Path,
  Source,
  Status,
  TransferProgress,
  TransferSource,
  TransferState,
} from "./api.ts";
import type { SamaraErrorCode } from "./error.ts";
import type { RtcCommand, RtcEvent } from "./rtc/messages.ts";

/** An error on its way between threads. */
export interface PlainError {
  code: SamaraErrorCode;
  message: string;
}

/** A transfer as the worker sees it. */
export interface Snapshot {
  transfer: number;
  state: TransferState;
  error?: PlainError;
  entry?: EntryInfo;
  progress: TransferProgress;
}

/** A transfer that was just opened. */
export interface Opened {
  link: string;
  snapshot: Snapshot;
}

export interface WorkerOptions {
  store: string;
  maxBytes?: number;
  /** WebSocket URLs. */
  keep: string[];
  webrtc: boolean;
  sympathy: number;
  stingy: boolean;
  /** Bytes a second; 0 for no limit. */
  uploadLimit: number;
  downloadLimit: number;
  /** 0 for the default. */
  channels: number;
}

/** Who this peer is to others. */
export type Identity = Pick<Status, "identity">;

/** What the page asks of the worker, by name: arguments and result. */
export interface Calls {
  open: { args: WorkerOptions; result: Identity };
  seed: { args: { file: Blob; name: string; type: string }; result: Opened };
  fetch: { args: { link: string }; result: Opened };
  /** One opened chunk, as soon as it is there. */
  chunk: { args: { transfer: number; index: number }; result: Uint8Array<ArrayBuffer> };
  /** The whole file. */
  blob: { args: { transfer: number }; result: Blob };
  forgetIdentity: { args: undefined; result: Identity };
  ledger: { args: undefined; result: Account[] };
  close: { args: undefined; result: undefined };
}

export type CallName = keyof Calls;

export type Call = {
  [K in CallName]: { kind: "call"; id: number; name: K; args: Calls[K]["args"] };
}[CallName];

/** What the page tells the worker, expecting no answer. */
export type Note =
  | { kind: "abort"; id: number }
  | { kind: "push"; transfer: number; copies: number }
  | { kind: "pause" | "resume"; transfer: number }
  /** So many of the calls that opened it need it no more; with the last, it ends. */
  | { kind: "closeTransfer"; transfer: number; openings: number }
  /** There is a network again, or another one. */
  | { kind: "moved" }
  | { kind: "rtc"; event: RtcEvent };

export type ToWorker = Call | Note;

export type ToPage =
  | { kind: "result"; id: number; result: Calls[CallName]["result"] }
  | { kind: "error"; id: number; error: PlainError }
  /** Bytes of a seeded file that are done. */
  | { kind: "progress"; id: number; bytes: number }
  | { kind: "transfer"; snapshot: Snapshot }
  | { kind: "status"; status: Status }
  | { kind: "problem"; error: PlainError }
  | { kind: "rtc"; command: RtcCommand };

export type { Account, EntryInfo, Path, Source, TransferSource };
