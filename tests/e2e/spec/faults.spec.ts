import { cp, readdir, readFile, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Page } from "@playwright/test";
import { MIB } from "../harness/input.ts";
import { Relay } from "../harness/relay.ts";
import { expect, test } from "../harness/stage.ts";

test("a wrong or truncated link is refused in words that say what to do", async ({ stage }) => {
  const input = await stage.input(1024);
  const relay = await stage.relay();
  const link = await (await stage.tab(relay.page)).send(input.path);
  const damaged = link.slice(0, -9) + (link.at(-9) === "A" ? "B" : "A") + link.slice(-8);

  const reader = await stage.tab(relay.page);
  for (const [wrong, advice] of [
    ["a letter to my aunt", /link/],
    [link.slice(0, -7), /copy it again, whole/],
    [damaged, /copy it again/],
  ] as const) {
    await reader.openLink(wrong);
    await expect(reader.error).toHaveText(advice);
    await expect(reader.transfer).toHaveCount(0);
    await expect(reader.page.getByTestId("link-input")).toHaveValue(wrong);
  }
  const straight = await stage.tab(link.slice(0, -7));
  await expect(straight.error).toHaveText(/copy it again, whole/);

  await reader.openLink(link);
  await reader.waitFor("done");
  await expect(reader.error).toHaveCount(0);
});

test("a page tells that its relay is gone amid a transfer, and goes on when it is back", async ({
  stage,
}) => {
  const input = await stage.input();
  const relay = await stage.relay();
  const { entry, link } = await stage.ingest(input, stage.path("seeder"));
  const network = ["--relay", relay.url, "--no-dht", "--no-webrtc"];
  await stage.seed(entry, stage.path("seeder"), ...network);
  const reader = await stage.tab(relay.page);
  await reader.openLink(link);
  await reader.reach(8 * MIB);

  await relay.stop();
  await expect(reader.error).toContainText(relay.host);
  await expect(reader.error).toContainText("keeps trying");
  await reader.waitFor("waiting");
  expect(await reader.held()).toBeLessThan(input.size);

  stage.started(await relay.restart());
  await reader.waitFor("done");
  await expect(reader.error).toHaveCount(0);
  expect((await reader.save()).hash).toBe(input.hash);
});

test("a page that starts without its relay finds it once it is there", async ({ stage }) => {
  const input = await stage.input(3 * MIB);
  const page = await stage.relay();
  const relay = await Relay.start(stage.path("meeting"));
  await relay.stop();
  const sender = await stage.tab(`${page.page}?relay=${relay.url}`);
  const link = await sender.send(input.path);
  await expect(sender.error).toContainText(relay.host);

  stage.started(await relay.restart());
  await expect(sender.error).toHaveCount(0);
  const reader = await stage.tab(link);
  await reader.waitFor("done");
  expect((await reader.save()).hash).toBe(input.hash);
  expect(await page.count("samara_joins_total")).toBe(0);
});

test("browsers that have met need the relay no more", async ({ stage }) => {
  const input = await stage.input();
  const relay = await stage.relay();
  const sender = await stage.tab(relay.page);
  const reader = await stage.tab(await sender.send(input.path));
  await reader.pauseBeyond(MIB);
  await relay.stop();
  await expect(reader.error).toContainText(relay.host);

  await reader.page.getByRole("button", { name: "Resume" }).click();
  await reader.waitFor("done");
  expect((await reader.save()).hash).toBe(input.hash);
});

test("a tampered blob is not taken, and another source replaces it", async ({ stage }) => {
  const input = await stage.input(8 * MIB);
  const relay = await stage.relay();
  const network = ["--relay", relay.url, "--no-dht"];
  const { entry, link } = await stage.ingest(input, stage.path("seeder"));
  await cp(stage.path("seeder"), stage.path("honest"), { recursive: true });
  const sealed = await aBlob(stage.path("seeder"));
  const bytes = await readFile(sealed);
  bytes[1000] = (bytes[1000] ?? 0) ^ 1;
  await writeFile(sealed, bytes);

  const seed = stage.samara("seed", "-i", entry, "--store", stage.path("seeder"), ...network);
  await seed.event("link");
  const reader = await stage.tab(relay.page);
  await reader.openLink(link);
  await expect.poll(() => reader.held()).toBe(input.size - MIB);
  await reader.waitFor("waiting");

  await stage.seed(entry, stage.path("honest"), ...network);
  await reader.waitFor("done");
  expect((await reader.save()).hash).toBe(input.hash);
});

/** A file in the store that holds a whole chunk. */
async function aBlob(store: string): Promise<string> {
  for (const name of await readdir(store, { recursive: true })) {
    const file = path.join(store, name);
    const { size } = await stat(file);
    if (size === MIB + 16) return file;
  }
  throw new Error(`no blob in ${store}`);
}

test("the reader is told which peer sent bytes that are not the file's", async ({ stage }) => {
  const input = await stage.input(3 * MIB);
  const relay = await stage.relay();
  const seeder = await stage.tab(relay.page);
  const link = await seeder.send(input.path);
  await spoil(seeder.page);
  const reader = await stage.tab(relay.page);
  await reader.openLink(link);
  await expect(reader.error).toHaveText(/^Peer [0-9a-f]{8} .*cut off.*wrong blob/);
  await expect(reader.transfer).not.toHaveAttribute("data-state", "done");
});

/** Turns a bit of every blob that a page keeps: its disk is failing, or it lies. */
function spoil(page: Page): Promise<void> {
  return page.evaluate(async () => {
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const opening = indexedDB.open("samara");
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error);
    });
    const transaction = database.transaction("blobs", "readwrite");
    const walk = transaction.objectStore("blobs").openCursor();
    walk.onsuccess = () => {
      const cursor = walk.result;
      if (cursor === null) return;
      const bytes = cursor.value as Uint8Array;
      bytes[0]! ^= 1;
      cursor.update(bytes);
      cursor.continue();
    };
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onerror = () => reject(transaction.error);
    });
    database.close();
  });
}
