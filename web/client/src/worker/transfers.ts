import type { Peer, PeerEvent, PeerSource } from "../../wasm/samara_browser.js";
import type { Pushed } from "../api.ts";
import type { SamaraErrorCode } from "../error.ts";
import type { EntryInfo, PlainError, Snapshot, TransferSource } from "../messages.ts";
import { Speed } from "./speed.ts";

/** What the machine does not keep of a transfer. */
interface Known {
  /** How many calls have opened it. */
  openings: number;
  speed: Speed;
  /** By source: a peer may be connected in two ways. */
  speeds: Map<string, Speed>;
  /** A chunk has come. */
  begun: boolean;
  entry?: EntryInfo;
  error?: PlainError;
  pushed?: Pushed;
  /** The last snapshot the page got, to send no second like it. */
  told: string;
}

/** The transfers as the page is to see them. */
export class Transfers {
  readonly #known = new Map<number, Known>();

  open(transfer: number): void {
    this.#get(transfer).openings += 1;
  }

  /** Whether nobody needs it any more, now that so many do not. */
  close(transfer: number, openings: number): boolean {
    const known = this.#known.get(transfer);
    if (known === undefined) {
      return false;
    }
    known.openings -= openings;
    return known.openings <= 0 && this.#known.delete(transfer);
  }

  entry(transfer: number): EntryInfo | undefined {
    return this.#known.get(transfer)?.entry;
  }

  /** An earlier push's refusal counts no more. */
  push(transfer: number): void {
    const known = this.#known.get(transfer);
    if (known?.pushed) {
      const { refused: _, ...pushed } = known.pushed;
      known.pushed = pushed;
    }
  }

  /** Whether the page should hear of it at once. */
  on(event: PeerEvent): boolean {
    switch (event.kind) {
      case "entry": {
        const { name, size, mimeType } = event;
        this.#get(event.transfer).entry = { name, size, mimeType };
        return true;
      }
      case "failed": {
        const { message } = event;
        this.#get(event.transfer).error = { code: event.code as SamaraErrorCode, message };
        return true;
      }
      case "pushed": {
        const { proven, wanted, copies, target } = event;
        this.#get(event.transfer).pushed = { proven, wanted, copies, target };
        return copies === target;
      }
      case "pushRefused": {
        const known = this.#get(event.transfer);
        known.pushed = { ...(known.pushed ?? NOTHING_PUSHED), refused: event.reason };
        return true;
      }
      case "done":
        return true;
      case "chunk": {
        // The first is news, the others are progress.
        const known = this.#get(event.transfer);
        const first = !known.begun;
        known.begun = true;
        return first;
      }
      case "kept":
      case "misbehaved":
        return false;
    }
  }

  /** A transfer at this moment. */
  snapshot(peer: Peer, transfer: number): Snapshot {
    const known = this.#get(transfer);
    const progress = peer.progress(transfer);
    const { state, sources, ...rest } = progress ?? NOTHING;
    const now = performance.now();
    const bytesPerSecond = known.speed.sample(now, rest.bytes);
    const { entry, error, pushed } = known;
    return {
      transfer,
      state,
      ...(entry && { entry }),
      ...(error && { error }),
      progress: {
        ...rest,
        bytesPerSecond,
        sources: timed(known, now, sources),
        ...(pushed && { pushed }),
      },
    };
  }

  /** The transfers that differ from what was last taken. */
  changed(peer: Peer): Snapshot[] {
    const changed: Snapshot[] = [];
    for (const [transfer, known] of this.#known) {
      const snapshot = this.snapshot(peer, transfer);
      const told = JSON.stringify(snapshot);
      if (told !== known.told) {
        known.told = told;
        changed.push(snapshot);
      }
    }
    return changed;
  }

  #get(transfer: number): Known {
    let known = this.#known.get(transfer);
    if (known === undefined) {
      known = { openings: 0, speed: new Speed(), speeds: new Map(), begun: false, told: "" };
      this.#known.set(transfer, known);
    }
    return known;
  }
}

const NOTHING_PUSHED: Pushed = { proven: 0, wanted: 0, copies: 0, target: 0 };

/** The sources with how fast each is; those that are gone are forgotten. */
function timed(known: Known, now: number, sources: readonly PeerSource[]): TransferSource[] {
  const speeds = new Map<string, Speed>();
  const timed = sources.map((source) => {
    const key = `${source.peer} ${source.path}`;
    const speed = known.speeds.get(key) ?? new Speed();
    speeds.set(key, speed);
    return { ...source, bytesPerSecond: speed.sample(now, source.bytes) };
  });
  known.speeds = speeds;
  return timed;
}

const NOTHING = {
  state: "waiting",
  bytes: 0,
  totalBytes: 0,
  chunks: 0,
  totalChunks: 0,
  sources: [],
} as const;
