import { MIB } from "../harness/input.ts";
import { expect, test } from "../harness/stage.ts";

/** Chunks that may have been on their way when the page went. */
const MOST_AGAIN = 16 * MIB;

test("a reload amid a transfer fetches only the rest", async ({ stage }) => {
  const input = await stage.input(60 * MIB);
  const relay = await stage.relay();
  const sender = await stage.tab(relay.page);
  const reader = await stage.tab(await sender.send(input.path));
  const held = await reader.pauseBeyond(20 * MIB);
  expect(held).toBeLessThan(input.size);

  await reader.page.reload();
  await reader.waitFor("done");
  const fetched = (await reader.sources()).reduce((sum, source) => sum + source.bytes, 0);
  expect(fetched).toBeGreaterThan(0);
  expect(fetched).toBeLessThan(input.size - held + MOST_AGAIN);
  expect((await reader.save()).hash).toBe(input.hash);
});

test("pause stops a transfer and resume finishes it", async ({ stage }) => {
  const input = await stage.input();
  const relay = await stage.relay();
  const sender = await stage.tab(relay.page);
  const reader = await stage.tab(await sender.send(input.path));
  await reader.pauseBeyond(MIB);
  await reader.page.getByRole("button", { name: "Resume" }).click();
  await reader.waitFor("done");
  expect((await reader.save()).hash).toBe(input.hash);
});
