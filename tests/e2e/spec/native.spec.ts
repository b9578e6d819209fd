/** The page and native peers behind the same relay. */
import { Firefox } from "../harness/firefox.ts";
import { MIB, sha256 } from "../harness/input.ts";
import { expect, type Input, type Stage, test } from "../harness/stage.ts";
import { TlsProxy } from "../harness/tls.ts";

/** More than meeting takes, less than any chunk. */
const MOST_SIGNALING = 256 * 1024;

/** Else a relay fetches for whoever waits for some seconds, as on a slow machine. */
const HELPS_NOBODY = ["--sympathy", "0"];

test("the page fetches from a native seeder, and the relay carries none of it", async ({
  stage,
}) => {
  const input = await stage.input();
  const relay = await stage.relay(HELPS_NOBODY);
  const link = await seeded(stage, input, "--relay", relay.url);

  const reader = await stage.tab(relay.page);
  await reader.openLink(link);
  await reader.waitFor("done");
  expect(await reader.save()).toEqual({ name: input.name, hash: input.hash });
  expect((await reader.sources()).map((source) => source.path)).toEqual(["webrtc"]);
  expect(await relay.count("samara_signal_bytes_total")).toBeLessThan(MOST_SIGNALING);
  expect(await relay.count("samara_blob_bytes_sent_total")).toBe(0);
});

test("a page by https fetches from a native seeder that has no certificate", async ({ stage }) => {
  const input = await stage.input();
  const relay = await stage.relay(HELPS_NOBODY);
  const proxy = stage.started(await TlsProxy.start(stage.folder, relay.host));
  const link = await seeded(stage, input, "--relay", relay.url);

  const reader = await stage.tab(proxy.page, { anyCertificate: true });
  expect(await reader.page.evaluate(() => window.isSecureContext)).toBe(true);
  await reader.openLink(link);
  await reader.waitFor("done");
  expect(await reader.save()).toEqual({ name: input.name, hash: input.hash });
  expect((await reader.sources()).map((source) => source.path)).toEqual(["webrtc"]);
  expect(await relay.count("samara_blob_bytes_sent_total")).toBe(0);
});

test("a native fetch gets what the page seeds, and the relay carries none of it", async ({
  stage,
}) => {
  const input = await stage.input();
  const relay = await stage.relay(HELPS_NOBODY);
  const link = await (await stage.tab(relay.page)).send(input.path);
  expect(await fetched(stage, link, "--relay", relay.url)).toBe(input.hash);
  expect(await relay.count("samara_signal_bytes_total")).toBeLessThan(MOST_SIGNALING);
  expect(await relay.count("samara_blob_bytes_sent_total")).toBe(0);
});

test("Firefox and native peers fetch from each other without the relay", async ({ stage }) => {
  const relay = await stage.relay(HELPS_NOBODY);
  const firefox = stage.started(await Firefox.start());
  const theirs = await stage.input(8 * MIB, "from Firefox.bin");
  const ours = await stage.input(8 * MIB, "from the command.bin");

  const link = await (await firefox.tab(relay.page)).send(theirs.path);
  expect(await fetched(stage, link, "--relay", relay.url)).toBe(theirs.hash);

  const payload = (await seeded(stage, ours, "--relay", relay.url)).replace("samara:", "");
  const reader = await firefox.tab(new URL(`#${payload}`, relay.page).href);
  await reader.waitFor("done");
  expect(await reader.save(ours.name)).toBe(ours.hash);
  expect((await reader.sources()).map((source) => source.path)).toEqual(["webrtc"]);
  expect(await relay.count("samara_signal_bytes_total")).toBeLessThan(2 * MOST_SIGNALING);
});

test("the page fetches through the relay what a seeder without data channels holds", async ({
  stage,
}) => {
  const input = await stage.input();
  const relay = await stage.relay();
  const link = await seeded(stage, input, "--relay", relay.url, "--no-webrtc");

  const reader = await stage.tab(relay.page);
  await reader.openLink(link);
  await reader.waitFor("done");
  expect(await reader.save()).toEqual({ name: input.name, hash: input.hash });
  expect((await reader.sources()).map((source) => source.path)).toEqual(["circuit"]);
  // It forwarded the pieces sealed once more, and kept none.
  expect(await relay.count("samara_signal_bytes_total")).toBeGreaterThan(input.size);
  expect(await relay.count("samara_store_blobs")).toBe(0);
});

test("a native fetch without data channels gets through the relay what the page seeds", async ({
  stage,
}) => {
  const input = await stage.input();
  const relay = await stage.relay();
  const link = await (await stage.tab(relay.page)).send(input.path);
  expect(await fetched(stage, link, "--relay", relay.url, "--no-webrtc")).toBe(input.hash);
  expect(await relay.count("samara_signal_bytes_total")).toBeGreaterThan(input.size);
});

/** A native seeder of the input that knows a relay alone; resolves to the link. */
async function seeded(stage: Stage, input: Input, ...network: string[]): Promise<string> {
  const { entry, link } = await stage.ingest(input, stage.path("seeder"));
  await stage.seed(entry, stage.path("seeder"), "--no-dht", ...network);
  return link;
}

/** The hash of what a native peer that knows a relay alone fetches. */
async function fetched(stage: Stage, link: string, ...network: string[]): Promise<string> {
  const out = stage.path("fetched");
  const own = ["--store", stage.path("own"), "--no-dht"];
  await stage.samara("fetch", link, "-o", out, ...own, ...network).succeeded();
  return sha256(out);
}
