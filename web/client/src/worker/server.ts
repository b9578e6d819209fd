import type { Call, CallName, Calls, ToWorker } from "../messages.ts";
import { coded, plain } from "./errors.ts";
import { load } from "./program.ts";
import { scope } from "./scope.ts";
import { Session } from "./session.ts";

/** Least time between two reports of a file being sealed, in milliseconds. */
const PROGRESS_EVERY = 50;

/** Answers the page's calls. */
export function serve(): void {
  const server = new Server();
  scope.onmessage = ({ data }) => server.onMessage(data);
  load().catch(() => {}); // Thrown again where the page asks for it.
}

class Server {
  #session: Session | undefined;
  readonly #running = new Set<number>();

  onMessage(message: ToWorker): void {
    if (message.kind === "call") {
      void this.#answer(message);
    } else if (message.kind === "abort") {
      this.#running.delete(message.id);
    } else {
      this.#session?.note(message);
    }
  }

  async #answer(call: Call): Promise<void> {
    const { id } = call;
    this.#running.add(id);
    try {
      const result = await this.#run(call);
      const transfer = result instanceof Uint8Array ? [result.buffer] : [];
      scope.postMessage({ kind: "result", id, result }, transfer);
    } catch (error) {
      scope.postMessage({ kind: "error", id, error: plain(error) });
    } finally {
      this.#running.delete(id);
    }
  }

  async #run(call: Call): Promise<Calls[CallName]["result"]> {
    if (call.name === "open") {
      this.#session = await Session.open(call.args);
      return this.#session.identity();
    }
    const session = this.#session;
    if (session === undefined) {
      throw coded("aborted", "the peer is closed");
    }
    switch (call.name) {
      case "seed":
        return session.seed(call.args, this.#progress(call.id));
      case "fetch":
        return session.fetch(call.args.link);
      case "chunk":
        return session.chunk(call.args.transfer, call.args.index);
      case "blob":
        return session.blob(call.args.transfer, () => !this.#running.has(call.id));
      case "forgetIdentity":
        return session.forgetIdentity();
      case "ledger":
        return session.ledger();
      case "close":
        this.#session = undefined;
        await session.close();
        return undefined;
    }
  }

  #progress(id: number): (bytes: number) => boolean {
    let last = 0;
    return (bytes) => {
      const now = performance.now();
      if (now - last >= PROGRESS_EVERY) {
        last = now;
        scope.postMessage({ kind: "progress", id, bytes });
      }
      return this.#running.has(id);
    };
  }
}
