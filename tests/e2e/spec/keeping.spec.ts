import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { MIB, sha256 } from "../harness/input.ts";
import type { Relay } from "../harness/relay.ts";
import { expect, type Input, test } from "../harness/stage.ts";

test("the relay keeps what a page pushed, for browsers and native nodes", async ({ stage }) => {
  const input = await stage.input();
  const relay = await stage.relay();
  const sender = await stage.tab(relay.page);
  const link = await sender.send(input.path);
  await expect(sender.page.getByTestId("pushed")).toContainText("Keep this tab open");
  await sender.push();
  await expect(sender.page.getByTestId("pushed")).toContainText("Safe to close");
  await sender.close();

  const reader = await stage.tab(link);
  await reader.waitFor("done");
  expect(await reader.save()).toEqual({ name: input.name, hash: input.hash });
  expect((await reader.sources()).map((source) => source.path)).toEqual(["websocket"]);
  await reader.close();

  const out = stage.path("fetched");
  const network = ["--relay", relay.url, "--no-dht", "--store", stage.path("own")];
  await stage.samara("fetch", link, "-o", out, ...network).succeeded();
  expect(await sha256(out)).toBe(input.hash);

  await relay.stop();
  await expectToKnowNothing(relay, input, linkSecrets(link));
});

test("the relay never holds a key of what it keeps", async ({ stage }) => {
  const input = await stage.input();
  const relay = await stage.relay();
  const { entry, link } = await stage.ingest(input, stage.path("seeder"));
  const network = ["--relay", relay.url, "--no-dht"];
  const seed = await stage.seed(entry, stage.path("seeder"), ...network);
  const tab = await stage.tab(relay.page);
  await tab.openLink(link);
  await tab.waitFor("done");
  await tab.push();
  await seed.stop();

  await relay.stop();
  const { chunks } = JSON.parse(await readFile(entry, "utf8")) as { chunks: { key: string }[] };
  const keys = chunks.flatMap(({ key }) => keyForms(Buffer.from(key, "hex")));
  expect(keys.length).toBeGreaterThan(input.size / MIB);
  await expectToKnowNothing(relay, input, [...linkSecrets(link), ...keys]);
});

/** Neither its disk nor its log has the file's name, its content or a secret. */
async function expectToKnowNothing(relay: Relay, input: Input, secrets: Secret[]): Promise<void> {
  const content = (await readFile(input.path)).subarray(0, 64);
  const all: Secret[] = [
    ...secrets,
    ["the file's name", Buffer.from(input.name)],
    ["the file's name in UTF-16", Buffer.from(input.name, "utf16le")],
    ["the file's content", content],
  ];
  const files = await filesBelow(relay.store);
  expect(files.length).toBeGreaterThan(input.size / MIB);
  for (const file of files) {
    const bytes = Buffer.concat([Buffer.from(file), await readFile(file)]);
    for (const [what, secret] of all)
      expect(bytes.includes(secret), `${what} in ${file}`).toBe(false);
  }
  const log = Buffer.from(relay.log);
  for (const [what, secret] of all) expect(log.includes(secret), `${what} in the log`).toBe(false);
}

type Secret = [what: string, bytes: Buffer];

function linkSecrets(link: string): Secret[] {
  const payload = link.replace(/^.*[#:]/, "");
  // version 1 · depth 1 · id 32 · key 32 · checksum 4
  const key = Buffer.from(payload, "base64url").subarray(34, 66);
  expect(key.length).toBe(32);
  return [["the link", Buffer.from(payload)], ...keyForms(key)];
}

function keyForms(key: Buffer): Secret[] {
  return [
    ["a key", key],
    ["a key in hexadecimal", Buffer.from(key.toString("hex"))],
    ["a key in base64", Buffer.from(key.toString("base64url").slice(0, 42))],
  ];
}

async function filesBelow(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
}
