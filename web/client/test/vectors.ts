// The test vectors that every implementation reads, and the codec under test.

import { readFile } from "node:fs/promises";
import { type Codec, loadCodec } from "../src/codec.ts";

const vectors = new URL("../../../tests/vectors/", import.meta.url);
const wasm = new URL("../wasm/samara_browser_bg.wasm", import.meta.url);

/** The vectors of one format. */
export async function read<T>(name: string): Promise<T> {
  return JSON.parse(await readFile(new URL(`${name}.json`, vectors), "utf8")) as T;
}

export async function codec(): Promise<Codec> {
  return loadCodec(await readFile(wasm));
}

export function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** Whether an error has this code and says something that fits this. */
export function refusal(code: string, message = /./): (error: unknown) => boolean {
  return (error) => {
    const { name, code: found, message: text } = error as Error & { code: string };
    return name === "SamaraError" && found === code && message.test(text);
  };
}
