/** Firefox with itself, and with Chromium. */
import { Firefox } from "../harness/firefox.ts";
import { MIB } from "../harness/input.ts";
import { expect, test } from "../harness/stage.ts";

/** More than meeting takes, less than any chunk. */
const MOST_SIGNALING = 256 * 1024;

test("a file goes from Firefox to Firefox, and the relay carries none of it", async ({ stage }) => {
  const input = await stage.input();
  const relay = await stage.relay();
  const firefox = stage.started(await Firefox.start());
  const sender = await firefox.tab(relay.page);
  const reader = await firefox.tab(await sender.send(input.path));
  await reader.waitFor("done");
  expect(await reader.save(input.name)).toBe(input.hash);
  expect((await reader.sources()).map((source) => source.path)).toEqual(["webrtc"]);
  expect(await relay.count("samara_signal_bytes_total")).toBeLessThan(MOST_SIGNALING);
});

test("Firefox and Chromium fetch from each other", async ({ stage }) => {
  const relay = await stage.relay();
  const firefox = stage.started(await Firefox.start());
  const theirs = await stage.input(8 * MIB, "from Firefox.bin");
  const ours = await stage.input(8 * MIB, "from Chromium.bin");

  const chromium = await stage.tab(await (await firefox.tab(relay.page)).send(theirs.path));
  await chromium.waitFor("done");
  expect((await chromium.save()).hash).toBe(theirs.hash);
  expect((await chromium.sources()).map((source) => source.path)).toEqual(["webrtc"]);

  const sender = await stage.tab(relay.page);
  const reader = await firefox.tab(await sender.send(ours.path));
  await reader.waitFor("done");
  expect(await reader.save(ours.name)).toBe(ours.hash);
  expect((await reader.sources()).map((source) => source.path)).toEqual(["webrtc"]);
  expect(await relay.count("samara_signal_bytes_total")).toBeLessThan(2 * MOST_SIGNALING);
});
