import { type Browser, chromium } from "@playwright/test";
import type { Relay } from "../harness/relay.ts";
import { expect, test } from "../harness/stage.ts";

/** More than meeting takes, less than any chunk. */
const MOST_SIGNALING = 256 * 1024;

test("a file goes from browser to browser and on to a third, and the relay carries none of it", async ({
  stage,
  launchOptions,
}) => {
  const input = await stage.input();
  const relay = await stage.relay();
  const other: Browser = await chromium.launch(launchOptions);
  stage.started({ stop: () => other.close() });

  const sender = await stage.tab(relay.page);
  const link = await sender.send(input.path);
  const reader = await stage.tab(link, { browser: other });
  await reader.waitFor("done");
  expect(await reader.save()).toEqual({ name: input.name, hash: input.hash });
  await expectDirect(relay, await reader.sources(), input.size);

  await sender.close();
  const third = await stage.tab(link);
  await third.waitFor("done");
  expect(await third.save()).toEqual({ name: input.name, hash: input.hash });
  await expectDirect(relay, await third.sources(), input.size);
});

test("a link opens from the field as from the address, and once only", async ({ stage }) => {
  const input = await stage.input(3 * 1024 * 1024);
  const relay = await stage.relay();
  const sender = await stage.tab(relay.page);
  const link = await sender.send(input.path);

  const reader = await stage.tab(relay.page);
  await reader.openLink(link);
  await reader.waitFor("done");
  await reader.openLink(link);
  await expect(reader.transfer).toHaveCount(1);
  expect((await reader.save()).hash).toBe(input.hash);
});

test("an empty file and one of a single byte arrive as they are", async ({ stage }) => {
  const relay = await stage.relay();
  for (const size of [0, 1]) {
    const input = await stage.input(size);
    const sender = await stage.tab(relay.page);
    const reader = await stage.tab(await sender.send(input.path));
    await reader.waitFor("done");
    expect(await reader.save()).toEqual({ name: input.name, hash: input.hash });
  }
});

test("the page lets the address bar resume what it shows", async ({ stage }) => {
  const input = await stage.input(3 * 1024 * 1024);
  const relay = await stage.relay();
  const sender = await stage.tab(relay.page);
  const link = await sender.send(input.path);
  expect(sender.page.url()).toBe(link);

  await sender.page.reload();
  await sender.waitFor("done");
  const reader = await stage.tab(link);
  await reader.waitFor("done");
  expect((await reader.save()).hash).toBe(input.hash);
});

test("two tabs of one browser share what they hold", async ({ stage }) => {
  const input = await stage.input();
  const relay = await stage.relay();
  const sender = await stage.tab(relay.page);
  const beside = await sender.beside(await sender.send(input.path));
  await beside.waitFor("done");
  expect((await beside.save()).hash).toBe(input.hash);
  expect(await beside.sources()).toEqual([]);
  expect(beside.complaints).toEqual([]);
});

async function expectDirect(
  relay: Relay,
  sources: { path: string; bytes: number }[],
  size: number,
): Promise<void> {
  const direct = sources.filter((source) => source.path === "webrtc");
  expect(direct.reduce((sum, source) => sum + source.bytes, 0)).toBeGreaterThanOrEqual(size);
  expect(await relay.count("samara_blob_bytes_sent_total")).toBe(0);
  expect(await relay.count("samara_blob_bytes_received_total")).toBe(0);
  const signals = await relay.count("samara_signal_bytes_total");
  expect(signals).toBeGreaterThan(0);
  expect(signals).toBeLessThan(MOST_SIGNALING);
}
