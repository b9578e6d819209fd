import assert from "node:assert/strict";
import { test } from "node:test";
import { Relays } from "../src/worker/relays.ts";

const URL = "wss://relay.example/ws";

test("a relay of another version is told from one that is away", () => {
  for (const [problem, code] of [
    ["the peer speaks another version of the protocol", "wrong-version"],
    [
      "the peer refused: protocol version 1 where 2 is spoken; the older side needs an update",
      "wrong-version",
    ],
    ["it closed the connection", "relay-unreachable"],
  ] as const) {
    const relays = new Relays();
    relays.keep(URL);
    assert.equal(relays.on(URL, problem)?.code, code, problem);
    assert.equal(relays.on(URL, problem), undefined, "said once");
  }
});
