import assert from "node:assert/strict";
import { test } from "node:test";
import type { PeerProof } from "../src/codec.ts";
import { codec, read, refusal } from "./vectors.ts";

interface Proofs {
  proofs: (PeerProof & { name: string })[];
  refused: (PeerProof & { name: string })[];
}

const { proofHolds } = await codec();
const vectors = await read<Proofs>("proof");

for (const { name, ...proof } of vectors.proofs) {
  test(`a proof holds: ${name}`, () => {
    assert.equal(proofHolds(proof), true);
  });
}

for (const { name, ...proof } of vectors.refused) {
  test(`a proof does not hold: ${name}`, () => {
    assert.equal(proofHolds(proof), false);
  });
}

test("what is no proof at all is refused", () => {
  const [{ name: _, ...proof } = assert.fail("no vectors")] = vectors.proofs;
  assert.throws(() => proofHolds({ ...proof, proof: "00" }), refusal("bad-message"));
  assert.throws(() => proofHolds({ ...proof, binding: "0" }), refusal("bad-message"));
});
