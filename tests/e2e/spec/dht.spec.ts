import { Dht } from "../harness/dht.ts";
import { expect, test } from "../harness/stage.ts";

test("the page finds a native seeder that no relay knows, through the DHT", async ({ stage }) => {
  const input = await stage.input();
  const dht = stage.started(await Dht.start());
  const relay = await stage.relay(["--bootstrap", dht.bootstrap]);
  const { entry, link } = await stage.ingest(input, stage.path("seeder"));
  const network = ["--listen", "127.0.0.1:0", "--bootstrap", dht.bootstrap];
  const seed = await stage.seed(entry, stage.path("seeder"), ...network);
  await seed.event("announced");

  const reader = await stage.tab(relay.page);
  await reader.openLink(link);
  await reader.waitFor("done");
  expect(await reader.save()).toEqual({ name: input.name, hash: input.hash });
  expect((await reader.sources()).map((source) => source.path)).toEqual(["websocket"]);
  expect(await relay.count("samara_blob_bytes_sent_total")).toBe(0);
  expect(await relay.count("samara_signal_bytes_total")).toBeLessThan(input.size / 100);
});
