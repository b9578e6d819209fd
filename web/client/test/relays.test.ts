import assert from "node:assert/strict";
import { test } from "node:test";
import { Relays } from "../src/worker/relays.ts";

const URL = "wss://relay.example/ws";

test("a relay of another version is told from one that is away", () => {
  for (const [cause, code] of [
    ["otherVersion", "wrong-version"],
    ["unreachable", "relay-unreachable"],
  ] as const) {
    const relays = new Relays();
    relays.keep(URL);
    const problem = { cause, text: "it closed the connection" };
    assert.equal(relays.on(URL, problem)?.code, code);
    assert.equal(relays.on(URL, { ...problem }), undefined, "said once");
    assert.deepEqual(relays.all(), [{ url: URL, connected: false, problem: problem.text }]);
  }
});
