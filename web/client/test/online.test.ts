import assert from "node:assert/strict";
import { test } from "node:test";
import type { ToWorker } from "../src/messages.ts";
import { SamaraPeer } from "../src/samara.ts";

// A page is an event target that says how many listen; Node's global scope is none.
const page = new EventTarget();
const listening = new Set<unknown>();
Object.assign(globalThis, {
  addEventListener(type: string, listener: EventListener): void {
    listening.add(listener);
    page.addEventListener(type, listener);
  },
  removeEventListener(type: string, listener: EventListener): void {
    listening.delete(listener);
    page.removeEventListener(type, listener);
  },
});

/** A worker that opens, or does not, and breaks when told to. */
class FakeWorker {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  readonly notes: ToWorker[] = [];
  readonly #opens: boolean;

  constructor(opens: boolean) {
    this.#opens = opens;
  }

  postMessage(message: ToWorker): void {
    if (message.kind !== "call") {
      this.notes.push(message);
      return;
    }
    const error = { code: "unsupported", message: "no storage here" };
    const { id } = message;
    const answer = this.#opens ? { kind: "result", id } : { kind: "error", id, error };
    queueMicrotask(() => this.onmessage?.({ data: answer }));
  }

  terminate(): void {}
}

function open(worker: FakeWorker): Promise<SamaraPeer> {
  return SamaraPeer.open(worker as unknown as Worker, {});
}

test("a peer hears of a new network for as long as it is open", async () => {
  const worker = new FakeWorker(true);
  const samara = await open(worker);
  page.dispatchEvent(new Event("online"));
  assert.deepEqual(worker.notes, [{ kind: "moved" }]);
  await samara.close();
  assert.equal(listening.size, 0);
});

test("a peer that could not be opened leaves no listener behind", async () => {
  await assert.rejects(open(new FakeWorker(false)), { code: "unsupported" });
  assert.equal(listening.size, 0);
});

test("a peer whose worker broke leaves no listener behind, and says why to whoever calls", async () => {
  const worker = new FakeWorker(true);
  const samara = await open(worker);
  worker.onerror?.({ preventDefault() {}, message: "out of memory" });
  assert.equal(listening.size, 0);
  await assert.rejects(samara.fetch("link"), { code: "internal", message: /out of memory/ });
});
