import assert from "node:assert/strict";
import { test } from "node:test";
import type { PeerMessage } from "../src/codec.ts";
import { bytes, codec, hex, read, refusal } from "./vectors.ts";

interface Messages {
  messages: { name: string; type: number; fields: Record<string, unknown>; bytes: string }[];
  refused: { name: string; bytes: string; reason: string }[];
}

const TYPES: Record<number, PeerMessage["type"]> = {
  0: "HANDSHAKE",
  1: "HANDSHAKE_ACK",
  2: "REQUEST",
  3: "RESPONSE",
  4: "HAVE",
  5: "WANT",
  6: "NOT_FOUND",
  7: "ERROR",
  8: "PART",
  9: "CANCEL",
  10: "PROOF",
  12: "CHALLENGE",
  13: "POSSESSION",
  16: "JOIN",
  17: "LEAVE",
  18: "MEMBERS",
  19: "JOINED",
  20: "LEFT",
  21: "SIGNAL",
  22: "SOURCES",
  23: "ICE_SERVERS",
  24: "FORWARD",
  25: "TAKEN",
};

const MESSAGES: Record<string, RegExp> = {
  truncated: /middle of a field/,
  "unknown-type": /not known/,
  range: /out of range/,
};

const { readMessage, writeMessage } = await codec();
const vectors = await read<Messages>("message");

/** The vectors' hexadecimal fields as the bytes they stand for. */
function message(type: number, fields: Record<string, unknown>): PeerMessage {
  const { form, ...rest } = fields;
  for (const name of ["bits", "data", "sealed"]) {
    if (typeof rest[name] === "string") {
      rest[name] = bytes(rest[name]);
    }
  }
  const bits = type === 4 && form === 1;
  return { type: bits ? "HAVE_BITS" : TYPES[type], ...rest } as PeerMessage;
}

for (const { name, type, fields, bytes: wire } of vectors.messages) {
  test(`a message reads back from its bytes: ${name}`, () => {
    const expected = message(type, fields);
    assert.equal(hex(writeMessage(expected)), wire);
    assert.deepEqual(readMessage(bytes(wire)), expected);
  });
}

for (const { name, bytes: wire, reason } of vectors.refused) {
  test(`bytes are refused as a message: ${name}`, () => {
    assert.throws(() => readMessage(bytes(wire)), refusal("bad-message", MESSAGES[reason]));
  });
}

test("an object that is no message is refused", () => {
  const wrong = { type: "REQUEST", request: 1, blob: "no id" } as const;
  assert.throws(() => writeMessage(wrong), refusal("bad-message"));
});
