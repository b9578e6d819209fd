import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { pipe } from "../src/rtc/pipe.ts";
import { PipedChannel } from "../src/rtc/piped-channel.ts";

/** A data channel whose other end is the test. */
class FakeChannel extends EventTarget {
  binaryType = "blob";
  bufferedAmount = 0;
  bufferedAmountLowThreshold = 0;
  readyState = "connecting";
  onopen?: () => void;
  onclose?: () => void;
  onbufferedamountlow?: () => void;
  onmessage?: (event: { data: unknown }) => void;
  readonly sent: ArrayBuffer[] = [];

  send(data: ArrayBuffer): void {
    this.sent.push(data);
    this.bufferedAmount += data.byteLength;
    this.dispatchEvent(new Event("sent"));
  }

  close(): void {
    this.readyState = "closed";
    this.onclose?.();
  }

  open(): void {
    this.readyState = "open";
    this.onopen?.();
  }

  /** Lets everything out. */
  drain(): void {
    this.bufferedAmount = 0;
    this.onbufferedamountlow?.();
  }
}

function piped(): {
  far: FakeChannel;
  near: PipedChannel;
  event: (name: string) => Promise<unknown>;
} {
  const far = new FakeChannel();
  const near = new PipedChannel(pipe(far as unknown as RTCDataChannel));
  const handlers = near as unknown as Record<string, unknown>;
  const event = (name: string): Promise<unknown> =>
    new Promise((resolve) => {
      handlers[name] = resolve;
    });
  return { far, near, event };
}

/** Closes the pipe; a port left open would keep the process alive. */
async function close(near: PipedChannel, event: (name: string) => Promise<unknown>): Promise<void> {
  const closed = event("onclose");
  near.close();
  await closed;
}

test("messages pass through a pipe both ways", async () => {
  const { far, near, event } = piped();
  const opened = event("onopen");
  far.open();
  await opened;
  assert.equal(near.readyState, "open");

  const memory = Uint8Array.of(9, 1, 2, 3, 9);
  const sent = once(far, "sent");
  near.send(memory.subarray(1, 4));
  memory.fill(0);
  await sent;
  assert.deepEqual(new Uint8Array(far.sent[0] ?? new ArrayBuffer(0)), Uint8Array.of(1, 2, 3));

  const message = event("onmessage");
  far.onmessage?.({ data: Uint8Array.of(7).buffer });
  const { data } = (await message) as { data: ArrayBuffer };
  assert.deepEqual(new Uint8Array(data), Uint8Array.of(7));
  await close(near, event);
  assert.equal(far.readyState, "closed");
});

test("a pipe tells when the channel has sent what it was given", async () => {
  const { far, near, event } = piped();
  const opened = event("onopen");
  far.open();
  await opened;
  near.bufferedAmountLowThreshold = 1 << 20;
  const low = event("onbufferedamountlow");
  const sent = once(far, "sent");
  near.send(new Uint8Array(3 << 20));
  await sent;
  assert.equal(near.bufferedAmount, 3 << 20);
  far.drain();
  await low;
  assert.equal(near.bufferedAmount, 0);
  await close(near, event);
});

test("a channel that closes closes its pipe", async () => {
  const { far, near, event } = piped();
  const closed = event("onclose");
  far.onclose?.();
  await closed;
  assert.equal(near.readyState, "closed");
  assert.throws(() => near.send(Uint8Array.of(1)), { name: "InvalidStateError" });
});
