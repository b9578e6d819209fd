/**
 * What lies on the page: files being sealed and transfers, and what a person
 * does with them. Knows nothing of how it is shown.
 */
import type { Samara, Transfer } from "samara-web";
import { showLink } from "./address.ts";
import { fault, STATES } from "./words.ts";

/** A copy with a keeper, so that the tab can be closed. */
export type Copy =
  | { state: "none" }
  | { state: "active" }
  | { state: "done" }
  | { state: "failed"; problem: string };

/** A file on its way to being a transfer. */
export interface Sealing {
  readonly kind: "sealing";
  readonly key: number;
  readonly name: string;
  readonly size: number;
  sealed: number;
  problem?: string;
  readonly cancel: AbortController;
}

/** A file being fetched or served. */
export interface Shared {
  readonly kind: "shared";
  readonly key: number;
  readonly transfer: Transfer;
  /** Sealed on this page since it was loaded, so it needs no saving. */
  readonly own: boolean;
  copy: Copy;
}

export type Item = Sealing | Shared;

/** Fires `change`; `items`, `notice` and `saying` are to be read then. */
export class Desk extends EventTarget {
  items: readonly Item[] = [];
  /** What went wrong last and belongs to no item. */
  notice = "";
  /** For screen readers: the last thing that happened. */
  saying = "";
  readonly #samara: Samara;
  #keys = 0;

  constructor(samara: Samara) {
    super();
    this.#samara = samara;
    samara.addEventListener("problem", ({ error }) => {
      // How the relays are stands at the top of the page.
      if (error.code !== "relay-unreachable") this.refuse(fault(error));
    });
  }

  /** Seals a file and serves it. */
  async send(file: File): Promise<void> {
    const item: Sealing = {
      kind: "sealing",
      key: this.#key(),
      name: file.name,
      size: file.size,
      sealed: 0,
      cancel: new AbortController(),
    };
    this.notice = "";
    this.#say(`Sealing ${file.name}`);
    this.#put([item, ...this.items]);
    try {
      const transfer = await this.#samara.seed(file, {
        signal: item.cancel.signal,
        onProgress: (bytes) => {
          item.sealed = bytes;
          this.#changed();
        },
      });
      this.#share(transfer, true, item);
      showLink(transfer.link);
      this.#say(`The link for ${file.name} is ready`);
    } catch (error) {
      if (item.cancel.signal.aborted) return;
      item.problem = fault(error);
      this.#changed();
    }
  }

  /** Fetches what a link opens. Resolves to whether it was a link. */
  async open(link: string): Promise<boolean> {
    this.notice = "";
    try {
      const transfer = await this.#samara.fetch(link);
      if (!this.items.some((item) => item.kind === "shared" && item.transfer === transfer)) {
        this.#share(transfer, false);
        this.#say("Opening the link");
      }
      showLink(transfer.link);
      return true;
    } catch (error) {
      this.refuse(fault(error));
      return false;
    } finally {
      this.#changed();
    }
  }

  /** Says what went wrong. */
  refuse(why: string): void {
    this.notice = why;
    this.#changed();
  }

  /** Has a keeper hold all of it. */
  async keep(item: Shared): Promise<void> {
    this.#copied(item, { state: "active" });
    try {
      await item.transfer.push({ copies: this.#copies() });
      this.#copied(item, { state: "done" });
      this.#say(`The relay holds a copy of ${nameOf(item.transfer)}`);
    } catch (error) {
      this.#copied(item, { state: "failed", problem: fault(error) });
    }
  }

  /** Opens a failed transfer's link anew. */
  again(item: Shared): void {
    const { link } = item.transfer;
    this.remove(item);
    void this.open(link);
  }

  /** Ends it. What it kept in this browser stays until room is needed. */
  remove(item: Item): void {
    if (item.kind === "sealing") {
      item.cancel.abort();
    } else {
      item.transfer.close();
      if (window.location.hash.slice(1) === item.transfer.link) showLink("");
    }
    this.#put(this.items.filter((other) => other !== item));
  }

  /** Whether closing the page now would leave a file that only it can give. */
  get needed(): boolean {
    return this.items.some((item) =>
      item.kind === "sealing" ? item.problem === undefined : item.own && item.copy.state !== "done",
    );
  }

  #share(transfer: Transfer, own: boolean, instead?: Sealing): void {
    const key = instead?.key ?? this.#key();
    const item: Shared = { kind: "shared", key, transfer, own, copy: { state: "none" } };
    const others = this.items.filter((other) => other !== instead && !shows(other, transfer));
    this.#put([item, ...others]);
    let before = transfer.state;
    transfer.addEventListener("change", () => {
      if (transfer.state !== before) {
        before = transfer.state;
        this.#say(`${nameOf(transfer)}: ${STATES[before]}`);
      }
    });
  }

  #copied(item: Shared, copy: Copy): void {
    item.copy = copy;
    this.#changed();
  }

  /** As many as there are relays to hold one, three at most. */
  #copies(): number {
    const relays = this.#samara.status().relays.filter(({ connected }) => connected);
    return Math.min(Math.max(relays.length, 1), 3);
  }

  #say(words: string): void {
    this.saying = words;
    this.#changed();
  }

  #put(items: readonly Item[]): void {
    this.items = items;
    this.#changed();
  }

  #key(): number {
    this.#keys += 1;
    return this.#keys;
  }

  #changed(): void {
    this.dispatchEvent(new Event("change"));
  }
}

export function nameOf(transfer: Transfer): string {
  return transfer.entry?.name ?? "A file whose name is not known yet";
}

function shows(item: Item, transfer: Transfer): boolean {
  return item.kind === "shared" && item.transfer === transfer;
}
