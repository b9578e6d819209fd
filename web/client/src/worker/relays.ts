import type { RelayStatus } from "../api.ts";
import type { PlainError } from "../messages.ts";

/**
 * What a problem says when the versions differ: the first is the reason an
 * older or newer relay gives in its refusal, the second this side's own. The
 * machine gives sentences only, so they are told apart by their words.
 */
const OTHER_VERSION = /protocol version|version of the protocol/;

/** The addresses the peer stays connected to, and what became of them. */
export class Relays {
  readonly #status = new Map<string, RelayStatus>();

  keep(url: string): void {
    this.#status.set(url, { url, connected: false });
  }

  /** Notes what became of one; what to tell the user when that is bad news. */
  on(url: string, problem: string | undefined): PlainError | undefined {
    const before = this.#status.get(url);
    const after: RelayStatus =
      problem === undefined ? { url, connected: true } : { url, connected: false, problem };
    this.#status.set(url, after);
    if (problem === undefined || before?.problem === problem) {
      return undefined;
    }
    return {
      code: OTHER_VERSION.test(problem) ? "wrong-version" : "relay-unreachable",
      message: `relay ${url}: ${problem}`,
    };
  }

  all(): RelayStatus[] {
    return [...this.#status.values()];
  }
}
