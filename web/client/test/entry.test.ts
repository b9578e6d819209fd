import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, codec, hex, read, refusal } from "./vectors.ts";

interface Entries {
  entries: { name: string; entry: object; binary: string }[];
  texts: { name: string; text: string; binary: string }[];
  longTexts: {
    name: string;
    repeated: string;
    times: number;
    text: [string, string];
    binary: [string, string];
    reason?: string;
  }[];
  refusedJson: { name: string; text: string; reason: string; field?: string }[];
  refusedBinary: { name: string; binary: string; reason: string; field?: string }[];
}

interface EntryBlobs {
  entries: {
    name: string;
    entry: object;
    depth: number;
    layers: { chunks: { id: string }[] }[];
    entryBlob: { id: string; blob: string };
    link: string;
  }[];
}

const { entryToBinary, entryToJson, sealEntry, openEntry, readLink, blobId } = await codec();
const vectors = await read<Entries>("entry");

for (const { name, entry, binary } of vectors.entries) {
  test(`an entry has one binary form: ${name}`, () => {
    assert.equal(hex(entryToBinary(JSON.stringify(entry))), binary);
    assert.deepEqual(JSON.parse(entryToJson(bytes(binary))), entry);
    assert.equal(entryToJson(bytes(`${binary}0000`)), entryToJson(bytes(binary)));
  });
}

for (const { name, text, binary } of vectors.texts) {
  test(`fields of later versions are kept: ${name}`, () => {
    assert.equal(hex(entryToBinary(text)), binary);
    assert.equal(hex(entryToBinary(entryToJson(bytes(binary)))), binary);
  });
}

for (const { name, repeated, times, text, binary, reason } of vectors.longTexts) {
  test(`fields of later versions have a greatest length: ${name}`, () => {
    const middle = repeated.repeat(times);
    const asText = text.join(middle);
    const asBinary = binary.join(Buffer.from(middle).toString("hex"));
    if (reason === undefined) {
      assert.ok(hex(entryToBinary(asText)) === asBinary);
      assert.ok(hex(entryToBinary(entryToJson(bytes(asBinary)))) === asBinary);
    } else {
      assert.throws(() => entryToBinary(asText), refusal("bad-entry"));
      assert.throws(() => entryToJson(bytes(asBinary)), refusal("bad-entry"));
    }
  });
}

for (const { name, text, field } of vectors.refusedJson) {
  test(`a text is refused as an entry: ${name}`, () => {
    const says = new RegExp(field === undefined ? "." : `"${field}"`);
    assert.throws(() => entryToBinary(text), refusal("bad-entry", says));
  });
}

for (const { name, binary, field } of vectors.refusedBinary) {
  test(`bytes are refused as an entry: ${name}`, () => {
    const says = new RegExp(field === undefined ? "." : `"${field}"`);
    assert.throws(() => entryToJson(bytes(binary)), refusal("bad-entry", says));
  });
}

const sealed = await read<EntryBlobs>("entry-blob");

for (const { name, entry, depth, layers, entryBlob, link } of sealed.entries) {
  test(`an entry is sealed into one link: ${name}`, () => {
    const made = sealEntry(JSON.stringify(entry));
    assert.deepEqual(made.link, readLink(link));
    assert.equal(made.link.depth, depth);
    const inner = layers.flatMap(({ chunks }) => chunks.map(({ id }) => id));
    assert.deepEqual(made.blobs.map(blobId), [...inner, entryBlob.id]);
    if (depth === 0) {
      assert.equal(hex(made.blobs[0] ?? new Uint8Array()), entryBlob.blob);
      assert.deepEqual(JSON.parse(openEntry(link, bytes(entryBlob.blob))), entry);
    }
  });
}
