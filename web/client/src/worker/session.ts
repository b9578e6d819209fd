import {
  Peer,
  type PeerChannel,
  type PeerEvent,
  type PeerHost,
  type PeerTransfer,
} from "../../wasm/samara_browser.js";
import type { Account, Identity, Note, Opened, WorkerOptions } from "../messages.ts";
import type { RtcCommand, RtcEvent } from "../rtc/messages.ts";
import { PipedChannel } from "../rtc/piped-channel.ts";
import { Ahead } from "./ahead.ts";
import { coded, plain } from "./errors.ts";
import { claimName, defaultLimit } from "./profile.ts";
import { load } from "./program.ts";
import { Relays } from "./relays.ts";
import { scope } from "./scope.ts";
import { Transfers } from "./transfers.ts";
import { turn } from "./turn.ts";

/** How often the page hears of gradual change, in milliseconds. */
const REPORT_EVERY = 500;

/** Chunks read and opened at once when a file is put together. */
const READ_AHEAD = 4;

/** A running peer, and what the page knows of it. */
export class Session {
  readonly #peer: Peer;
  readonly #transfers: Transfers;
  readonly #relays: Relays;
  readonly #tabs: BroadcastChannel;
  #report: ReturnType<typeof setTimeout> | undefined;
  #lastStatus = "";

  private constructor(store: string, peer: Peer, transfers: Transfers, relays: Relays) {
    this.#peer = peer;
    this.#transfers = transfers;
    this.#relays = relays;
    // Says nothing but that the profile's identity was thrown away.
    this.#tabs = new BroadcastChannel(`samara identity ${store}`);
    this.#tabs.onmessage = () => void this.#renewIdentity();
  }

  static async open(options: WorkerOptions): Promise<Session> {
    const { store, webrtc } = options;
    const [maxBytes, named] = await Promise.all([
      options.maxBytes ?? defaultLimit(),
      claimName(store),
      load(),
    ]);
    const transfers = new Transfers();
    const relays = new Relays();
    const ahead = new Ahead();
    for (const url of options.keep) {
      ahead.dial(url);
    }
    let session: Session | undefined;
    const host: PeerHost = {
      event: (event) => session?.onEvent(event),
      changed: () => session?.reportSoon(),
      socket: (url) => ahead.take(url),
      dial: (connection) => command({ kind: "dial", connection }),
      answer: (connection, offer) => command({ kind: "answer", connection, offer }),
      signal: (connection, signal) => command({ kind: "signal", connection, signal }),
      iceServers: (servers) => command({ kind: "iceServers", servers }),
      hangUp: (connection) => command({ kind: "hangUp", connection }),
    };
    const { sympathy, stingy, uploadLimit, downloadLimit, channels } = options;
    const manners = { sympathy, stingy, uploadLimit, downloadLimit, channels };
    const peer = await Peer.open(host, { store, maxBytes, webrtc, named, ...manners });
    session = new Session(store, peer, transfers, relays);
    for (const url of options.keep) {
      relays.keep(url);
      peer.keep(url);
    }
    return session;
  }

