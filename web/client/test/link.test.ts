import assert from "node:assert/strict";
import { test } from "node:test";
import { codec, read, refusal } from "./vectors.ts";

interface Vectors {
  links: {
    id: string;
    key: string;
    depth: number;
    text: string;
    url: string;
    alsoRead: string[];
  }[];
  refused: { name: string; text: string; reason: string }[];
}

interface Derived {
  keys: { linkKey: string; topic: string }[];
}

const MESSAGES: Record<string, RegExp> = {
  "not-a-link": /not a samara link/,
  length: /characters after the #/,
  damaged: /damaged/,
  version: /update it/,
};

const { readLink, writeLink } = await codec();
const vectors = await read<Vectors>("link");

test("a link reads back in every form it is written", () => {
  for (const { id, key, depth, text, url, alsoRead } of vectors.links) {
    assert.equal(writeLink({ id, key, depth }), text);
    for (const form of [text, url, ...alsoRead]) {
      const { topic: _, ...parts } = readLink(form);
      assert.deepEqual(parts, { id, key, depth }, form);
    }
  }
});

for (const { name, text, reason } of vectors.refused) {
  test(`a text is refused as a link: ${name}`, () => {
    assert.throws(() => readLink(text), refusal("bad-link", MESSAGES[reason]));
  });
}

test("holders of a link meet under the topic that follows from its key", async () => {
  const { keys } = await read<Derived>("derived");
  for (const { linkKey, topic } of keys) {
    const link = writeLink({ id: "00".repeat(32), key: linkKey, depth: 0 });
    assert.equal(readLink(link).topic, topic);
  }
});
