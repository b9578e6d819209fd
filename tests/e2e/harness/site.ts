/** A web server of somebody else's: files as they are. */
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import path from "node:path";

/** The npm package as it was built here. */
export const PACKAGE = path.resolve(import.meta.dirname, "../../../web/client");

const TYPES: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
};

/** What stands at the root if the folder has nothing to say. */
const PAGE = "<!doctype html><title>A page with samara-web</title>";

export class Site {
  readonly #server: Server;
  readonly url: string;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  }

  static async start(folder: string): Promise<Site> {
    const server = createServer(async ({ url = "/" }, response) => {
      const asked = path.normalize(new URL(url, "http://site").pathname);
      const name = asked === "/" ? "/index.html" : asked;
      const body = await readFile(path.join(folder, name)).catch(() => undefined);
      if (body === undefined && asked !== "/") {
        response.writeHead(404).end();
        return;
      }
      const type = TYPES[path.extname(name)] ?? "application/octet-stream";
      response.setHeader("content-type", type).end(body ?? PAGE);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Site(server);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
