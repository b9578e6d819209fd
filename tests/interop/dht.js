/**
 * A DHT on loopback of npm `bittorrent-dht`, and a peer in it. Prints where to
 * enter; then each line on standard input is an order, answered by one line.
 *
 *     announce HASH PORT    ->  announced
 *     lookup HASH           ->  the addresses found, parted by blanks
 *     holders HASH          ->  how many nodes name somebody for it
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import Node from "bittorrent-dht";

const NODES = 20;

async function start(bootstrap) {
  const node = new Node({ bootstrap });
  node.listen(0, "127.0.0.1");
  await once(node, "listening");
  if (bootstrap && !node.ready) await once(node, "ready");
  return node;
}

const first = await start(false);
const entry = `127.0.0.1:${first.address().port}`;
const nodes = [first];
while (nodes.length < NODES) nodes.push(await start([entry]));
const peer = await start([entry]);

const stored = new Map();
for (const node of nodes) {
  node.on("announce", (_, hash) => {
    const key = hash.toString("hex");
    stored.set(key, (stored.get(key) ?? new Set()).add(node));
  });
}

function announce(hash, port) {
  return new Promise((resolve, reject) => {
    peer.announce(hash, port, (error) => (error ? reject(error) : resolve("announced")));
  });
}

function lookup(hash) {
  const found = new Set();
  const add = ({ host, port }, of) => {
    if (of.toString("hex") === hash) found.add(`${host}:${port}`);
  };
  peer.on("peer", add);
  return new Promise((resolve, reject) => {
    peer.lookup(hash, (error) => {
      peer.off("peer", add);
      if (error) reject(error);
      else resolve([...found].join(" "));
    });
  });
}

const orders = {
  announce: (hash, port) => announce(hash, Number(port)),
  lookup,
  holders: (hash) => String(stored.get(hash)?.size ?? 0),
};

console.log(entry);
for await (const line of createInterface({ input: process.stdin })) {
  const [order, ...operands] = line.split(" ");
  console.log(await orders[order](...operands));
}
process.exit();
