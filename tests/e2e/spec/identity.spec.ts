import { MIB } from "../harness/input.ts";
import { type Account, openPackage, PackageSite } from "../harness/package.ts";
import { expect, test } from "../harness/stage.ts";

test("a profile is the same peer after a reload, until its identity is thrown away", async ({
  stage,
}) => {
  const relay = (await stage.relay()).page;
  const site = stage.started(await PackageSite.start());
  const { page } = await stage.tab(site.url);
  const first = await openPackage(page, relay);
  expect(first).toMatch(/^[0-9a-f]{64}$/);
  await page.reload();
  expect(await openPackage(page, relay)).toBe(first);

  const second = await page.evaluate(async () => {
    await samara.forgetIdentity();
    return samara.status().identity;
  });
  expect(second).not.toBe(first);
  await page.reload();
  expect(await openPackage(page, relay)).toBe(second);
});

test("an identity thrown away in one tab is gone in the others", async ({ stage }) => {
  const relay = (await stage.relay()).page;
  const site = stage.started(await PackageSite.start());
  const tab = await stage.tab(site.url);
  const beside = await tab.beside(site.url);
  const first = await openPackage(tab.page, relay);
  const other = await openPackage(beside.page, relay);
  expect(other, "one tab at a time bears the profile's identity").not.toBe(first);

  await beside.page.evaluate(() => samara.forgetIdentity());
  const identity = () => tab.page.evaluate(() => samara.status().identity);
  await expect.poll(identity).not.toBe(first);
  const renewed = await identity();
  await tab.page.reload();
  expect(await openPackage(tab.page, relay)).toBe(renewed);
});

test("two browsers count what they exchange, and still know it after a reload", async ({
  stage,
}) => {
  const relay = (await stage.relay()).page;
  const site = stage.started(await PackageSite.start());
  const [sender, reader] = [await stage.tab(site.url), await stage.tab(site.url)];
  const sending = await openPackage(sender.page, relay);
  const reading = await openPackage(reader.page, relay);
  const link = await sender.page.evaluate(async (bytes) => {
    const file = new Blob([new Uint8Array(bytes)]);
    return (await samara.seed(file, { name: "zeros" })).link;
  }, 3 * MIB);
  await reader.page.evaluate(async (link) => (await samara.fetch(link)).done, link);

  const of = (accounts: Account[], peer: string) => accounts.find((one) => one.peer === peer);
  const received = async () =>
    of(await reader.page.evaluate(() => samara.ledger()), sending)?.receivedBytes ?? 0;
  const all = await received();
  expect(all).toBeGreaterThan(3 * MIB);
  const sent = async () =>
    of(await sender.page.evaluate(() => samara.ledger()), reading)?.sentBytes ?? 0;
  await expect.poll(sent).toBe(all);

  await reader.page.evaluate(() => samara.close());
  await reader.page.reload();
  expect(await openPackage(reader.page, relay)).toBe(reading);
  expect(await received()).toBe(all);
});
