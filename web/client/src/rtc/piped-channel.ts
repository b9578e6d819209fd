import type { PeerChannel } from "../../wasm/samara_browser.js";
import type { PipeCommand, PipeEvent } from "./pipe.ts";

/** The worker's end of a piped data channel; it looks like the channel. */
export class PipedChannel implements PeerChannel {
  binaryType = "arraybuffer";
  bufferedAmountLowThreshold = 0;
  onopen: unknown = null;
  onmessage: unknown = null;
  onbufferedamountlow: unknown = null;
  onclose: unknown = null;
  readonly #port: MessagePort;
  #state: "connecting" | "open" | "closed" = "connecting";
  #handed = 0;
  #sent = 0;

  constructor(port: MessagePort) {
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<ArrayBuffer | PipeEvent>) => {
      if (data instanceof ArrayBuffer) {
        call(this.onmessage, { data });
      } else {
        this.#on(data);
      }
    };
  }

  get readyState(): string {
    return this.#state;
  }

  get bufferedAmount(): number {
    return this.#handed - this.#sent;
  }

  send(bytes: Uint8Array): void {
    if (this.#state !== "open") {
      throw new DOMException("the channel is not open", "InvalidStateError");
    }
    // The bytes are in the memory of the wasm, which cannot be given away.
    const copy = bytes.slice().buffer;
    this.#handed += copy.byteLength;
    this.#port.postMessage(copy, [copy]);
  }

  close(): void {
    if (this.#state !== "closed") {
      this.#state = "closed";
      this.#port.postMessage({ kind: "close" } satisfies PipeCommand);
    }
  }

  #on(event: PipeEvent): void {
    switch (event.kind) {
      case "open":
        this.#state = "open";
        call(this.onopen, event);
        return;
      case "close":
        this.#state = "closed";
        this.#port.close();
        call(this.onclose, event);
        return;
      case "sent": {
        const low = this.bufferedAmountLowThreshold;
        const before = this.bufferedAmount;
        this.#sent = event.bytes;
        if (before > low && this.bufferedAmount <= low) {
          call(this.onbufferedamountlow, event);
        }
        return;
      }
    }
  }
}

function call(handler: unknown, event: unknown): void {
  if (typeof handler === "function") {
    handler(event);
  }
}
