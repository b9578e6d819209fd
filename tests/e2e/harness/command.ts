/** A running `samara` process: what it says, and how it ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";

const BINARY = path.resolve(
  process.env.SAMARA_BIN ?? path.join(import.meta.dirname, "../../../target/debug/samara"),
);

/** One line of `--json` on standard error. */
export type Event = { event: string } & Record<string, unknown>;

export class Command {
  /** Everything written so far, for messages. */
  output = "";
  stdout = "";
  readonly #process: ChildProcess;
  readonly #lines: string[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #exit: Promise<number>;
  #ended = false;

  constructor(args: string[]) {
    this.#process = spawn(BINARY, args, { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (stream === null) throw new Error("the streams are pipes");
      createInterface(stream).on("line", (line) => {
        this.output += `${line}\n`;
        if (stream === this.#process.stdout) this.stdout += `${line}\n`;
        this.#lines.push(line);
        this.#wake();
      });
    }
    this.#exit = once(this.#process, "close").then(([code]) => {
      this.#ended = true;
      this.#wake();
      return Number(code ?? -1);
    });
    this.#exit.catch(() => {});
  }

  /** What `read` makes of the first line that means something to it. */
  async line<T>(what: string, read: (line: string) => T | undefined): Promise<T> {
    for (let next = 0; ; next += 1) {
      while (next >= this.#lines.length) {
        if (this.#ended) throw new Error(`samara ended without ${what}:\n${this.output}`);
        await new Promise<void>((resolve) => this.#waiting.add(resolve));
      }
      const found = read(this.#lines[next] ?? "");
      if (found !== undefined) return found;
    }
  }

  /** The first event of this name, of a command that runs with `--json`. */
  event(name: string): Promise<Event> {
    return this.line(`the event ${name}`, (line) => {
      const event = parse(line);
      return event?.event === name ? event : undefined;
    });
  }

  /** Its exit code. */
  ended(): Promise<number> {
    return this.#exit;
  }

  /** Waits for it to end well. */
  async succeeded(): Promise<void> {
    const code = await this.#exit;
    if (code !== 0) throw new Error(`samara ended with ${code}:\n${this.output}`);
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Stops it as a user would. */
  async stop(): Promise<void> {
    if (!this.#ended) this.#process.kill("SIGTERM");
    await this.#exit;
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

function parse(line: string): Event | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as Event;
  } catch {
    return undefined;
  }
}
