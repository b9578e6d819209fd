/** Browsers that lack something or forbid it. */
import { mkdir, writeFile } from "node:fs/promises";
import { chromium } from "@playwright/test";
import {
  keepChannels,
  noteConnections,
  refuseOneCandidate,
  withoutDatabase,
} from "../harness/conditions.ts";
import { MIB } from "../harness/input.ts";
import { expect, Tab, test } from "../harness/stage.ts";

test("where no worker can have a data channel, both ends pipe it", async ({ stage }) => {
  const input = await stage.input(16 * MIB);
  const relay = await stage.relay();
  const sender = await stage.tab(relay.page, { before: keepChannels });
  const reader = await stage.tab(await sender.send(input.path), { before: keepChannels });
  await reader.waitFor("done");
  expect((await reader.save()).hash).toBe(input.hash);
  expect((await reader.sources()).map((source) => source.path)).toEqual(["webrtc"]);
  expect(await relay.count("samara_signal_bytes_total")).toBeLessThan(256 * 1024);
});

test("a connection ends when its peer closes no more than the channel", async ({ stage }) => {
  const input = await stage.input(3 * MIB);
  const relay = await stage.relay();
  const sender = await stage.tab(relay.page, { before: keepChannels });
  const reader = await stage.tab(await sender.send(input.path), { before: noteConnections });
  await reader.waitFor("done");
  const states = () =>
    reader.page.evaluate(() => {
      const { connections } = window as unknown as { connections: RTCPeerConnection[] };
      return connections.map((connection) => connection.connectionState);
    });
  expect(await states()).toContain("connected");

  await sender.page.evaluate(() => {
    const { channels } = window as unknown as { channels: RTCDataChannel[] };
    for (const channel of channels) channel.close();
  });
  await expect.poll(states).not.toContain("connected");
});

test("a candidate that the browser cannot use ends nothing", async ({ stage }) => {
  const input = await stage.input(8 * MIB);
  const relay = await stage.relay();
  const sender = await stage.tab(relay.page);
  const reader = await stage.tab(await sender.send(input.path), { before: refuseOneCandidate });
  await reader.waitFor("done");
  expect(await reader.page.evaluate(() => Reflect.get(window, "refused"))).toBe(true);
  expect((await reader.sources()).map((source) => source.path)).toEqual(["webrtc"]);
});

test("every connection that a page made is closed once it has no use", async ({ stage }) => {
  const input = await stage.input(8 * MIB);
  const relay = await stage.relay();
  const first = await stage.tab(relay.page);
  const link = await first.send(input.path);
  const reader = await stage.tab(link, { before: noteConnections });
  await reader.waitFor("done");
  const open = () =>
    reader.page.evaluate(() => {
      const { connections } = window as unknown as { connections: RTCPeerConnection[] };
      const open = connections.filter(({ connectionState }) => connectionState !== "closed");
      return { made: connections.length, open: open.length };
    });
  // Others come and go, in mid-transfer too.
  for (const _ of [1, 2]) {
    const other = await stage.tab(link);
    await other.reach(MIB);
    await other.close();
  }
  expect((await open()).made).toBeGreaterThan(1);
  await reader.page.getByRole("button", { name: "Remove" }).click();
  await expect.poll(async () => (await open()).open).toBe(0);
});

test("a page whose origin is not secure works like any other", async ({ stage, launchOptions }) => {
  const host = "insecure.test";
  const browser = await chromium.launch({
    ...launchOptions,
    args: [...(launchOptions.args ?? []), `--host-resolver-rules=MAP ${host} 127.0.0.1`],
  });
  stage.started({ stop: () => browser.close() });
  const input = await stage.input(8 * MIB);
  const relay = await stage.relay();
  const page = relay.page.replace("127.0.0.1", host);
  const sender = await stage.tab(page, { browser, host });
  expect(await sender.page.evaluate(() => window.isSecureContext)).toBe(false);
  const reader = await stage.tab(await sender.send(input.path), { browser, host });
  await reader.waitFor("done");
  expect((await reader.save()).hash).toBe(input.hash);
  expect((await reader.sources()).map((source) => source.path)).toEqual(["webrtc"]);
});

test("a browser without a database is told so", async ({ stage }) => {
  const relay = await stage.relay();
  const tab = await stage.tab(relay.page, { before: withoutDatabase });
  await expect(tab.error).toHaveText(/IndexedDB.*; update it or leave private browsing\.$/);
  await expect(tab.page.getByRole("button", { name: "Try again" })).toBeVisible();
});

test("a browser that keeps no data for the page is told what to allow", async ({
  stage,
  launchOptions,
}) => {
  const folder = stage.path("profile");
  await mkdir(`${folder}/Default`, { recursive: true });
  // As in the settings: sites may keep no data on this device.
  const settings = { profile: { default_content_setting_values: { cookies: 2 } } };
  await writeFile(`${folder}/Default/Preferences`, JSON.stringify(settings));
  const profile = await chromium.launchPersistentContext(folder, launchOptions);
  stage.started({ stop: () => profile.close() });

  const relay = await stage.relay();
  const tab = stage.watched(await Tab.inProfile(profile, relay.page));
  await expect(tab.error).toHaveText(/keeps no data.*allow site data\.$/);
});
