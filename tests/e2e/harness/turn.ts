/** A TURN server on this machine: coturn, which may not be installed. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createInterface } from "node:readline";

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
    const args = [...only, ...where, ...whom, ...files, "--log-file=stdout", "--simple-log"];
    const child = spawn(PROGRAM, args, { stdio: ["ignore", "pipe", "ignore"] });
    const turn = new Turn(child, `${ip}:${port}`);
    let log = "";
    for await (const line of createInterface(child.stdout)) {
      log += `${line}\n`;
      if (/UDP listener opened/.test(line)) {
        child.stdout.resume();
        return turn;
      }
    }
    throw new Error(`${PROGRAM} ended:\n${log}`);
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
