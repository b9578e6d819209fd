// A file between two browsers, against a bare data channel between the same two.
//
// node transfer.mjs PAGE_URL MEBIBYTES ROUNDS
// prints one JSON line a round: { ours: {seconds, cpu}, bare: {seconds, cpu} }.

import { createWriteStream, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "@playwright/test";

const [pageUrl, mebibytes, rounds] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const executablePath = process.env.SAMARA_CHROMIUM ?? "/usr/bin/chromium";
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

const folder = mkdtempSync(join(tmpdir(), "samara-bench-"));
const file = join(folder, "input.bin");
const out = createWriteStream(file);
for (let written = 0; written < mebibytes; written += 1) {
  if (!out.write(randomBytes(1 << 20))) await once(out, "drain");
}
out.end();
await once(out, "finish");

const launch = () => chromium.launchServer({ executablePath, args, headless: true });
const servers = [await launch(), await launch()];
const browsers = await Promise.all(servers.map((server) => chromium.connect(server.wsEndpoint())));
const roots = servers.map((server) => server.process().pid);

try {
  for (let round = 0; round < rounds; round += 1) {
    const ours = await samara();
    const bare = await channel();
    console.log(JSON.stringify({ ours, bare }));
  }
} finally {
  await Promise.all(servers.map((server) => server.close()));
  rmSync(folder, { recursive: true });
}

/** From the click that opens the link to the last chunk stored. */
async function samara() {
  const [a, b] = await Promise.all(browsers.map((browser) => browser.newContext()));
  const [seeder, reader] = [await a.newPage(), await b.newPage()];
  await seeder.goto(pageUrl);
  await seeder.getByTestId("file-input").setInputFiles(file);
  const share = seeder.getByTestId("share-link");
  await share.waitFor();
  const link = (await share.inputValue().catch(() => null)) ?? (await share.textContent());
  await reader.goto(pageUrl);
  await reader.getByTestId("link-input").fill(link);
  const cpu = await counted(async () => {
    await reader.getByTestId("open-link").click();
    await reader.locator('[data-testid="transfer"][data-state="done"]').waitFor({ timeout: 300_000 });
  });
  await Promise.all([a.close(), b.close()]);
  return cpu;
}

/** From the first description to the last byte acknowledged. */
async function channel() {
  const contexts = await Promise.all(browsers.map((browser) => browser.newContext()));
  const [sender, receiver] = await Promise.all(contexts.map((context) => context.newPage()));
  await Promise.all([sender.goto(pageUrl), receiver.goto(pageUrl)]);
  await Promise.all([sender, receiver].map((page) => page.evaluate(installBare)));
  await sender.exposeFunction("toOther", (signal) => receiver.evaluate((s) => bare.signal(s), signal));
  await receiver.exposeFunction("toOther", (signal) => sender.evaluate((s) => bare.signal(s), signal));
  const bytes = mebibytes << 20;
  const result = await counted(async () => {
    const received = receiver.evaluate((total) => bare.receive(total), bytes);
    await sender.evaluate((total) => bare.send(total), bytes);
    await received;
  });
  await Promise.all(contexts.map((context) => context.close()));
  return result;
}

/** Runs in the pages. */
function installBare() {
  const connection = new RTCPeerConnection();
  const signals = [];
  let remote = false;
  connection.onicecandidate = ({ candidate }) => candidate && toOther({ candidate: candidate.toJSON() });
  const bare = {
    async signal({ description, candidate }) {
      if (candidate) {
        if (remote) await connection.addIceCandidate(candidate);
        else signals.push(candidate);
        return;
      }
      await connection.setRemoteDescription(description);
      remote = true;
      for (const held of signals.splice(0)) await connection.addIceCandidate(held);
      if (description.type === "offer") {
        await connection.setLocalDescription();
        toOther({ description: connection.localDescription.toJSON() });
      }
    },
    async send(total) {
      const channel = connection.createDataChannel("bare");
      channel.bufferedAmountLowThreshold = 1 << 20;
      await connection.setLocalDescription();
      toOther({ description: connection.localDescription.toJSON() });
      await new Promise((resolve) => { channel.onopen = resolve; });
      // As long as samara's, which speed hardly depends on.
      const message = crypto.getRandomValues(new Uint8Array(65536));
      const done = new Promise((resolve) => { channel.onmessage = resolve; });
      for (let sent = 0; sent < total; sent += message.length) {
        if (channel.bufferedAmount > 2 << 20) {
          await new Promise((resolve) => { channel.onbufferedamountlow = resolve; });
        }
        channel.send(message.subarray(0, Math.min(message.length, total - sent)));
      }
      await done;
      connection.close();
    },
    receive(total) {
      return new Promise((resolve) => {
        connection.ondatachannel = ({ channel }) => {
          channel.binaryType = "arraybuffer";
          let received = 0;
          channel.onmessage = ({ data }) => {
            received += data.byteLength;
            if (received === total) {
              channel.send("done");
              resolve();
            }
          };
        };
      });
    },
  };
  globalThis.bare = bare;
}

/** Seconds on the clock, and on the processors by both browsers. */
async function counted(work) {
  const before = cpuSeconds();
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  return { seconds, cpu: cpuSeconds() - before };
}

/** Processor time of both browsers' process trees, from proc(5). */
function cpuSeconds() {
  const processes = new Map();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").pop().split(" ");
      processes.set(Number(pid), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) });
    } catch {
      // It ended while the list was read.
    }
  }
  const ours = (pid) => roots.includes(pid) || (processes.has(pid) && ours(processes.get(pid).parent));
  let ticks = 0;
  for (const [pid, process] of processes) if (ours(pid)) ticks += process.ticks;
  return ticks / 100;
}
