// How long it takes from opening a link to the first verified bytes of its file.
//
// node first-byte.mjs PAGE_URL ROUNDS
// prints one JSON line a round, in milliseconds: `open` from the click in a page
// that stands, `cold` from the navigation to the link, each with its parts.

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
    console.log(JSON.stringify({ open: await open(link), cold: await cold(link) }));
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
