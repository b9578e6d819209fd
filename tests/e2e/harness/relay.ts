/** A relay process, and what it counts. */
import { Command } from "./command.ts";

export class Relay {
  readonly #command: Command;
  /** `127.0.0.1:port` */
  readonly host: string;
  readonly store: string;

  private constructor(command: Command, host: string, store: string) {
    this.#command = command;
    this.host = host;
    this.store = store;
  }

  /** Starts on a free port, or on `host` again. */
  static async start(store: string, args: string[] = [], host = "127.0.0.1:0"): Promise<Relay> {
    const dht = args.includes("--bootstrap") ? [] : ["--no-dht"];
    const command = new Command(["relay", "--listen", host, "--store", store, ...dht, ...args]);
    const bound = await command.line("its address", (line) => /127\.0\.0\.1:(\d+)/.exec(line)?.[0]);
    return new Relay(command, bound, store);
  }

  get page(): string {
    return `http://${this.host}/`;
  }

  get url(): string {
    return `ws://${this.host}/ws`;
  }

  /** Everything it logged. */
  get log(): string {
    return this.#command.output;
  }

  /** A counter or gauge. */
  async count(name: string): Promise<number> {
    const response = await fetch(new URL("metrics", this.page));
    const text = await response.text();
    const line = text.split("\n").find((line) => line.startsWith(`${name} `));
    if (line === undefined) throw new Error(`the relay does not count ${name}:\n${text}`);
    return Number(line.slice(name.length + 1));
  }

  stop(): Promise<void> {
    return this.#command.stop();
  }

  /** Lets it take nothing in from now on; whoever is connected stays so. */
  freeze(): void {
    this.#command.signal("SIGSTOP");
  }

  /** Ends it as a crash would, even if it is frozen. */
  async crash(): Promise<void> {
    this.#command.signal("SIGKILL");
    await this.#command.ended();
  }

  /** A new process in the old one's place. */
  async restart(): Promise<Relay> {
    return Relay.start(this.store, [], this.host);
  }
}
