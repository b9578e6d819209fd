import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, codec, read, refusal } from "./vectors.ts";

interface Blobs {
  chunks: {
    name: string;
    key: string;
    length: number;
    paddedLength: number;
    id: string;
    blob?: string;
  }[];
  refused: { name: string; key: string; blob: string }[];
  ids: { bytes: string; id: string }[];
}

interface Padding {
  lengths: { length: number; paddedLength: number }[];
}

const { blobId, openBlob, paddedLength } = await codec();
const vectors = await read<Blobs>("blob");

for (const { name, key, paddedLength: padded, id, blob } of vectors.chunks) {
  test(`a blob opens with its key: ${name}`, { skip: blob === undefined }, () => {
    const sealed = bytes(blob ?? "");
    assert.equal(blobId(sealed), id);
    assert.equal(openBlob(key, sealed).length, padded);
  });
}

for (const { name, key, blob } of vectors.refused) {
  test(`a blob does not open: ${name}`, () => {
    assert.throws(() => openBlob(key, bytes(blob)), refusal("bad-entry"));
  });
}

test("a blob is named by its hash", () => {
  for (const { bytes: text, id } of vectors.ids) {
    assert.equal(blobId(bytes(text)), id);
  }
});

test("lengths are padded as everywhere", async () => {
  const { lengths } = await read<Padding>("padding");
  for (const { length, paddedLength: padded } of lengths) {
    assert.equal(paddedLength(length), padded, String(length));
  }
});
