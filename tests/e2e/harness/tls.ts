/** What stands before a relay on the open web: it ends TLS and passes the rest on. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type AddressInfo, connect } from "node:net";
import path from "node:path";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { promisify } from "node:util";

export class TlsProxy {
  readonly #server: Server;
  readonly #open = new Set<TLSSocket>();

  private constructor(server: Server) {
    this.#server = server;
    server.on("secureConnection", (socket) => {
      this.#open.add(socket);
      socket.on("close", () => this.#open.delete(socket));
    });
  }

  /** Before whoever listens at `host`, with a certificate that nobody vouches for. */
  static async start(folder: string, host: string): Promise<TlsProxy> {
    const [key, cert] = [path.join(folder, "key.pem"), path.join(folder, "cert.pem")];
    const name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
    const made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"];
    await promisify(execFile)("openssl", [...made, ...name, "-keyout", key, "-out", cert]);
    const options = { key: await readFile(key), cert: await readFile(cert) };
    const server = createServer(options, (near) => {
      const [name, port] = host.split(":");
      const far = connect(Number(port), name);
      near.pipe(far).pipe(near);
      near.on("error", () => far.destroy());
      far.on("error", () => near.destroy());
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new TlsProxy(server);
  }

  get page(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  async stop(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}
