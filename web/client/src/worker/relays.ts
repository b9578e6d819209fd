import type { PeerProblem } from "../../wasm/samara_browser.js";
import type { RelayStatus } from "../api.ts";
import type { PlainError } from "../messages.ts";

/** The addresses the peer stays connected to, and what became of them. */
export class Relays {
  readonly #status = new Map<string, RelayStatus>();

  keep(url: string): void {
    this.#status.set(url, { url, connected: false });
  }

  /** Notes what became of one; what to tell the user when that is bad news. */
  on(url: string, problem: PeerProblem | undefined): PlainError | undefined {
    const before = this.#status.get(url);
    const after: RelayStatus =
      problem === undefined
        ? { url, connected: true }
        : { url, connected: false, problem: problem.text };
    this.#status.set(url, after);
    if (problem === undefined || before?.problem === problem.text) {
      return undefined;
    }
    return {
      code: problem.cause === "otherVersion" ? "wrong-version" : "relay-unreachable",
      message: `relay ${url}: ${problem.text}`,
    };
  }

  all(): RelayStatus[] {
    return [...this.#status.values()];
  }
}
