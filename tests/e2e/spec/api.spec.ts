/** The npm package, called as a developer would, in a page without a bundler. */
import type { Page } from "@playwright/test";
import { type ApiOptions, type ApiWindow, openApi } from "../harness/api.ts";
import { withFailingReads, withQuota } from "../harness/conditions.ts";
import { MIB } from "../harness/input.ts";
import { PACKAGE, Site } from "../harness/site.ts";
import { expect, type Stage, test } from "../harness/stage.ts";

declare const window: Window & typeof globalThis & ApiWindow;

test("an aborted fetch or seed leaves no transfer behind", async ({ stage }) => {
  const relay = await stage.relay();
  const page = await aPage(stage, relay.url);
  const { link } = await stage.ingest(await stage.input(3 * MIB), stage.path("seeder"));
  const codes = await page.evaluate(async (link) => {
    const code = (opening: Promise<unknown>) =>
      opening.then(
        () => "none",
        (error: { code: string }) => error.code,
      );
    const stop = new AbortController();
    const { signal } = stop;
    const file = new Blob([new Uint8Array(40 << 20)]);
    const seeding = window.samara.seed(file, { signal, onProgress: () => stop.abort() });
    const fetching = window.samara.fetch(link, { signal });
    // One whose answer has come already keeps its transfer.
    return [await code(seeding), await code(fetching)];
  }, link);
  expect(codes[0]).toBe("aborted");

  const again = await page.evaluate(async (link) => {
    for (const transfer of window.samara.transfers()) transfer.close();
    const stop = new AbortController();
    const fetching = window.samara.fetch(link, { signal: stop.signal });
    stop.abort();
    return fetching.catch((error: { code: string }) => error.code);
  }, link);
  expect(again).toBe("aborted");
  await expect.poll(() => relay.count("samara_rooms")).toBe(0);
});

test("of two calls that open one link, one may be aborted", async ({ stage }) => {
  const relay = await stage.relay();
  const page = await aPage(stage, relay.url);
  const input = await stage.input(3 * MIB);
  const { entry, link } = await stage.ingest(input, stage.path("seeder"));
  await stage.seed(entry, stage.path("seeder"), "--relay", relay.url, "--no-dht");
  const size = await page.evaluate(async (link) => {
    const stop = new AbortController();
    const first = window.samara.fetch(link, { signal: stop.signal });
    const second = window.samara.fetch(link);
    stop.abort();
    await first.catch(() => {});
    return (await (await second).blob()).size;
  }, link);
  expect(size).toBe(input.size);
});

test("a database that fails to read is told as that, and its blobs are not forgotten", async ({
  stage,
}) => {
  const relay = await stage.relay();
  const program = (worker: string) => withFailingReads(worker, "failing");
  const page = await aPage(stage, relay.url, { program });
  const result = await page.evaluate(async () => {
    const channel = new BroadcastChannel("failing");
    const setFailing = (failing: boolean) =>
      new Promise((noted) => {
        channel.onmessage = noted;
        channel.postMessage(failing);
      });
    const transfer = await window.samara.seed(new Blob([new Uint8Array(3 << 20)]));
    await setFailing(true);
    const error = await transfer.blob().catch((error: { code: string; message: string }) => error);
    await setFailing(false);
    const { size } = await transfer.blob();
    return { code: "code" in error ? error.code : "", message: String(error), size };
  });
  expect(result.code).toBe("store-failed");
  expect(result.message).toMatch(/database failed.*; reload the page$/);
  expect(result.size).toBe(3 * MIB);
});

test("a file larger than the store fails in words, and leaves room for another", async ({
  stage,
}) => {
  const relay = await stage.relay();
  const page = await aPage(stage, relay.url, { maxBytes: 20 * MIB });
  const error = await page.evaluate(seedSizes, [30]);
  expect(error).toMatch(/^store-full: the store is full: .*20 MiB; close one or allow more$/);
  expect(await page.evaluate(seedSizes, [16])).toBe("");
});

test("a transfer that finds no room fails in words, and goes on where there is room", async ({
  stage,
}) => {
  const relay = await stage.relay();
  const input = await stage.input(6 * MIB);
  const { entry, link } = await stage.ingest(input, stage.path("seeder"));
  await stage.seed(entry, stage.path("seeder"), "--relay", relay.url, "--no-dht");
  const page = await aPage(stage, relay.url, { maxBytes: 4 * MIB });
  const error = await page.evaluate(async (link) => {
    const transfer = await window.samara.fetch(link);
    return transfer.done.catch((error: { code: string; message: string }) => {
      return `${error.code}, ${transfer.state}: ${error.message}`;
    });
  }, link);
  expect(error).toMatch(/^store-full, failed: .*store is full.*close one or allow more/);

  const size = await page.evaluate(
    async ([link, relay]) => {
      await window.samara.close();
      const samara = await window.open({ relays: [relay] });
      return (await (await samara.fetch(link)).blob()).size;
    },
    [link, relay.url] as const,
  );
  expect(size).toBe(input.size);
});

test("files that no transfer needs make room, the least used first", async ({ stage }) => {
  const relay = await stage.relay();
  const page = await aPage(stage, relay.url, { maxBytes: 40 * MIB });
  expect(await page.evaluate(seedSizes, [16, 16, 16])).toBe("");
  expect(await page.evaluate(held)).toEqual(["waiting", "done", "done"]);
});

test("where the browser gives less than the limit, the least used files make room", async ({
  stage,
}) => {
  const relay = await stage.relay();
  const program = (worker: string) => withQuota(worker, 40 * MIB);
  const page = await aPage(stage, relay.url, { program });
  expect(await page.evaluate(seedSizes, [16, 16, 16])).toBe("");
  const states = await page.evaluate(held);
  expect(states[0]).toBe("waiting");
  expect(states[2]).toBe("done");

  const error = await page.evaluate(seedSizes, [60]);
  expect(error).toMatch(/^store-full: .*; (free disk space or )?close (a transfer|one or allow more)$/);
});

/** Seals files of so many MiB, one after the other, and stops sharing each; what went wrong. */
async function seedSizes(sizes: number[]): Promise<string> {
  const holder = window as unknown as { links: string[] };
  holder.links ??= [];
  for (const size of sizes) {
    try {
      const transfer = await window.samara.seed(new Blob([new Uint8Array(size << 20)]));
      holder.links.push(transfer.link);
      transfer.close();
    } catch (error) {
      const { code, message } = error as { code: string; message: string };
      return `${code}: ${message}`;
    }
  }
  return "";
}

/** Opens the links of what was sealed; how each stands once the last is there. */
async function held(): Promise<string[]> {
  const { links } = window as unknown as { links: string[] };
  const transfers = await Promise.all(links.map((link) => window.samara.fetch(link)));
  // The others' blobs were looked for before.
  await transfers.at(-1)?.done;
  return transfers.map((transfer) => transfer.state);
}

async function aPage(
  stage: Stage,
  relay: string,
  options: Omit<ApiOptions, "program"> & { program?: (worker: string) => string } = {},
): Promise<Page> {
  const site = stage.started(await Site.start(PACKAGE));
  const { page } = await stage.tab(site.url);
  const { program, ...rest } = options;
  const worker = `${site.url}dist/worker.js`;
  await openApi(page, relay, { ...rest, ...(program && { program: program(worker) }) });
  return page;
}
