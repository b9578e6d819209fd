// How long it takes from opening a link to the first verified bytes of its file.
//
// node first-byte.mjs PAGE_URL ROUNDS
// prints one JSON line a round, in milliseconds: `open` from the click in a page
// that stands, `cold` from the navigation to the link, each with its parts: when
// the offer was begun, the channel was open, and entry and first chunk were verified
// and drawn. `bare` is what a bare data channel between the same two browsers takes
// for its first mebibyte once it is open.

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "@playwright/test";

const [pageUrl, rounds] = [process.argv[2], Number(process.argv[3])];
const executablePath = process.env.SAMARA_CHROMIUM ?? "/usr/bin/chromium";
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

const folder = mkdtempSync(join(tmpdir(), "samara-bench-"));
const file = join(folder, "input.bin");
writeFileSync(file, randomBytes(8 << 20));
const browsers = [await launch(), await launch()];

try {
  const seeder = await (await browsers[0].newContext()).newPage();
  await seeder.goto(pageUrl);
  await seeder.getByTestId("file-input").setInputFiles(file);
  const share = seeder.getByTestId("share-link");
  await share.waitFor();
  const link = await share.inputValue();
  for (let round = 0; round < rounds; round += 1) {
    const parts = { open: await open(link), cold: await cold(link), bare: await bare() };
    console.log(JSON.stringify(parts));
  }
} finally {
  await Promise.all(browsers.map((browser) => browser.close()));
  rmSync(folder, { recursive: true });
}

function launch() {
  return chromium.launch({ executablePath, args, headless: true });
}

async function reader() {
  const context = await browsers[1].newContext();
  await context.addInitScript(watch);
  return context.newPage();
}

/** The page stands and is connected to its relay. */
async function open(link) {
  const page = await reader();
  await page.goto(pageUrl);
  await page.getByText("Connected", { exact: false }).first().waitFor();
  await page.getByTestId("link-input").fill(link);
  const seen = page.evaluate(() => {
    seen.start = performance.now();
    document.querySelector("[data-testid=open-link]").click();
    return seen.result;
  });
  const parts = await seen;
  await page.context().close();
  return parts;
}

/** The link is typed into a new tab. */
async function cold(link) {
  const page = await reader();
  await page.goto(link, { waitUntil: "commit" });
  const parts = await page.evaluate(() => seen.result);
  await page.context().close();
  return parts;
}

/** What a mebibyte takes on a channel that was opened for it. */
async function bare() {
  const contexts = await Promise.all(browsers.map((browser) => browser.newContext()));
  const [sender, receiver] = await Promise.all(contexts.map((context) => context.newPage()));
  await Promise.all([sender, receiver].map((page) => page.goto(pageUrl)));
  await Promise.all([sender, receiver].map((page) => page.evaluate(installBare)));
  const offer = await sender.evaluate(() => bare.describe());
  const answer = await receiver.evaluate((offer) => bare.describe(offer), offer);
  const came = receiver.evaluate(() => bare.came);
  const began = await sender.evaluate((answer) => bare.send(answer), answer);
  const chunk = Math.round((await came) - began);
  await Promise.all(contexts.map((context) => context.close()));
  return { chunk };
}

/** Runs in the pages. Descriptions hold all candidates: nobody times the way there. */
function installBare() {
  const now = () => performance.timeOrigin + performance.now();
  const connection = new RTCPeerConnection();
  const channel = connection.createDataChannel("bare", { negotiated: true, id: 0 });
  channel.binaryType = "arraybuffer";
  const open = new Promise((resolve) => { channel.onopen = resolve; });
  const came = new Promise((resolve) => {
    let received = 0;
    channel.onmessage = ({ data }) => {
      received += data.byteLength;
      if (received === 1 << 20) resolve(now());
    };
  });
  globalThis.bare = {
    came,
    async describe(offer) {
      if (offer !== undefined) await connection.setRemoteDescription(offer);
      const gathered = new Promise((resolve) => {
        connection.onicecandidate = ({ candidate }) => candidate === null && resolve();
      });
      await connection.setLocalDescription();
      await gathered;
      return connection.localDescription.toJSON();
    },
    async send(answer) {
      await connection.setRemoteDescription(answer);
      await open;
      const message = crypto.getRandomValues(new Uint8Array(1 << 16));
      const began = now();
      for (let sent = 0; sent < 1 << 20; sent += message.length) channel.send(message);
      return began;
    },
  };
}

/** Runs in the page, before its own scripts. */
function watch() {
  const seen = { start: 0, marks: {} };
  globalThis.seen = seen;
  const mark = (name) => { seen.marks[name] ??= performance.now(); };
  const { createDataChannel } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.createDataChannel = function (...given) {
    mark("offer");
    this.addEventListener("connectionstatechange", () => {
      if (this.connectionState === "connected") mark("channel");
    });
    return Reflect.apply(createDataChannel, this, given);
  };
  seen.result = new Promise((resolve) => {
    const look = () => {
      const bar = document.querySelector("[data-testid=progress]");
      if (bar !== null && bar.max > 1) {
        mark("entry");
        if (bar.value > 0) {
          mark("chunk");
          const since = ([name, at]) => [name, Math.round(at - seen.start)];
          return resolve(Object.fromEntries(Object.entries(seen.marks).map(since)));
        }
      }
      // A frame may not come in a tab that is not drawn.
      setTimeout(look, 1);
    };
    look();
  });
}
