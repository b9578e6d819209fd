/**
 * The page in Firefox, driven as a person would. Playwright drives a Firefox of
 * its own making only; Puppeteer drives the one that people have.
 */
import { mkdtemp, readdir, rm, watch } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import puppeteer, { type Browser, type Page } from "puppeteer-core";
import { sha256 } from "./input.ts";
import type { SourceSeen } from "./tab.ts";

const EXECUTABLE = process.env.SAMARA_FIREFOX ?? "/usr/bin/firefox-esr";

/** As long as any wait of the suite. */
const TIMEOUT = 40_000;

/** Nothing is asked of anybody, and what is saved goes to a folder unasked. */
const preferences = (downloads: string): Record<string, unknown> => ({
  "browser.download.dir": downloads,
  "browser.download.folderList": 2,
  "browser.download.useDownloadDir": true,
  "browser.download.always_ask_before_handling_new_types": false,
  // A machine without a network has no other address than loopback.
  "media.peerconnection.ice.loopback": true,
  "media.peerconnection.ice.obfuscate_host_addresses": false,
});

export class Firefox {
  readonly #browser: Browser;
  readonly #downloads: string;

  private constructor(browser: Browser, downloads: string) {
    this.#browser = browser;
    this.#downloads = downloads;
  }

  static async start(): Promise<Firefox> {
    const downloads = await mkdtemp(path.join(tmpdir(), "samara-firefox-"));
    const browser = await puppeteer.launch({
      browser: "firefox",
      executablePath: EXECUTABLE,
      headless: true,
      extraPrefsFirefox: preferences(downloads),
    });
    return new Firefox(browser, downloads);
  }

  /** A tab in a profile of its own. */
  async tab(url: string): Promise<FirefoxTab> {
    const profile = await this.#browser.createBrowserContext();
    const page = await profile.newPage();
    page.setDefaultTimeout(TIMEOUT);
    await page.goto(url);
    return new FirefoxTab(page, this.#downloads);
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    await rm(this.#downloads, { recursive: true });
  }
}

export class FirefoxTab {
  readonly page: Page;
  readonly #downloads: string;

  constructor(page: Page, downloads: string) {
    this.page = page;
    this.#downloads = downloads;
  }

  /** Picks a file and waits for its link. */
  async send(file: string): Promise<string> {
    const input = await this.page.waitForSelector("input[data-testid=file-input]");
    await input?.uploadFile(file);
    const link = await this.page.waitForSelector("input[data-testid=share-link]");
    return link?.evaluate((link) => link.value) ?? "";
  }

  async waitFor(state: string): Promise<void> {
    await this.page.waitForSelector(`[data-testid=transfer][data-state=${state}]`);
  }

  async sources(): Promise<SourceSeen[]> {
    return this.page.$$eval("[data-testid=sources] li", (rows) =>
      rows.map((row) => ({
        path: row.getAttribute("data-path") ?? "",
        bytes: Number(row.getAttribute("data-bytes")),
      })),
    );
  }

  /** Saves the file, called `name`; resolves to its hash. */
  async save(name: string): Promise<string> {
    const saved = path.join(this.#downloads, name);
    const changes = watch(this.#downloads, { signal: AbortSignal.timeout(TIMEOUT) });
    await this.page.click("[data-testid=save]");
    for await (const _ of changes) {
      // A file has its name first and its content later, under another name.
      const names = await readdir(this.#downloads);
      if (names.includes(name) && !names.some((name) => name.endsWith(".part"))) break;
    }
    return sha256(saved);
  }
}
