import assert from "node:assert/strict";
import { test } from "node:test";
import type { Call, Note, Opened, ToPage, ToWorker } from "../src/messages.ts";
import { SamaraPeer } from "../src/samara.ts";
import { Transfers } from "../src/worker/transfers.ts";

// A page is an event target; Node's global scope is none.
const page = new EventTarget();
Object.assign(globalThis, {
  addEventListener: page.addEventListener.bind(page),
  removeEventListener: page.removeEventListener.bind(page),
});

const NOTHING = {
  bytes: 0,
  totalBytes: 0,
  chunks: 0,
  totalChunks: 0,
  bytesPerSecond: 0,
  sources: [],
};

function opened(transfer: number): Opened {
  return { link: "link", snapshot: { transfer, state: "waiting", progress: NOTHING } };
}

/** A worker that answers when the test says so. */
class FakeWorker {
  onmessage: ((event: { data: ToPage }) => void) | null = null;
  readonly calls: Call[] = [];
  readonly notes: Note[] = [];

  postMessage(message: ToWorker): void {
    if (message.kind !== "call") {
      this.notes.push(message);
    } else if (message.name === "open") {
      this.answer(message.id, undefined);
    } else {
      this.calls.push(message);
    }
  }

  answer(id: number, result: Opened | undefined): void {
    queueMicrotask(() => this.onmessage?.({ data: { kind: "result", id, result } }));
  }

  terminate(): void {}
}

async function peer(): Promise<{ worker: FakeWorker; samara: SamaraPeer }> {
  const worker = new FakeWorker();
  const samara = await SamaraPeer.open(worker as unknown as Worker, {});
  return { worker, samara };
}

test("a fetch whose answer crosses its abort leaves no transfer in the worker", async () => {
  const { worker, samara } = await peer();
  const stop = new AbortController();
  const fetching = samara.fetch("link", { signal: stop.signal });
  stop.abort();
  await assert.rejects(fetching, { code: "aborted" });
  worker.answer(worker.calls[0]?.id ?? 0, opened(7));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(worker.notes.at(-1), { kind: "closeTransfer", transfer: 7, openings: 1 });
  assert.deepEqual(samara.transfers(), []);
});

test("a file that is sealed when its sharing is aborted is not shared", async () => {
  const { worker, samara } = await peer();
  const stop = new AbortController();
  const seeding = samara.seed(new Blob(["seed"]), { signal: stop.signal });
  stop.abort();
  await assert.rejects(seeding, { code: "aborted" });
  worker.answer(worker.calls[0]?.id ?? 0, opened(3));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(worker.notes.at(-1), { kind: "closeTransfer", transfer: 3, openings: 1 });
});

test("closing a transfer says how many calls had opened it", async () => {
  const { worker, samara } = await peer();
  const both = [samara.fetch("link"), samara.fetch("link")];
  for (const { id } of worker.calls) {
    worker.answer(id, opened(7));
  }
  const [first, second] = await Promise.all(both);
  assert.equal(first, second);
  first?.close();
  assert.deepEqual(worker.notes.at(-1), { kind: "closeTransfer", transfer: 7, openings: 2 });
});

test("a transfer ends with the last of the calls that opened it", () => {
  const transfers = new Transfers();
  transfers.open(7);
  transfers.open(7);
  assert.equal(transfers.close(7, 1), false);
  assert.equal(transfers.close(7, 1), true);
  assert.equal(transfers.close(7, 1), false);
});