  /** Who this peer is to others. */
  identity(): Identity {
    return { identity: this.#peer.identity() };
  }

  async forgetIdentity(): Promise<Identity> {
    await this.#peer.forgetIdentity();
    this.#tabs.postMessage(null);
    this.#reportNow();
    return this.identity();
  }

  ledger(): Promise<Account[]> {
    return this.#peer.ledger();
  }

  async seed(
    args: { file: Blob; name: string; type: string },
    onProgress: (bytes: number) => boolean,
  ): Promise<Opened> {
    return this.#opened(await this.#peer.seed(args.file, args.name, args.type, onProgress));
  }

  fetch(link: string): Opened {
    return this.#opened(this.#peer.fetch(link));
  }

  chunk(transfer: number, index: number): Promise<Uint8Array<ArrayBuffer>> {
    return this.#peer.chunk(transfer, index) as Promise<Uint8Array<ArrayBuffer>>;
  }

  /** The whole file. Its chunks become blobs here, which the browser keeps where it likes. */
  async blob(transfer: number, isAborted: () => boolean): Promise<Blob> {
    const { totalChunks } = this.#transfers.snapshot(this.#peer, transfer).progress;
    const parts: Blob[] = [];
    const ahead: Promise<Blob>[] = [];
    for (let next = 0; parts.length < totalChunks; ) {
      while (next < totalChunks && ahead.length < READ_AHEAD) {
        const part = this.chunk(transfer, next++).then((chunk) => new Blob([chunk]));
        part.catch(() => {}); // Thrown where it is awaited, unless an earlier one is.
        ahead.push(part);
      }
      const part = await ahead.shift();
      if (part === undefined || isAborted()) {
        throw coded("aborted", "reading the file was stopped");
      }
      parts.push(part);
      await turn();
    }
    return new Blob(parts, { type: this.#transfers.entry(transfer)?.mimeType ?? "" });
  }

  note(note: Exclude<Note, { kind: "abort" }>): void {
    switch (note.kind) {
      case "push":
        this.#transfers.push(note.transfer);
        this.#peer.push(note.transfer, note.copies);
        return;
      case "pause":
        this.#peer.pause(note.transfer);
        return;
      case "resume":
        this.#peer.resume(note.transfer);
        return;
      case "closeTransfer":
        if (this.#transfers.close(note.transfer, note.openings)) {
          this.#peer.closeTransfer(note.transfer);
        }
        return;
      case "moved":
        this.#peer.moved();
        return;
      case "rtc":
        this.#onRtc(note.event);
        return;
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#report);
    this.#tabs.close();
    await this.#peer.close();
  }

  onEvent(event: PeerEvent): void {
    if (event.kind === "kept") {
      const error = this.#relays.on(event.url, event.problem);
      if (error) {
        scope.postMessage({ kind: "problem", error });
      }
      this.#reportNow();
    } else if (event.kind === "misbehaved") {
      const who = event.peer === undefined ? "a peer" : `peer ${event.peer.slice(0, 8)}`;
      const message = `${who} broke the protocol and was cut off: ${event.what}`;
      scope.postMessage({ kind: "problem", error: { code: "peer-misbehaved", message } });
    } else if (this.#transfers.on(event)) {
      this.#reportNow();
    }
  }

  /** Something may have changed. */
  reportSoon(): void {
    this.#report ??= setTimeout(() => this.#tellPage(), REPORT_EVERY);
  }

  #reportNow(): void {
    clearTimeout(this.#report);
    // The peer is in the middle of something.
    this.#report = setTimeout(() => this.#tellPage(), 0);
  }

  #tellPage(): void {
    this.#report = undefined;
    let moving = false;
    for (const snapshot of this.#transfers.changed(this.#peer)) {
      moving ||= snapshot.progress.bytesPerSecond > 0;
      scope.postMessage({ kind: "transfer", snapshot });
    }
    const relays = this.#relays.all();
    const status = {
      ...this.identity(),
      relays,
      peers: this.#peer.peers(),
      storedBytes: this.#peer.storedBytes(),
    };
    const text = JSON.stringify(status);
    if (text !== this.#lastStatus) {
      this.#lastStatus = text;
      scope.postMessage({ kind: "status", status });
    }
    if (moving) {
      this.reportSoon(); // A speed falls although nothing happens.
    }
  }

  async #renewIdentity(): Promise<void> {
    try {
      await this.#peer.renewIdentity();
      this.#reportNow();
    } catch (error) {
      scope.postMessage({ kind: "problem", error: plain(error) });
    }
  }

  #opened({ transfer, link }: PeerTransfer): Opened {
    this.#transfers.open(transfer);
    return { link, snapshot: this.#transfers.snapshot(this.#peer, transfer) };
  }

  #onRtc(event: RtcEvent): void {
    const { connection } = event;
    switch (event.kind) {
      case "channel": {
        const { channel } = event;
        const piped = channel instanceof MessagePort;
        const adopted = piped ? new PipedChannel(channel) : (channel as PeerChannel);
        this.#peer.adopt(connection, adopted);
        return;
      }
      case "agreed":
        this.#peer.agreed(connection, event.maxMessage, event.binding);
        return;
      case "selected":
        this.#peer.selected(connection, event.turn);
        return;
      case "signal":
        this.#peer.signal(connection, event.signal);
        return;
      case "closed":
        this.#peer.hungUp(connection, event.reason);
        return;
    }
  }
}

function command(command: RtcCommand): void {
  scope.postMessage({ kind: "rtc", command });
}
