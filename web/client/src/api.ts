import type { SamaraError } from "./error.ts";

/** How a {@link Samara} runs. Everything has a default. */
export interface OpenOptions {
  /** Relays to stay connected to: `wss://host/ws`, or the `https:` address of one. */
  relays?: string[];
  /** Other nodes to stay connected to, by WebSocket URL. */
  peers?: string[];
  /** Names the IndexedDB database; all tabs of an origin share one. Default `samara`. */
  storeName?: string;
  /**
   * Most bytes kept, in all. Default: half of what the browser offers. Blobs that no
   * open transfer needs make room, the least recently used first.
   */
  maxBytes?: number;
  /**
   * Hops away that somebody may be whose wants this browser shares: it looks for what they
   * want and keeps it for them, and what they push. Default 0, which helps nobody.
   */
  sympathy?: number;
  /** Serve only what is open here, whatever else the store holds. Default false. */
  stingy?: boolean;
  /** Bytes of blobs sent a second at most. Default no limit. */
  uploadLimit?: number;
  /** Bytes of blobs asked for a second at most. Default no limit. */
  downloadLimit?: number;
  /**
   * Data channels with one peer at most. More than one are tried where a path is long or
   * loses packets. Default 8.
   */
  channels?: number;
  /**
   * STUN and TURN servers for connections through NATs, before those that the relays name.
   * Default none.
   */
  iceServers?: RTCIceServer[];
  /** Makes the worker, where a bundler needs help: it runs `samara-web/worker`. */
  worker?: () => Worker;
  signal?: AbortSignal;
}

/** How bytes reach this browser. */
export type Path = "webrtc" | "websocket" | "circuit";

/** Another peer, and what it gave. */
export interface Source {
  /** The peer's identity, which it has proven: 64 hexadecimal digits. */
  readonly peer: string;
  /** A data channel, a WebSocket, or sealed messages through a relay. */
  readonly path: Path;
  /**
   * What a data channel goes through, once known: nothing, or a TURN server, which passes
   * its packets on and sees both addresses.
   */
  readonly pair?: "direct" | "turn";
  /** Why through the relay or a TURN server, for a person: what stands after “since”. */
  readonly detour?: string;
  /** Verified bytes it gave since it connected: over all transfers, or to this one. */
  readonly bytes: number;
  /** Milliseconds from a request to its answer, once measured. */
  readonly roundTrip?: number;
  /** Connections of this kind with it. */
  readonly channels: number;
}

/** Who gives blobs of one transfer. */
export interface TransferSource extends Source {
  /** Over the last seconds; 0 when nothing comes. */
  readonly bytesPerSecond: number;
}

/** What was ever exchanged with another peer. */
export interface Account {
  /** The peer's identity: 64 hexadecimal digits. */
  readonly peer: string;
  /** Bytes of blobs it was given. */
  readonly sentBytes: number;
  /** Bytes of blobs it gave, verified. */
  readonly receivedBytes: number;
  /** When something was exchanged last, in milliseconds since 1970. */
  readonly lastSeen: number;
}

/** A relay or peer that this browser stays connected to. */
export interface RelayStatus {
  readonly url: string;
  readonly connected: boolean;
  /** Why not, for a person. */
  readonly problem?: string;
}

export interface Status {
  /** Who this browser is to others: 64 hexadecimal digits. */
  readonly identity: string;
  readonly relays: readonly RelayStatus[];
  /** Everybody connected at this moment. */
  readonly peers: readonly Source[];
  /** Bytes of blobs kept in this browser. */
  readonly storedBytes: number;
}

export interface SamaraEventMap {
  /** Something in {@link Samara.status} or {@link Samara.transfers} is different. */
  change: Event;
  /** Something went wrong that ends no transfer; `error` says what. */
  problem: ProblemEvent;
}

/** Tells of what went wrong without ending a transfer. */
export interface ProblemEvent extends Event {
  readonly error: SamaraError;
}

export interface SeedOptions {
  /** File name in the entry. Default the file's own, or `file`. */
  name?: string;
  /** Media type in the entry. Default the file's own, or `application/octet-stream`. */
  type?: string;
  signal?: AbortSignal;
  /** Called as the file is sealed and stored. */
  onProgress?: (bytes: number, totalBytes: number) => void;
}

