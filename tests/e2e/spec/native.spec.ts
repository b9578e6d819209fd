import { sha256 } from "../harness/input.ts";
import { expect, test } from "../harness/stage.ts";

test("the page fetches what a native seeder behind the relay holds", async ({ stage }) => {
  const input = await stage.input();
  const relay = await stage.relay();
  const { entry, link } = await stage.ingest(input, stage.path("seeder"));
  await stage.seed(entry, stage.path("seeder"), "--relay", relay.url, "--no-dht");

  const reader = await stage.tab(relay.page);
  await reader.openLink(link);
  await reader.waitFor("done");
  expect(await reader.save()).toEqual({ name: input.name, hash: input.hash });
  expect((await reader.sources()).map((source) => source.path)).toContain("circuit");
  // It forwarded the pieces sealed once more, and kept none.
  expect(await relay.count("samara_signal_bytes_total")).toBeGreaterThan(input.size);
  expect(await relay.count("samara_store_blobs")).toBe(0);
});

test("a native fetch gets what the page seeds", async ({ stage }) => {
  const input = await stage.input();
  const relay = await stage.relay();
  const sender = await stage.tab(relay.page);
  const link = await sender.send(input.path);

  const out = stage.path("fetched");
  const network = ["--relay", relay.url, "--no-dht"];
  const fetch = stage.samara("fetch", link, "-o", out, "--store", stage.path("own"), ...network);
  await fetch.succeeded();
  expect(await sha256(out)).toBe(input.hash);
});
