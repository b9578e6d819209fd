/**
 * A DHT on loopback. Its nodes are another implementation than the one under
 * test, which is a client here.
 */
import { once } from "node:events";
import Node from "bittorrent-dht";

/** As many as store one value. */
const NODES = 8;

export class Dht {
  readonly #nodes: Node[];
  /** Where to enter it: `127.0.0.1:port`. */
  readonly bootstrap: string;

  private constructor(nodes: Node[], bootstrap: string) {
    this.#nodes = nodes;
    this.bootstrap = bootstrap;
  }

  static async start(): Promise<Dht> {
    const first = await listening(new Node({ bootstrap: false }));
    const bootstrap = `127.0.0.1:${first.address().port}`;
    const nodes = [first];
    while (nodes.length < NODES) {
      const node = await listening(new Node({ bootstrap: [bootstrap] }));
      await new Promise<void>((resolve) => (node.ready ? resolve() : node.once("ready", resolve)));
      nodes.push(node);
    }
    return new Dht(nodes, bootstrap);
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#nodes.map((node) => new Promise<void>((resolve) => node.destroy(() => resolve()))),
    );
  }
}

async function listening(node: Node): Promise<Node> {
  node.listen(0, "127.0.0.1");
  await once(node, "listening");
  return node;
}
