import { socketUrl } from "./addresses.ts";
import type {
  Account,
  OpenOptions,
  ProblemEvent,
  Samara,
  SeedOptions,
  Status,
  Transfer,
} from "./api.ts";
import { WorkerLink } from "./calls.ts";
import { SamaraError } from "./error.ts";
import type { Opened, ToPage, WorkerOptions } from "./messages.ts";
import { RtcHost } from "./rtc/host.ts";
import { TransferHandle } from "./transfer.ts";

class Problem extends Event implements ProblemEvent {
  readonly error: SamaraError;

  constructor(error: SamaraError) {
    super("problem");
    this.error = error;
  }
}

/** The peer in this page: a worker, and the connections only a page can make. */
export class SamaraPeer extends EventTarget implements Samara {
  declare addEventListener: Samara["addEventListener"];
  declare removeEventListener: Samara["removeEventListener"];

  readonly #worker: WorkerLink;
  readonly #rtc: RtcHost;
  readonly #onOnline = (): void => this.#worker.note({ kind: "moved" });
  readonly #transfers = new Map<number, TransferHandle>();
  #status: Status;

  private constructor(worker: Worker, keep: string[], iceServers: RTCIceServer[]) {
    super();
    this.#status = {
      identity: "",
      relays: keep.map((url) => ({ url, connected: false })),
      peers: [],
      storedBytes: 0,
    };
    this.#worker = new WorkerLink(
      worker,
      (message) => this.#onMessage(message),
      (error) => this.#onBroken(error),
    );
    this.#rtc = new RtcHost(iceServers, (event, transfer) =>
      this.#worker.note({ kind: "rtc", event }, transfer),
    );
    globalThis.addEventListener("online", this.#onOnline);
  }

  static async open(worker: Worker, options: OpenOptions): Promise<SamaraPeer> {
    const { relays = [], peers = [], iceServers = [], storeName = "samara", maxBytes } = options;
    const { sympathy = 0, stingy = false, uploadLimit = 0, downloadLimit = 0 } = options;
    const { channels = 0 } = options;
    const keep = [...new Set([...relays, ...peers].map(socketUrl))];
    const samara = new SamaraPeer(worker, keep, iceServers);
    const workerOptions: WorkerOptions = {
      store: storeName,
      keep,
      webrtc: typeof RTCPeerConnection === "function",
      sympathy,
      stingy,
      uploadLimit,
      downloadLimit,
      channels,
      ...(maxBytes !== undefined && { maxBytes }),
    };
    try {
      const opened = samara.#worker.call("open", workerOptions, { signal: options.signal });
      if (workerOptions.webrtc) {
        samara.#rtc.warmUp();
      }
      const identity = await opened;
      samara.#status = { ...samara.#status, ...identity };
      return samara;
    } catch (error) {
      samara.#letGo();
      samara.#worker.terminate();
      throw error;
    }
  }

  async seed(file: Blob, options: SeedOptions = {}): Promise<Transfer> {
    const { name = nameOf(file), type = file.type, signal, onProgress } = options;
    const opened = await this.#worker.call(
      "seed",
      { file, name, type },
      {
        signal,
        ...(onProgress && { onProgress: (bytes) => onProgress(bytes, file.size) }),
        onLate: (opened) => this.#release(opened),
      },
    );
    onProgress?.(file.size, file.size);
    return this.#transfer(opened);
  }

  async fetch(link: string, { signal }: { signal?: AbortSignal } = {}): Promise<Transfer> {
    const onLate = (opened: Opened): void => this.#release(opened);
    return this.#transfer(await this.#worker.call("fetch", { link }, { signal, onLate }));
  }

  transfers(): Transfer[] {
    return [...this.#transfers.values()];
  }

  status(): Status {
    return this.#status;
  }

  ledger({ signal }: { signal?: AbortSignal } = {}): Promise<Account[]> {
    return this.#worker.call("ledger", undefined, { signal });
  }

  async forgetIdentity({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    const identity = await this.#worker.call("forgetIdentity", undefined, { signal });
    this.#status = { ...this.#status, ...identity };
    this.dispatchEvent(new Event("change"));
  }

  async close(): Promise<void> {
    const closed = new SamaraError("aborted", "the peer was closed");
    try {
      await this.#worker.call("close", undefined);
    } catch {
      // It is closed already, or broken: nothing is left to do but the rest.
    }
    this.#letGo();
    this.#worker.terminate();
    this.#endAll(closed);
  }

  /** Lets go of what the page itself keeps for the peer. */
  #letGo(): void {
    globalThis.removeEventListener("online", this.#onOnline);
    this.#rtc.close();
  }

  #transfer(opened: Opened): TransferHandle {
    const id = opened.snapshot.transfer;
    const known = this.#transfers.get(id);
    if (known) {
      known.openings += 1;
      return known;
    }
    const transfer = new TransferHandle(this.#worker, opened, () => {
      this.#transfers.delete(id);
      this.dispatchEvent(new Event("change"));
    });
    this.#transfers.set(id, transfer);
    this.dispatchEvent(new Event("change"));
    return transfer;
  }

  /** Closes a transfer that nobody waits for any more, unless others have it. */
  #release({ snapshot: { transfer } }: Opened): void {
    this.#worker.note({ kind: "closeTransfer", transfer, openings: 1 });
  }

  #onMessage(message: ToPage): void {
    switch (message.kind) {
      case "transfer":
        this.#transfers.get(message.snapshot.transfer)?.update(message.snapshot);
        return;
      case "status":
        this.#status = message.status;
        this.dispatchEvent(new Event("change"));
        return;
      case "problem":
        this.dispatchEvent(new Problem(new SamaraError(message.error.code, message.error.message)));
        return;
      case "rtc":
        this.#rtc.handle(message.command);
        return;
      case "result":
      case "error":
      case "progress":
        return; // Answers to calls, which the link keeps to itself.
    }
  }

  #onBroken(error: SamaraError): void {
    this.#letGo();
    this.#endAll(error);
    this.dispatchEvent(new Problem(error));
  }

  #endAll(error: SamaraError): void {
    for (const transfer of this.#transfers.values()) {
      transfer.end(error);
    }
    this.#transfers.clear();
  }
}

function nameOf(file: Blob): string {
  return file instanceof File ? file.name : "file";
}
