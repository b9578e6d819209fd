/** A TURN server on this machine: coturn, which may not be installed. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";

const PROGRAM = "turnserver";

export class Turn {
  /** Whether there can be one. */
  static readonly installed = spawnSync(PROGRAM, ["--version"]).error === undefined;

  readonly #process: ChildProcess;
  /** `127.0.0.1:port` */
  readonly host: string;

  private constructor(process: ChildProcess, host: string) {
    this.#process = process;
    this.host = host;
  }

  /** Starts one that takes whoever a relay with this secret names it to. */
  static async start(secret: string, folder: string): Promise<Turn> {
    const ip = "127.0.0.1";
    const port = await freePort(ip);
    const files = [`--userdb=${folder}/turndb`, `--pidfile=${folder}/turn.pid`];
    const where = [`--listening-ip=${ip}`, `--relay-ip=${ip}`, `--listening-port=${port}`];
    const whom = ["--realm=samara", "--use-auth-secret", `--static-auth-secret=${secret}`];
    const only = ["-n", "--no-cli", "--no-tls", "--no-dtls", "--allow-loopback-peers"];
    const args = [...only, ...where, ...whom, ...files, "--log-file=/dev/null"];
    const turn = new Turn(spawn(PROGRAM, args, { stdio: "ignore" }), `${ip}:${port}`);
    await answers(ip, port);
    return turn;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.kill("SIGKILL")) {
      await once(this.#process, "exit");
    }
  }
}

async function freePort(ip: string): Promise<number> {
  const socket = createSocket("udp4");
  socket.bind(0, ip);
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  return port;
}

/** Resolves when something answers STUN there: the request goes out until then. */
async function answers(ip: string, port: number): Promise<void> {
  const socket = createSocket("udp4");
  // A binding request (RFC 8489) without attributes.
  const request = Buffer.concat([Buffer.from("000100002112a442", "hex"), Buffer.alloc(12, 7)]);
  const asking = setInterval(() => socket.send(request, port, ip), 50);
  try {
    await once(socket, "message", { signal: AbortSignal.timeout(20_000) });
  } finally {
    clearInterval(asking);
    socket.close();
  }
}
