import assert from "node:assert/strict";
import { test } from "node:test";
import { socketUrl } from "../src/addresses.ts";
import { refusal } from "./vectors.ts";

test("every way to write an address leads to the socket", () => {
  for (const [text, url] of [
    ["http://127.0.0.1:8080", "ws://127.0.0.1:8080/ws"],
    ["https://relay.example/", "wss://relay.example/ws"],
    ["ws://[::1]:9/ws", "ws://[::1]:9/ws"],
    ["wss://relay.example/ws/", "wss://relay.example/ws"],
    [" https://a.example/samara ", "wss://a.example/samara/ws"],
    ["https://a.example/?lang=en#secret", "wss://a.example/ws"],
  ] as const) {
    assert.equal(socketUrl(text), url);
  }
});

test("what is no address is refused without repeating a link's secret", () => {
  for (const text of ["relay.example", "", "ftp://a.example", "http://me:pw@a.example/#secret"]) {
    assert.throws(() => socketUrl(text), refusal("bad-address", /^(?!.*secret)/));
  }
});
