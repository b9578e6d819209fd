/** Who peers are to each other, and what they remember of each other. */
import type { Page } from "@playwright/test";
import type { Account } from "../../../web/client/src/index.ts";
import { type ApiWindow, openApi } from "../harness/api.ts";
import { MIB } from "../harness/input.ts";
import { PACKAGE, Site } from "../harness/site.ts";
import { expect, test } from "../harness/stage.ts";

declare const window: Window & typeof globalThis & ApiWindow;

test("a profile is the same peer after a reload, until its identity is thrown away", async ({
  stage,
}) => {
  const relay = (await stage.relay()).url;
  const site = stage.started(await Site.start(PACKAGE));
  const { page } = await stage.tab(site.url);
  const first = await openPeer(page, relay);
  expect(first).toMatch(/^[0-9a-f]{64}$/);
  await page.reload();
  expect(await openPeer(page, relay)).toBe(first);

  const second = await page.evaluate(async () => {
    await window.samara.forgetIdentity();
    return window.samara.status().identity;
  });
  expect(second).not.toBe(first);
  await page.reload();
  expect(await openPeer(page, relay)).toBe(second);
});

test("an identity thrown away in one tab is gone in the others", async ({ stage }) => {
  const relay = (await stage.relay()).url;
  const site = stage.started(await Site.start(PACKAGE));
  const tab = await stage.tab(site.url);
  const beside = await tab.beside(site.url);
  const first = await openPeer(tab.page, relay);
  const other = await openPeer(beside.page, relay);
  expect(other, "one tab at a time bears the profile's identity").not.toBe(first);

  await beside.page.evaluate(() => window.samara.forgetIdentity());
  const identity = () => tab.page.evaluate(() => window.samara.status().identity);
  await expect.poll(identity).not.toBe(first);
  const renewed = await identity();
  await tab.page.reload();
  expect(await openPeer(tab.page, relay)).toBe(renewed);
});

test("two browsers count what they exchange, and still know it after a reload", async ({
  stage,
}) => {
  const relay = (await stage.relay()).url;
  const site = stage.started(await Site.start(PACKAGE));
  const [sender, reader] = [await stage.tab(site.url), await stage.tab(site.url)];
  const sending = await openPeer(sender.page, relay);
  const reading = await openPeer(reader.page, relay);
  const link = await sender.page.evaluate(async (bytes) => {
    const file = new Blob([new Uint8Array(bytes)]);
    return (await window.samara.seed(file, { name: "zeros" })).link;
  }, 3 * MIB);
  await reader.page.evaluate(async (link) => (await window.samara.fetch(link)).done, link);

  const of = (accounts: Account[], peer: string) => accounts.find((one) => one.peer === peer);
  const received = async () =>
    of(await reader.page.evaluate(() => window.samara.ledger()), sending)?.receivedBytes ?? 0;
  const all = await received();
  expect(all).toBeGreaterThan(3 * MIB);
  const sent = async () =>
    of(await sender.page.evaluate(() => window.samara.ledger()), reading)?.sentBytes ?? 0;
  await expect.poll(sent).toBe(all);

  await reader.page.evaluate(() => window.samara.close());
  await reader.page.reload();
  expect(await openPeer(reader.page, relay)).toBe(reading);
  expect(await received()).toBe(all);
});

/** Opens a peer; resolves to its identity. */
async function openPeer(page: Page, relay: string): Promise<string> {
  await openApi(page, relay);
  return page.evaluate(() => window.samara.status().identity);
}
