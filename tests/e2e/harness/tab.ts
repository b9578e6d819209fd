/** The page in one browser, driven as a person would. */
import {
  type Browser,
  type BrowserContext,
  expect,
  type Locator,
  type Page,
} from "@playwright/test";
import { sha256 } from "./input.ts";

export interface SourceSeen {
  path: string;
  bytes: number;
}

/** How a tab differs from an ordinary one. */
export interface TabOptions {
  /** Runs before the page's own scripts. */
  before?: () => void;
  /** Another name for this machine that the page goes by. */
  host?: string;
  /** Certificates count that nobody vouches for. */
  anyCertificate?: boolean;
}

export class Tab {
  readonly page: Page;
  /** What must not happen on any page: see {@link Tab.complaints}. */
  readonly #complaints: string[] = [];

  private constructor(page: Page, hosts: string[]) {
    this.page = page;
    page.on("pageerror", (error) => this.#complaints.push(`error: ${error.message}`));
    page.on("console", (message) => {
      if (/Content Security Policy/i.test(message.text())) this.#complaints.push(message.text());
    });
    page.on("request", (request) => {
      const url = new URL(request.url());
      const own = ["blob:", "data:"].includes(url.protocol) || hosts.includes(url.hostname);
      if (!own) this.#complaints.push(`request to ${url.host}`);
    });
  }

  /** A tab in a browser profile of its own. */
  static async open(browser: Browser, url: string, options: TabOptions = {}): Promise<Tab> {
    const { anyCertificate: ignoreHTTPSErrors = false } = options;
    const profile = await browser.newContext({ acceptDownloads: true, ignoreHTTPSErrors });
    return Tab.inProfile(profile, url, options);
  }

  /** A tab in this profile, which ends with it. */
  static async inProfile(
    profile: BrowserContext,
    url: string,
    { before, host = "127.0.0.1" }: TabOptions = {},
  ): Promise<Tab> {
    const tab = new Tab(await profile.newPage(), ["127.0.0.1", host]);
    if (before !== undefined) await tab.page.addInitScript(before);
    await tab.page.goto(url);
    return tab;
  }

  /** Another tab beside this one, in the same profile; ends with it. */
  beside(url: string): Promise<Tab> {
    return Tab.inProfile(this.page.context(), url);
  }

  /** Uncaught errors, refusals by the content policy, requests to others. */
  get complaints(): readonly string[] {
    return this.#complaints;
  }

  get transfer(): Locator {
    return this.page.getByTestId("transfer");
  }

  get error(): Locator {
    return this.page.getByTestId("error");
  }

  /** Picks a file and waits for its link. */
  async send(path: string): Promise<string> {
    await this.page.getByTestId("file-input").setInputFiles(path);
    const link = this.page.getByTestId("share-link");
    await expect(link).toHaveValue(/#/);
    return link.inputValue();
  }

  /** Types a link into the field and opens it. */
  async openLink(link: string): Promise<void> {
    await this.page.getByTestId("link-input").fill(link);
    await this.page.getByTestId("open-link").click();
  }

  async waitFor(state: "waiting" | "active" | "paused" | "done" | "failed"): Promise<void> {
    await expect(this.transfer).toHaveAttribute("data-state", state);
  }

  /** Waits until more than `bytes` of the file are there. */
  async reach(bytes: number): Promise<void> {
    await this.page.waitForFunction((bytes) => {
      const bar = document.querySelector<HTMLProgressElement>("[data-testid=progress]");
      return bar !== null && bar.max > 1 && bar.value > bytes;
    }, bytes);
  }

  /** Pauses as soon as more than `bytes` are there, and resolves to how many are. */
  async pauseBeyond(bytes: number): Promise<number> {
    // In the page: a round trip for each look would come too late.
    await this.page.waitForFunction((bytes) => {
      const bar = document.querySelector<HTMLProgressElement>("[data-testid=progress]");
      if (bar === null || bar.max <= 1 || bar.value <= bytes) return false;
      const buttons = [...document.querySelectorAll("button")];
      buttons.find((button) => button.textContent === "Pause")?.click();
      return true;
    }, bytes);
    await this.waitFor("paused");
    return this.held();
  }

  /** Bytes of the file in this browser. */
  async held(): Promise<number> {
    const bar = this.page.getByTestId("progress");
    return bar.evaluate((bar) => (bar instanceof HTMLProgressElement ? bar.value : 0));
  }

  async sources(): Promise<SourceSeen[]> {
    const rows = this.page.getByTestId("sources").getByRole("listitem");
    return rows.evaluateAll((rows) =>
      rows.map((row) => ({
        path: row.getAttribute("data-path") ?? "",
        bytes: Number(row.getAttribute("data-bytes")),
      })),
    );
  }

  /** Saves the file; resolves to its name and hash. */
  async save(): Promise<{ name: string; hash: string }> {
    const download = this.page.waitForEvent("download");
    await this.page.getByTestId("save").click();
    const saved = await download;
    return { name: saved.suggestedFilename(), hash: await sha256(await saved.path()) };
  }

  /** Has the relay keep a copy, and waits until it does. */
  async push(): Promise<void> {
    await this.page.getByTestId("push").click();
    await expect(this.page.getByTestId("pushed")).toHaveAttribute("data-state", "done");
  }

  async close(): Promise<void> {
    await this.page.context().close();
  }
}