/** The peer in this page. Made by `open()`. */
export interface Samara extends EventTarget {
  /** Seals and stores a file, and serves it. Resolves when its link is known. */
  seed(file: Blob, options?: SeedOptions): Promise<Transfer>;
  /**
   * Starts to fetch what a link opens; resolves at once. Chunks that are already in
   * this browser are not fetched again, so this is also how to resume, and how to seed
   * again after a reload. A link that is open already gives the same transfer.
   */
  fetch(link: string, options?: { signal?: AbortSignal }): Promise<Transfer>;
  /** The open transfers, oldest first. */
  transfers(): Transfer[];
  status(): Status;
  /**
   * What was exchanged with whom, by all tabs and before reloads; those with the most
   * bytes first. The least recently seen are forgotten when there are more than 10,000.
   */
  ledger(options?: { signal?: AbortSignal }): Promise<Account[]>;
  /**
   * Throws the identity of this browser profile away, in all tabs: from now on it is
   * another peer to everybody. Connections are made anew; transfers go on.
   */
  forgetIdentity(options?: { signal?: AbortSignal }): Promise<void>;
  /** Ends every transfer and connection. Blobs stay in this browser. */
  close(): Promise<void>;

  addEventListener<K extends keyof SamaraEventMap>(
    type: K,
    listener: (this: Samara, event: SamaraEventMap[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof SamaraEventMap>(
    type: K,
    listener: (this: Samara, event: SamaraEventMap[K]) => void,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | EventListenerOptions,
  ): void;
}

export type TransferState =
  /** Nobody who has what is missing is connected. */
  | "waiting"
  /** Chunks are coming. */
  | "active"
  /** By `pause()`. */
  | "paused"
  /** Complete, and served to others. */
  | "done"
  /** Ended; `error` says why. */
  | "failed";

/** What the link says of its file. */
export interface EntryInfo {
  readonly name: string;
  readonly size: number;
  readonly mimeType: string;
}

export interface TransferProgress {
  /** Bytes of the file in this browser. */
  readonly bytes: number;
  /** 0 until the entry is known, like `totalChunks`. */
  readonly totalBytes: number;
  readonly chunks: number;
  readonly totalChunks: number;
  /** Over the last seconds; 0 when nothing comes. */
  readonly bytesPerSecond: number;
  readonly sources: readonly TransferSource[];
  /** Once pushed: what others proved to hold. */
  readonly pushed?: Pushed;
}

/** Copies of a file with others. Each is counted only when its holder proved it. */
export interface Pushed {
  /** Copies of single blobs proven so far. */
  readonly proven: number;
  /** Copies of single blobs wanted in all. */
  readonly wanted: number;
  /** Whole copies: each blob is proven to be with so many others. */
  readonly copies: number;
  /** Whole copies wanted. */
  readonly target: number;
  /** Why a keeper takes no more. */
  readonly refused?: string;
}

export interface PushOptions {
  /** Whole copies to have elsewhere. Default 1. */
  copies?: number;
  signal?: AbortSignal;
}

export interface TransferEventMap {
  /** Any of the properties is different. At most a few times a second. */
  change: Event;
}

/** One file being fetched or served. */
export interface Transfer extends EventTarget {
  /** Different for each transfer of one {@link Samara}. */
  readonly id: number;
  readonly state: TransferState;
  /** Set when the state is `failed`. */
  readonly error?: SamaraError | undefined;
  /** The link's text: what stands after the `#` of a page's URL. A secret. */
  readonly link: string;
  /** Known at once when seeding; when fetching, as soon as the entry has come. */
  readonly entry?: EntryInfo | undefined;
  readonly progress: TransferProgress;
  /** Settles when the file is complete in this browser, or never will be. */
  readonly done: Promise<void>;

  /** The link as a URL that opens in the page at `pageUrl`. */
  linkFor(pageUrl: string | URL): string;
  /** The whole file, once it is complete. */
  blob(options?: { signal?: AbortSignal }): Promise<Blob>;
  /** The file from its start, each chunk as soon as it has come. */
  stream(options?: { signal?: AbortSignal }): ReadableStream<Uint8Array>;
  /**
   * Offers the file to connected peers that keep pushed blobs. Resolves when as many as
   * asked for proved that they hold all of it, rejects with `keeper-full` when one has no
   * more room.
   */
  push(options?: PushOptions): Promise<void>;
  /** Fetches nothing until resumed; still serves. */
  pause(): void;
  resume(): void;
  /** No more fetching or serving. Its blobs stay until room is needed. */
  close(): void;

  addEventListener<K extends keyof TransferEventMap>(
    type: K,
    listener: (this: Transfer, event: TransferEventMap[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof TransferEventMap>(
    type: K,
    listener: (this: Transfer, event: TransferEventMap[K]) => void,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | EventListenerOptions,
  ): void;
}
