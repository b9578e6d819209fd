// What a file takes over a path with delay and loss, with one data channel and with as many as
// are found to do best; as root.
//
// node delay.mjs SAMARA SAMARA_LINE [DOCUMENT]
// prints a line a measurement; with a document, writes its table anew.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { extname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "@playwright/test";

const [samara, lineBinary, document] = process.argv.slice(2).map((path) => resolve(path));
const executablePath = process.env.SAMARA_CHROMIUM ?? "/usr/bin/chromium";
const PACKAGE = resolve(import.meta.dirname, "../../../web/client");
// Pages find each other's addresses without the names that hide them: nobody answers for those here.
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
  "--disable-features=WebRtcHideLocalIpsWithMdns,LocalNetworkAccessChecks,LocalNetworkAccessChecksWebRTC,LocalNetworkAccessChecksWebSockets"];

const ROUND_TRIPS = [0, 20, 50, 100];
const LOSSES = [0, 0.5];
/** MiB a second that one channel about reaches: how large a file is to be. */
const EXPECTED = { native: [[60, 36, 16, 8], [4, 1, 0.6, 0.4]], chromium: [[6, 3, 1.2, 0.6], [4, 1, 0.4, 0.3]] };
/** So long one channel takes for it. */
const SECONDS = 25;
/** Enough for every channel to have something. */
const LEAST = 24;
const MIB = 1 << 20;
/** The longest that one measurement may take, in milliseconds. */
const PATIENCE = 240_000;

const folder = mkdtempSync(join(process.env.SAMARA_BENCH_DIR ?? tmpdir(), "samara-delay-"));
const rows = [];
try {
  for (const kind of ["native", "chromium"]) {
    for (const [l, loss] of LOSSES.entries()) {
      for (const [r, roundTrip] of ROUND_TRIPS.entries()) {
        const mebibytes = Math.max(LEAST, Math.round(EXPECTED[kind][l][r] * SECONDS));
        const measure = (channels) => over(roundTrip, loss, (ends) =>
          kind === "native" ? native(ends, mebibytes, channels) : browsers(ends, mebibytes, channels));
        const one = await measure(1);
        const several = await measure(undefined);
        rows.push({ kind, roundTrip, loss, mebibytes, one, several });
        console.log(JSON.stringify(rows.at(-1)));
      }
    }
  }
  if (document !== undefined) write(document);
} finally {
  rmSync(folder, { recursive: true });
}

/** Runs `work` with two network namespaces and a path between them. */
async function over(roundTrip, loss, work) {
  const words = ["--name", `dl${process.pid}`, "--round-trip", roundTrip, "--loss", loss].map(String);
  const line = spawn(lineBinary, words, { stdio: ["pipe", "pipe", "inherit"] });
  const { value } = await createInterface({ input: line.stdout })[Symbol.asyncIterator]().next();
  const ends = JSON.parse(value);
  try {
    const relay = await start(ends.near, "relay", ["relay", "--no-dht", "--sympathy", "0",
      "--listen", `${ends.near.address}:8787`], (event) => event.message === "relay started");
    try {
      return await work({ ...ends, relay: `http://${ends.near.address}:8787` });
    } finally {
      await stop(relay);
    }
  } finally {
    line.stdin.end();
    await once(line, "exit");
    rmSync(join(folder, "relay"), { recursive: true, force: true });
  }
}

function run(end, store, words, stdout = "ignore") {
  const command = ["netns", "exec", end.space, samara, "--json", "--store", join(folder, store), ...words];
  return spawn("ip", command, { cwd: folder, stdio: ["ignore", stdout, "pipe"] });
}

/** A command's events, as they are said. */
async function* events(child) {
  for await (const line of createInterface({ input: child.stderr })) {
    try {
      yield JSON.parse(line);
    } catch {
      console.error(line);
    }
  }
}

async function start(end, store, words, isReady) {
  const child = run(end, store, words);
  await new Promise((ready, failed) => {
    (async () => {
      for await (const event of events(child)) if (isReady(event)) ready();
      failed(new Error(`${words[0]} ended`));
    })();
  });
  return child;
}

async function stop(child) {
  child.kill("SIGINT");
  await once(child, "exit");
}

