/**
 * What a test plays on: a folder, an input file, processes and tabs, all gone
 * afterwards. `test` from here instead of Playwright's.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Browser, test as base, expect } from "@playwright/test";
import { Command } from "./command.ts";
import { MIB, sha256, writeNoise } from "./input.ts";
import { Relay } from "./relay.ts";
import { Tab, type TabOptions } from "./tab.ts";

/** A file, and how to tell that another is the same. */
export interface Input {
  path: string;
  name: string;
  size: number;
  hash: string;
}

interface OpenTab extends TabOptions {
  /** Another than the test's own. */
  browser?: Browser;
}

export class Stage {
  readonly folder: string;
  readonly #browser: Browser;
  readonly #commands: { stop(): Promise<void> }[] = [];
  readonly #tabs: Tab[] = [];

  constructor(folder: string, browser: Browser) {
    this.folder = folder;
    this.#browser = browser;
  }

  path(name: string): string {
    return path.join(this.folder, name);
  }

  /** A file of some tens of megabytes that ends amid a chunk. */
  async input(size = 40 * MIB + 12_345, name = "Winter in the marshes.mkv"): Promise<Input> {
    const file = this.path(name);
    await writeNoise(file, size, this.folder + name);
    return { path: file, name, size, hash: await sha256(file) };
  }

  async relay(args: string[] = [], store = "relay", host?: string): Promise<Relay> {
    return this.started(await Relay.start(this.path(store), args, host));
  }

  /** `samara` with `--json`. */
  samara(...args: string[]): Command {
    return this.started(new Command(["--json", ...args]));
  }

  /** Has a native store hold the input; resolves to the entry file and the link's text. */
  async ingest(input: Input, store: string): Promise<{ entry: string; link: string }> {
    const entry = this.path(`${path.basename(store)}.json`);
    const ingest = this.samara("ingest", "-i", input.path, "-o", entry, "--store", store);
    const { link } = await ingest.event("link");
    await ingest.succeeded();
    return { entry, link: String(link) };
  }

  /** A seeder in the background that serves all of an entry. */
  async seed(entry: string, store: string, ...network: string[]): Promise<Command> {
    const seed = this.samara("seed", "-i", entry, "--store", store, ...network);
    await seed.event("seeding");
    return seed;
  }

  /** A tab in a profile of its own, in the test's browser or another. */
  async tab(url: string, { browser = this.#browser, ...options }: OpenTab = {}): Promise<Tab> {
    return this.watched(await Tab.open(browser, url, options));
  }

  /** Closes the tab when the test ends, and wants no complaints of it. */
  watched(tab: Tab): Tab {
    this.#tabs.push(tab);
    return tab;
  }

  /** Stops whatever runs when the test ends. */
  started<T extends { stop(): Promise<void> }>(process: T): T {
    this.#commands.push(process);
    return process;
  }

  async end(): Promise<void> {
    await Promise.all(this.#tabs.map((tab) => tab.close()));
    await Promise.all(this.#commands.map((command) => command.stop()));
    const complaints = this.#tabs.flatMap((tab) => tab.complaints);
    expect(complaints, "no page errs, breaks the content policy or asks others").toEqual([]);
  }
}

export const test = base.extend<{ stage: Stage }>({
  stage: async ({ browser }, use) => {
    const folder = await mkdtemp(path.join(tmpdir(), "samara-e2e-"));
    const stage = new Stage(folder, browser);
    try {
      await use(stage);
      await stage.end();
    } finally {
      await rm(folder, { recursive: true });
    }
  },
});

export { expect, Tab };
