import type { EntryInfo, PushOptions, Transfer, TransferProgress, TransferState } from "./api.ts";
import { aborted, type WorkerLink } from "./calls.ts";
import { SamaraError } from "./error.ts";
import type { Opened, Snapshot } from "./messages.ts";

/** A transfer as the page holds it: the worker's last word, and ways to ask for more. */
export class TransferHandle extends EventTarget implements Transfer {
  declare addEventListener: Transfer["addEventListener"];
  declare removeEventListener: Transfer["removeEventListener"];

  readonly id: number;
  readonly link: string;
  readonly done: Promise<void>;
  /** How many calls have opened it; the worker counts them too. */
  openings = 1;
  readonly #worker: WorkerLink;
  readonly #onClose: (transfer: TransferHandle) => void;
  #snapshot: Snapshot;
  #error: SamaraError | undefined;
  #finish!: () => void;
  #fail!: (error: SamaraError) => void;
  #settled = false;

  constructor(worker: WorkerLink, opened: Opened, onClose: (transfer: TransferHandle) => void) {
    super();
    this.id = opened.snapshot.transfer;
    this.link = opened.link;
    this.#worker = worker;
    this.#onClose = onClose;
    this.done = new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
    });
    this.done.catch(() => {}); // Nobody has to listen.
    this.#snapshot = opened.snapshot;
    this.update(opened.snapshot);
  }

  get state(): TransferState {
    return this.#error ? "failed" : this.#snapshot.state;
  }

  get error(): SamaraError | undefined {
    return this.#error;
  }

  get entry(): EntryInfo | undefined {
    return this.#snapshot.entry;
  }

  get progress(): TransferProgress {
    return this.#snapshot.progress;
  }

  linkFor(pageUrl: string | URL): string {
    return `${String(pageUrl).split("#")[0]}#${this.link}`;
  }

  async blob({ signal }: { signal?: AbortSignal } = {}): Promise<Blob> {
    await until(this.done, signal);
    return this.#worker.call("blob", { transfer: this.id }, { signal });
  }

  stream({ signal }: { signal?: AbortSignal } = {}): ReadableStream<Uint8Array> {
    const stopped = new AbortController();
    const either = signal ? AbortSignal.any([signal, stopped.signal]) : stopped.signal;
    let index = 0;
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          await until(this.#known(), either);
          if (index === this.progress.totalChunks) {
            controller.close();
            return;
          }
          const transfer = this.id;
          const chunk = await this.#worker.call("chunk", { transfer, index }, { signal: either });
          index += 1;
          controller.enqueue(chunk);
        },
        cancel: (reason) => stopped.abort(reason),
      },
      // One chunk is read while another is used.
      { highWaterMark: 2 },
    );
  }

  async push({ copies = 1, signal }: PushOptions = {}): Promise<void> {
    await until(this.done, signal);
    this.#worker.note({ kind: "push", transfer: this.id, copies });
    // An earlier push's refusal is not this one's answer.
    const earlier = this.progress.pushed;
    await this.#when(() => {
      const { pushed } = this.progress;
      const refused = pushed?.refused !== undefined && pushed !== earlier;
      return refused || (pushed !== undefined && pushed.copies >= copies);
    }, signal);
    const { pushed } = this.progress;
    if (pushed?.refused !== undefined) {
      throw new SamaraError("keeper-full", `${pushed.refused}; use another relay or free some`);
    }
  }

  pause(): void {
    this.#worker.note({ kind: "pause", transfer: this.id });
  }

  resume(): void {
    this.#worker.note({ kind: "resume", transfer: this.id });
  }

  close(): void {
    const { id: transfer, openings } = this;
    this.#worker.note({ kind: "closeTransfer", transfer, openings });
    this.end(new SamaraError("aborted", "the transfer was closed"));
    this.#onClose(this);
  }

  /** The worker's news. */
  update(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    if (snapshot.error && !this.#error) {
      this.#error = new SamaraError(snapshot.error.code, snapshot.error.message);
    }
    if (snapshot.state === "done") {
      this.#settled = true;
      this.#finish();
    } else if (this.#error) {
      this.end(this.#error);
    }
    this.dispatchEvent(new Event("change"));
  }

  /** Nothing more will come. */
  end(error: SamaraError): void {
    this.#error ??= this.#settled ? undefined : error;
    this.#settled = true;
    this.#fail(error);
    this.dispatchEvent(new Event("end"));
  }

  #known(): Promise<void> {
    return this.#when(() => this.entry !== undefined, undefined);
  }

  /** Resolves when a change makes `isSo` true. */
  #when(isSo: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    if (isSo()) {
      return Promise.resolve();
    }
    const listening = new AbortController();
    const met = new Promise<void>((resolve, reject) => {
      const options = { signal: listening.signal };
      this.addEventListener("change", () => isSo() && resolve(), options);
      const failed = (): void => reject(this.#error ?? aborted());
      this.addEventListener("end", failed, options);
    });
    return until(met, signal).finally(() => listening.abort());
  }
}

/** The promise, or the signal's word if that comes first. */
async function until<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) {
    return promise;
  }
  if (signal.aborted) {
    throw aborted(signal);
  }
  const listening = new AbortController();
  const stopped = new Promise<never>((_, reject) => {
    const options = { signal: listening.signal };
    signal.addEventListener("abort", () => reject(aborted(signal)), options);
  });
  return Promise.race([promise, stopped]).finally(() => listening.abort());
}