/** From the start of the fetch to its end. */
async function native(ends, mebibytes, channels) {
  writeFileSync(join(folder, "input"), randomBytes(mebibytes * MIB));
  const ingest = run(ends.near, "seed", ["ingest", "-i", "input", "-o", "entry.json"]);
  let link;
  for await (const event of events(ingest)) if (event.event === "link") link = event.link;
  const at = ["--no-dht", "--relay", ends.relay, ...(channels ? ["--channels", channels] : [])];
  const seed = await start(ends.near, "seed", ["seed", "-i", "entry.json", ...at],
    (event) => event.event === "connection" && event.problem == null);
  try {
    const begun = performance.now();
    const fetch = run(ends.far, "fetch", ["fetch", link, "-o", "output", ...at]);
    let [most, half] = [0, undefined];
    for await (const event of events(fetch)) {
      for (const source of event.sources ?? []) most = Math.max(most, source.channels);
      if (event.bytes >= (mebibytes * MIB) / 2) half ??= { at: performance.now(), bytes: event.bytes };
    }
    const end = performance.now();
    const seconds = (end - begun) / 1000;
    const same = readFileSync(join(folder, "output")).equals(readFileSync(join(folder, "input")));
    if (!same) throw new Error("what came is not what was sent");
    const later = (mebibytes - half.bytes / MIB) / ((end - half.at) / 1000);
    return { rate: mebibytes / seconds, later, channels: most };
  } finally {
    await stop(seed);
    for (const name of ["seed", "fetch", "output"]) rmSync(join(folder, name), { recursive: true });
  }
}

/** From the opening of the link to its last chunk stored. */
async function browsers(ends, mebibytes, channels) {
  const opened = await Promise.all([ends.near, ends.far].map(browserIn));
  try {
    const [seeder, reader] = await Promise.all(opened.map(page));
    const options = { relays: [ends.relay.replace("http", "ws") + "/ws"], ...(channels && { channels }) };
    const link = await seeder.evaluate(async ([options, bytes]) => {
      const { open } = await import("/dist/index.js");
      globalThis.samara = await open(options);
      const chunk = () => crypto.getRandomValues(new Uint8Array(65536));
      const file = new File(Array.from({ length: bytes / 65536 }, chunk), "input");
      return (await samara.seed(file)).link;
    }, [options, mebibytes * MIB]);
    return await reader.evaluate(async ([options, link, mebibytes]) => {
      const { open } = await import("/dist/index.js");
      const samara = await open(options);
      let [most, half] = [0, undefined];
      const begun = performance.now();
      const transfer = await samara.fetch(link);
      const look = setInterval(() => {
        const { bytes, sources } = transfer.progress;
        for (const source of sources) most = Math.max(most, source.channels);
        if (bytes >= (mebibytes << 20) / 2) half ??= { at: performance.now(), bytes };
      }, 200);
      await transfer.done;
      clearInterval(look);
      const end = performance.now();
      const later = (mebibytes - half.bytes / 2 ** 20) / ((end - half.at) / 1000);
      return { rate: mebibytes / ((end - begun) / 1000), later, channels: most };
    }, [options, link, mebibytes]);
  } finally {
    await Promise.all(opened.map((browser) => browser.close()));
  }
}

/** A browser in a namespace; it is spoken to by a pipe. */
function browserIn({ space }) {
  const script = join(folder, `${space}.sh`);
  writeFileSync(script, `#!/bin/sh\nexec ip netns exec ${space} ${executablePath} "$@"\n`);
  chmodSync(script, 0o755);
  return chromium.launch({ executablePath: script, args: FLAGS, headless: true });
}

/** A page with the package, which no server need serve. */
async function page(browser) {
  const context = await browser.newContext();
  const types = { ".js": "text/javascript", ".wasm": "application/wasm" };
  await context.route("http://localhost/**", (route) => {
    const { pathname } = new URL(route.request().url());
    if (pathname === "/") return route.fulfill({ contentType: "text/html", body: "<!doctype html>" });
    return route.fulfill({ path: join(PACKAGE, pathname), contentType: types[extname(pathname)] });
  });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  await page.goto("http://localhost/");
  return page;
}

/** Puts the table into the document. */
function write(path) {
  const [begin, end] = ["<!-- table: written by `cargo xtask lanes --write` -->", "<!-- table end -->"];
  const text = readFileSync(path, "utf8");
  const shown = (rate) => rate.toFixed(rate < 10 ? 2 : 1);
  const table = [
    "| between | round trip | loss | file, MiB | one channel, MiB/s | as many as found best | ratio | second half: one | as many | ratio | channels at most |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ...rows.map(({ kind, roundTrip, loss, mebibytes, one, several }) => [
      "", kind === "native" ? "native" : "Chromium", `${roundTrip} ms`, `${loss} %`, mebibytes,
      shown(one.rate), shown(several.rate), `**${(several.rate / one.rate).toFixed(2)}**`,
      shown(one.later), shown(several.later), `**${(several.later / one.later).toFixed(2)}**`, several.channels, "",
    ].join(" | ").trim()),
  ];
  const [before, rest] = text.split(begin);
  const after = rest.slice(rest.indexOf(end));
  const day = new Date().toISOString().slice(0, 10);
  const where = `Measured on ${day}, ${cpus().length} cores of ${cpus()[0].model.trim()}, one after the other:`;
  writeFileSync(path, [before + begin, "", where, "", ...table, "", after].join("\n"));
}
