import { writeFile } from "node:fs/promises";
import { expect, test } from "../harness/stage.ts";
import { Turn } from "../harness/turn.ts";

declare global {
  interface Window {
    /** The servers of every connection that the page made. */
    servers: RTCIceServer[][];
  }
}

/** Takes note of what connections are made with; they are made all the same. */
function noteServers(): void {
  window.servers = [];
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(config?: RTCConfiguration) {
      super(config);
      window.servers.push(config?.iceServers ?? []);
    }
  };
}

function withoutWebRtc(): void {
  Reflect.deleteProperty(window, "RTCPeerConnection");
}

test("a page makes its connections with the servers that its relay names", async ({ stage }) => {
  const secret = stage.path("secret");
  await writeFile(secret, "north\n");
  const stun = ["--stun-listen", "127.0.0.1:0"];
  const turn = ["--turn", "127.0.0.1:9", "--turn-secret-file", secret];
  const relay = await stage.relay([...stun, ...turn]);
  const input = await stage.input(3 * 1024 * 1024);
  const sender = await stage.tab(relay.page);
  const link = await sender.send(input.path);
  const reader = await stage.tab(link, { before: noteServers });
  await reader.waitFor("done");
  expect((await reader.save()).hash).toBe(input.hash);
  expect((await reader.sources()).map((source) => source.path)).toEqual(["webrtc"]);

  const made = await reader.page.evaluate(() => window.servers);
  const used = made.at(-1) ?? [];
  expect(used.map(({ urls }) => urls)).toEqual([
    "turn:127.0.0.1:9",
    expect.stringMatching(/^stun:127\.0\.0\.1:\d+$/),
  ]);
  const { username = "", credential = "" } = used[0] ?? {};
  expect(username).toMatch(/^\d{10}:[0-9a-f]{16}$/);
  expect(credential).toMatch(/^[A-Za-z0-9+/]{27}=$/);
  // Nobody but the two ends is told.
  for (const told of [relay.log, await reader.page.content()]) {
    expect(told).not.toContain(credential);
    expect(told).not.toContain("north");
  }
});

/** Uses nothing but TURN servers, as if no other way were found. */
function throughTurn(): void {
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(config?: RTCConfiguration) {
      super({ ...config, iceTransportPolicy: "relay" });
    }
  };
}

test("the page says that a source is reached through a TURN server", async ({ stage }) => {
  test.skip(!Turn.installed, "coturn is not installed");
  const turn = stage.started(await Turn.start("north", stage.folder));
  const secret = stage.path("secret");
  await writeFile(secret, "north\n");
  const relay = await stage.relay(["--turn", turn.host, "--turn-secret-file", secret]);
  const input = await stage.input(3 * 1024 * 1024);
  const sender = await stage.tab(relay.page, { before: throughTurn });
  const link = await sender.send(input.path);
  const reader = await stage.tab(link, { before: throughTurn });
  await reader.waitFor("done");
  expect((await reader.save()).hash).toBe(input.hash);
  await expect(reader.page.getByTestId("sources")).toContainText(
    "From another device, sealed, through a TURN server, since no direct path was found",
  );
});

test("the page says that a source is reached directly", async ({ stage }) => {
  const relay = await stage.relay();
  const input = await stage.input(3 * 1024 * 1024);
  const sender = await stage.tab(relay.page);
  const reader = await stage.tab(await sender.send(input.path));
  await reader.waitFor("done");
  await expect(reader.page.getByTestId("sources")).toContainText("Straight from another device");
});

test("the page says why a source comes through the relay", async ({ stage }) => {
  const relay = await stage.relay(["--sympathy", "0"]);
  const input = await stage.input(3 * 1024 * 1024);
  const sender = await stage.tab(relay.page, { before: withoutWebRtc });
  const link = await sender.send(input.path);
  const reader = await stage.tab(link);
  await reader.waitFor("done");
  await expect(reader.page.getByTestId("sources")).toContainText(
    "Passed on, sealed, by the relay, since the other side takes no direct path",
  );
});
