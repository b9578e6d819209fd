import assert from "node:assert/strict";
import { test } from "node:test";
import { Speed } from "../src/worker/speed.ts";

test("speed is that of the last seconds and falls to nothing", () => {
  const speed = new Speed();
  assert.equal(speed.sample(0, 0), 0);
  assert.equal(speed.sample(1000, 500), 500);
  assert.equal(speed.sample(2000, 2500), 1250);
  speed.sample(4500, 2500);
  assert.equal(speed.sample(6000, 2500), 0);
});

test("bytes that are counted anew do not come at less than no speed", () => {
  const speed = new Speed();
  speed.sample(0, 9000);
  assert.equal(speed.sample(1000, 0), 0);
  assert.equal(speed.sample(2000, 700), 700);
});
