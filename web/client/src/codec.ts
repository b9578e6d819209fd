// The program's generated types name `Symbol.dispose`, which not every project's do.
/// <reference lib="esnext.disposable" preserve="true" />
import type {
  LinkParts,
  PeerHandshake,
  PeerMessage,
  PeerProof,
  SealedEntry,
} from "../wasm/samara_browser.js";
import init, {
  blobId,
  entryToBinary,
  entryToJson,
  openBlob,
  openEntry,
  paddedLength,
  proofHolds,
  readLink,
  readMessage,
  sealEntry,
  writeLink,
  writeMessage,
} from "../wasm/samara_browser.js";
import { SamaraError, type SamaraErrorCode } from "./error.ts";

export type { LinkParts, PeerHandshake, PeerMessage, PeerProof, SealedEntry };
export { SamaraError, type SamaraErrorCode };

/** Where the program is, if not beside its JavaScript: its bytes, say, or its URL. */
export type WasmSource = BufferSource | WebAssembly.Module | Response | URL | string;

/**
 * The formats alone, without a peer: links, entries, blobs, messages and proofs. Made by
 * {@link loadCodec}. Whatever is read is checked; what is refused throws a
 * {@link SamaraError}.
 */
export interface Codec {
  /** Reads a link in any of its forms. */
  readLink(text: string): LinkParts;
  /** The link's text: `samara:…`. */
  writeLink(parts: Omit<LinkParts, "topic">): string;
  /** The one binary form of an entry in JSON. */
  entryToBinary(json: string): Uint8Array;
  /** The JSON form of an entry in binary; zeros after it are padding. */
  entryToJson(binary: Uint8Array): string;
  /** The blobs of an entry in JSON, and its link. */
  sealEntry(json: string): SealedEntry;
  /** The entry, in JSON, out of the entry blob of a link of depth 0. */
  openEntry(link: string, blob: Uint8Array): string;
  /** The name of a blob: 64 hexadecimal digits. */
  blobId(blob: Uint8Array): string;
  /** The padded chunk out of a blob. The key is 64 hexadecimal digits. */
  openBlob(key: string, blob: Uint8Array): Uint8Array;
  /** The length that a last chunk of this length is padded to. */
  paddedLength(length: number): number;
  /** Reads one whole message. */
  readMessage(bytes: Uint8Array): PeerMessage;
  /** A message as it goes on the wire. */
  writeMessage(message: PeerMessage): Uint8Array;
  /** Whether the peer of that role has proven who it is. */
  proofHolds(proof: PeerProof): boolean;
}

/**
 * Loads the formats. In Node, whose `fetch` reads no files, pass the bytes of
 * `samara-web/samara.wasm`.
 */
export async function loadCodec(source?: WasmSource): Promise<Codec> {
  await init(source === undefined ? undefined : { module_or_path: source });
  return {
    readLink: coded(readLink),
    writeLink: coded(writeLink),
    entryToBinary: coded(entryToBinary),
    entryToJson: coded(entryToJson),
    sealEntry: coded(sealEntry),
    openEntry: coded(openEntry),
    blobId: coded(blobId),
    openBlob: coded(openBlob),
    paddedLength: coded((length: number) => paddedLength(length) ?? length),
    readMessage: coded(readMessage),
    writeMessage: coded(writeMessage),
    proofHolds: coded(proofHolds),
  };
}

/** The function, throwing {@link SamaraError}s. */
function coded<A extends unknown[], R>(run: (...args: A) => R): (...args: A) => R {
  return (...args) => {
    try {
      return run(...args);
    } catch (error) {
      const { code, message } = error as { code?: SamaraErrorCode; message?: string };
      throw new SamaraError(code ?? "internal", message ?? String(error), { cause: error });
    }
  };
}
