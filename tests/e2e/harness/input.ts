/** Files to send: real ones, of bytes that no compression shrinks. */
import { createCipheriv, createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

export const MIB = 1024 * 1024;

/** Writes `size` bytes that depend on `seed` alone. */
export async function writeNoise(path: string, size: number, seed: string): Promise<void> {
  const key = createHash("sha256").update(seed).digest();
  const cipher = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
  await pipeline(zeros(size), cipher, createWriteStream(path));
}

export async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

function zeros(size: number): Readable {
  function* blocks() {
    for (let left = size; left > 0; left -= MIB) yield Buffer.alloc(Math.min(left, MIB));
  }
  return Readable.from(blocks());
}
