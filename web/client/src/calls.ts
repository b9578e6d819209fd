import { SamaraError } from "./error.ts";
import type { Call, CallName, Calls, Note, ToPage, ToWorker } from "./messages.ts";

interface Pending {
  resolve(result: never): void;
  reject(error: SamaraError): void;
  onProgress?: (bytes: number) => void;
}

interface CallOptions<Result> {
  signal?: AbortSignal | undefined;
  onProgress?: (bytes: number) => void;
  /** Gets a result that came after the caller had stopped waiting. */
  onLate?: (result: Result) => void;
}

/** The page's side of the worker. */
export class WorkerLink {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #lastCall = 0;
  #broken: SamaraError | undefined;

  /** `onMessage` gets whatever answers no call; `onBroken` hears when nothing works any more. */
  constructor(
    worker: Worker,
    onMessage: (message: ToPage) => void,
    onBroken: (error: SamaraError) => void,
  ) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<ToPage>) => {
      if (!this.#settle(data)) {
        onMessage(data);
      }
    };
    worker.onerror = (event) => {
      event.preventDefault();
      onBroken(this.#break(startFailure(event)));
    };
  }

  call<K extends CallName>(
    name: K,
    args: Calls[K]["args"],
    { signal, onProgress, onLate }: CallOptions<Calls[K]["result"]> = {},
  ): Promise<Calls[K]["result"]> {
    if (this.#broken) {
      return Promise.reject(this.#broken);
    }
    if (signal?.aborted) {
      return Promise.reject(aborted(signal));
    }
    const id = ++this.#lastCall;
    const answer = new Promise<Calls[K]["result"]>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, ...(onProgress && { onProgress }) });
    });
    const onAbort = (): void => {
      const pending = this.#pending.get(id);
      if (pending === undefined) {
        return;
      }
      this.note({ kind: "abort", id });
      pending.reject(aborted(signal));
      // The worker may be done already, and its answer on the way.
      this.#pending.set(id, { resolve: onLate ?? (() => {}), reject: () => {} });
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#worker.postMessage({ kind: "call", id, name, args } as Call);
    return answer.finally(() => signal?.removeEventListener("abort", onAbort));
  }

  /** Posts a message that has no answer. Throws where something cannot be transferred. */
  note(note: Note, transfer: Transferable[] = []): void {
    this.#worker.postMessage(note satisfies ToWorker, transfer);
  }

  /** Ends the worker; calls under way fail. */
  terminate(): void {
    this.#break(new SamaraError("aborted", "the peer was closed"));
  }

  #break(error: SamaraError): SamaraError {
    this.#worker.terminate();
    this.#broken = error;
    for (const pending of this.#pending.values()) {
      pending.reject(error);
    }
    this.#pending.clear();
    return error;
  }

  #settle(message: ToPage): boolean {
    if (message.kind !== "result" && message.kind !== "error" && message.kind !== "progress") {
      return false;
    }
    const pending = this.#pending.get(message.id);
    if (message.kind === "progress") {
      pending?.onProgress?.(message.bytes);
      return true;
    }
    this.#pending.delete(message.id);
    if (message.kind === "result") {
      pending?.resolve(message.result as never);
    } else {
      pending?.reject(new SamaraError(message.error.code, message.error.message));
    }
    return true;
  }
}

/** What to throw when a signal says to stop. */
export function aborted(signal?: AbortSignal): SamaraError {
  return new SamaraError("aborted", "stopped by the caller", { cause: signal?.reason });
}

function startFailure(event: ErrorEvent): SamaraError {
  // A script that cannot be loaded gives an event without a message.
  return event.message
    ? new SamaraError("internal", `the worker failed (${event.message}); reload the page`)
    : new SamaraError(
        "unsupported",
        "the worker cannot be loaded; update the browser, or check that the page serves it",
      );
}
