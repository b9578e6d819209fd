/** Wants and copies that go beyond one relay. */
import type { Page } from "@playwright/test";
import { type ApiWindow, openApi } from "../harness/api.ts";
import { MIB } from "../harness/input.ts";
import type { Relay } from "../harness/relay.ts";
import { PACKAGE, Site } from "../harness/site.ts";
import { expect, type Tab, test } from "../harness/stage.ts";

declare const window: Window & typeof globalThis & ApiWindow;

const SIZE = 12 * MIB + 345;

test("a want travels over relays that help, from one browser to another", async ({ stage }) => {
  const input = await stage.input(SIZE);
  const far = await stage.relay([], "far");
  const near = await stage.relay(["--peer", far.url], "near");
  const cold = await stage.relay(["--peer", far.url, "--sympathy", "0"], "cold");
  const relays = [far, near, cold];
  const sender = await stage.tab(far.page);
  const link = await sender.send(input.path);
  // It asks before the reader does, of a relay that looks for nothing.
  const ignored = await stage.tab(cold.page);
  await ignored.openLink(link);
  await ignored.waitFor("waiting");

  const reader = await stage.tab(near.page);
  for (const relay of relays) expect(await relay.count("samara_store_blobs")).toBe(0);
  await reader.openLink(link);
  await reader.waitFor("done");
  expect(await reader.save()).toEqual({ name: input.name, hash: input.hash });

  // The reader's relay got it from the sender's, which got it from the sender.
  expect((await reader.sources()).map((source) => source.path)).toEqual(["websocket"]);
  expect(await far.count("samara_blob_bytes_received_total")).toBeGreaterThan(input.size);
  expect(await far.count("samara_blob_bytes_sent_total")).toBeGreaterThan(input.size);
  expect(await near.count("samara_store_bytes")).toBeGreaterThan(input.size);
  expect(await near.count("samara_blob_bytes_sent_total")).toBeGreaterThan(input.size);
  await ignored.waitFor("waiting");
  expect(await cold.count("samara_store_blobs")).toBe(0);
  // The browsers met nobody: no relay forwarded anything between members of a room.
  for (const relay of relays) expect(await relay.count("samara_signal_bytes_total")).toBe(0);
});

test("a page with three relays is safe to close once all three proved a copy", async ({
  stage,
}) => {
  const input = await stage.input(SIZE);
  const first = await stage.relay([], "first");
  const second = await stage.relay([], "second");
  const third = await stage.relay([], "third");
  const relays = [first, second, third];
  const query = relays.map((relay) => `relay=${encodeURIComponent(relay.url)}`).join("&");
  const sender = await stage.tab(`${first.page}?${query}`);
  for (const relay of relays) await expect.poll(() => connections(relay)).toBe(1);
  const link = await sender.send(input.path);
  // Whoever entered a room there was greeted.
  for (const relay of relays) await expect.poll(() => entries(relay)).toBe(1);

  // The page counts on the third, which then takes nothing.
  third.freeze();
  await sender.page.getByTestId("push").click();
  await expect.poll(() => twoThirdsProven(sender)).toBe(true);
  await third.crash();
  for (const relay of [first, second])
    expect(await relay.count("samara_store_bytes")).toBeGreaterThan(input.size);
  const pushed = sender.page.getByTestId("pushed");
  await expect(pushed).toHaveAttribute("data-state", "active");
  await expect(pushed).toContainText("Keep this tab open");
  await expect(pushed).not.toContainText(/safe to close/i);

  const keeper = stage.started(await third.restart());
  expect(await keeper.count("samara_store_blobs")).toBe(0);
  await expect(pushed).toHaveAttribute("data-state", "done");
  await expect(pushed).toContainText("Safe to close");
  await expect(pushed).toContainText("each of them holds every piece");
  expect(await keeper.count("samara_store_bytes")).toBeGreaterThan(input.size);

  await sender.close();
  await first.stop();
  await second.stop();
  const reader = await stage.tab(keeper.page);
  await reader.openLink(link);
  await reader.waitFor("done");
  expect(await reader.save()).toEqual({ name: input.name, hash: input.hash });
});

test("a page still looks for what others wanted after a reload", async ({ stage }) => {
  const input = await stage.input(SIZE);
  const holder = stage.path("holder");
  const { entry } = await stage.ingest(input, holder);
  const site = stage.started(await Site.start(PACKAGE));
  const { page } = await stage.tab(site.url);
  const first = await stage.relay([], "first");
  await openApi(page, first.url, { sympathy: 3 });
  const [out, store] = [stage.path("out"), stage.path("reader")];
  const network = ["--no-dht", "--relay", first.url];
  const reader = stage.samara("fetch", "-i", entry, "-o", out, "--store", store, ...network);
  await expect.poll(() => wantsKept(page)).toBe(13);

  // Whoever wanted it and whoever passed that on are gone before the page is back.
  await page.reload();
  await reader.stop();
  await first.crash();
  const second = await stage.relay([], "second");
  await openApi(page, second.url, { sympathy: 3 });
  expect(await storedBytes(page)).toBe(0);
  await stage.seed(entry, holder, "--no-dht", "--relay", second.url);
  await expect.poll(() => storedBytes(page)).toBeGreaterThan(input.size);
  await expect.poll(() => wantsKept(page)).toBe(0);
});

function storedBytes(page: Page): Promise<number> {
  return page.evaluate(() => window.samara.status().storedBytes);
}

/** Wants of others in the page's database. */
function wantsKept(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const opening = indexedDB.open("samara");
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error);
    });
    const bytes = await new Promise<Uint8Array | undefined>((resolve, reject) => {
      const reading = database.transaction("meta").objectStore("meta").get("wants");
      reading.onsuccess = () => resolve(reading.result);
      reading.onerror = () => reject(reading.error);
    });
    database.close();
    return (bytes?.length ?? 0) / 33;
  });
}

function connections(relay: Relay): Promise<number> {
  return relay.count("samara_connections");
}

function entries(relay: Relay): Promise<number> {
  return relay.count("samara_joins_total");
}

/** Whether the page says that two of three copies of every piece are proven. */
async function twoThirdsProven(tab: Tab): Promise<boolean> {
  const text = (await tab.page.getByTestId("pushed").textContent()) ?? "";
  const [, proven, wanted] = /(\d+) of (\d+) proven/.exec(text) ?? [];
  return wanted !== undefined && Number(proven) > 0 && 3 * Number(proven) === 2 * Number(wanted);
}
