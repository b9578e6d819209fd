import { createServer } from "node:net";
import { Dht } from "../harness/dht.ts";
import { expect, test } from "../harness/stage.ts";

test("pages on two relays that know only the same DHT meet and transfer directly", async ({
  stage,
}) => {
  const input = await stage.input();
  const dht = stage.started(await Dht.start());
  // Each has a place for its own page only: none can go over to the other.
  const alone = ["--bootstrap", dht.bootstrap, "--max-connections", "1"];
  const ours = await stage.relay(alone, "ours");
  const port = await freePort();
  const announced = [...alone, "--announce-port", `${port}`];
  const theirs = await stage.relay(announced, "theirs", `127.0.0.1:${port}`);
  const link = await (await stage.tab(theirs.page)).send(input.path);
  await expect.poll(() => theirs.count("samara_dht_announces_total")).toBe(1);

  const reader = await stage.tab(ours.page);
  await reader.openLink(link);
  await reader.waitFor("done");
  expect(await reader.save()).toEqual({ name: input.name, hash: input.hash });
  expect((await reader.sources()).map((source) => source.path)).toEqual(["webrtc"]);
  for (const relay of [ours, theirs]) {
    expect(await relay.count("samara_bridges")).toBe(1);
    expect(await relay.count("samara_blob_bytes_sent_total")).toBe(0);
    expect(await relay.count("samara_signal_bytes_total")).toBeLessThan(input.size / 100);
  }
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("a port was asked for");
  return address.port;
}
