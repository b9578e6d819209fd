import assert from "node:assert/strict";
import { test } from "node:test";
import { looksLikeLink, relays } from "../src/address.ts";
import { duration, fault, percent, reached, size } from "../src/words.ts";

test("sizes are short and never round up into a fourth digit", () => {
  const said = [0, 999, 1000, 45_230_000, 99_960, 999_400, 999_500, 5e15].map(size);
  assert.deepEqual(said, [
    "0 B",
    "999 B",
    "1.0 kB",
    "45.2 MB",
    "100 kB",
    "999 kB",
    "1.0 MB",
    "5000 TB",
  ]);
});

test("times are as exact as one cares for", () => {
  const said = [0.2, 59, 59.6, 90, 3599, 7500, 7200].map(duration);
  assert.deepEqual(said, ["1 s", "59 s", "1 min", "2 min", "1 h", "2 h 5 min", "2 h"]);
});

test("a part is never called the whole", () => {
  assert.equal(percent(999_999, 1_000_000), "99 %");
  assert.equal(percent(5, 5), "100 %");
  assert.equal(percent(0, 0), "0 %");
});

test("a fault is a sentence, whatever was thrown", () => {
  assert.equal(
    fault(new Error("the link is damaged; copy it again")),
    "The link is damaged; copy it again.",
  );
  assert.equal(fault(new Error("Nothing.")), "Nothing.");
  assert.match(fault("a string"), /Reload the page/);
});

test("a source through a TURN server is not called a direct one", () => {
  assert.equal(reached({ path: "webrtc", pair: "direct" }), "Straight from another device");
  const detour = "no direct path was found";
  assert.equal(
    reached({ path: "webrtc", pair: "turn", detour }),
    "From another device, sealed, through a TURN server, since no direct path was found",
  );
  assert.equal(reached({ path: "webrtc" }), "From another device");
  assert.equal(
    reached({ path: "circuit", detour }),
    "Passed on, sealed, by the relay, since no direct path was found",
  );
});

test("links are told from other pasted text", () => {
  const payload = "AQ_-".repeat(24);
  for (const link of [
    payload,
    `samara:${payload}`,
    ` https://relay.example/?relay=x#${payload}\n`,
  ]) {
    assert.equal(looksLikeLink(link), true, link);
  }
  for (const text of ["", "a word", "https://example.com/", `see https://a.example/#${payload}`]) {
    assert.equal(looksLikeLink(text), false, text);
  }
});

test("the relay is the page's own unless the address names others", () => {
  const at = (url: string) => relays(new URL(url) as unknown as Location);
  assert.deepEqual(at("http://127.0.0.1:8787/"), ["ws://127.0.0.1:8787/ws"]);
  assert.deepEqual(at("https://relay.example/"), ["wss://relay.example/ws"]);
  assert.deepEqual(at("https://a.example/?relay=wss://b/ws&relay=wss://c/ws#x"), [
    "wss://b/ws",
    "wss://c/ws",
  ]);
});
