import type { OpenOptions, Samara } from "./api.ts";
import { SamaraError } from "./error.ts";
import { SamaraPeer } from "./samara.ts";

/**
 * Starts a peer: a worker with the store and the protocol, and connections to the
 * relays. Rejects with a {@link SamaraError} where the browser lacks what it takes.
 */
export async function open(options: OpenOptions = {}): Promise<Samara> {
  if (typeof Worker === "undefined" || typeof indexedDB === "undefined") {
    throw new SamaraError(
      "unsupported",
      "this browser lacks workers or IndexedDB, or forbids them here; update it or leave private browsing",
    );
  }
  return SamaraPeer.open(options.worker?.() ?? defaultWorker(), options);
}

function defaultWorker(): Worker {
  // In this one form bundlers recognize it and bring the worker along.
  return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
}
