/** The npm package in a page of its own, as somebody else's page would use it. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "@playwright/test";

const CLIENT = fileURLToPath(new URL("../../../web/client/", import.meta.url));
const TYPES: Record<string, string> = {
  ".js": "text/javascript",
  ".wasm": "application/wasm",
};

/** What the tests use of the package's API. */
export interface Account {
  peer: string;
  sentBytes: number;
  receivedBytes: number;
}

interface Opened {
  status(): { identity: string };
  seed(file: Blob, options: { name: string }): Promise<{ link: string }>;
  fetch(link: string): Promise<{ done: Promise<void> }>;
  ledger(): Promise<Account[]>;
  forgetIdentity(): Promise<void>;
  close(): Promise<void>;
}

declare global {
  var samara: Opened;
}

/** Serves an empty page and the package's files. */
export class PackageSite {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<PackageSite> {
    const server = createServer(async (request, response) => {
      const { pathname } = new URL(request.url ?? "/", "http://127.0.0.1");
      const type = TYPES[path.extname(pathname)];
      response.setHeader("content-type", type ?? "text/html");
      response.end(type ? await readFile(path.join(CLIENT, pathname)) : "<!doctype html>");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new PackageSite(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** Opens the package in a page of the site; resolves to the peer's identity. */
export async function openPackage(page: Page, relay: string): Promise<string> {
  return page.evaluate(async (relay) => {
    const index = "/dist/index.js";
    const { open } = await import(index);
    globalThis.samara = await open({ relays: [relay] });
    return globalThis.samara.status().identity;
  }, relay);
}
