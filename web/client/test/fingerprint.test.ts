import assert from "node:assert/strict";
import { test } from "node:test";
import { binding, fingerprint } from "../src/rtc/fingerprint.ts";

const hex = (byte: string): string => Array.from({ length: 32 }, () => byte).join(":");
const sdp = (...lines: string[]): string => ["v=0", ...lines, "a=setup:actpass", ""].join("\r\n");

test("a fingerprint is read from a session description", () => {
  const one = fingerprint(sdp(`a=fingerprint:sha-256 ${hex("AB")}`));
  assert.deepEqual(one, new Uint8Array(32).fill(0xab));
});

test("the same fingerprint for the session and each medium is one", () => {
  const line = `a=fingerprint:sha-256 ${hex("0F")}`;
  assert.deepEqual(fingerprint(sdp(line, "m=application 9", line)), new Uint8Array(32).fill(15));
});

test("a binding has the offering side's fingerprint first", () => {
  const [offer, answer] = ["01", "02"].map((byte) => sdp(`a=fingerprint:sha-256 ${hex(byte)}`));
  const expected = [...new Uint8Array(32).fill(1), ...new Uint8Array(32).fill(2)];
  assert.deepEqual([...binding(offer ?? "", answer ?? "")], expected);
});

for (const [what, ...lines] of [
  ["none"],
  ["two", `a=fingerprint:sha-256 ${hex("01")}`, `a=fingerprint:sha-256 ${hex("02")}`],
  ["two hashes", `a=fingerprint:sha-256 ${hex("01")}`, `a=fingerprint:sha-1 ${hex("01")}`],
  [
    "one hidden by case and space",
    `a=fingerprint:sha-256 ${hex("01")}`,
    ` A=Fingerprint:sha-256 ${hex("02")}`,
  ],
  ["another hash", `a=fingerprint:sha-512 ${hex("01")}`],
  ["one too short", "a=fingerprint:sha-256 01:02"],
  ["no hexadecimal", `a=fingerprint:sha-256 ${hex("0x")}`],
] as const) {
  test(`a session description is refused whose fingerprints are: ${what}`, () => {
    assert.throws(() => fingerprint(sdp(...lines)), /one SHA-256 fingerprint/);
  });
}
