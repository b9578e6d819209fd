import type { ToPage, ToWorker } from "../messages.ts";

/** What is used of a dedicated worker's global scope. */
interface Scope {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: ToPage, transfer?: Transferable[]): void;
}

/** This worker. */
export const scope = globalThis as unknown as Scope;
