// What ties a peer's proof of identity to a data channel: the certificates of its ends.

/** Bytes of a SHA-256 fingerprint. */
const LENGTH = 32;

/**
 * The fingerprint of the certificate in a session description (RFC 8122 §5). A description
 * that names several, or one by another hash, is refused: which of them the browser would
 * go by is not known here.
 */
export function fingerprint(sdp: string): Uint8Array<ArrayBuffer> {
  const lines = sdp.matchAll(/^[ \t]*a[ \t]*=[ \t]*fingerprint[ \t]*:(.*)$/gim);
  const found = new Set([...lines].map(([, value = ""]) => value.trim().toLowerCase()));
  const [only = ""] = found;
  const hex = /^sha-256 +([0-9a-f]{2}(?::[0-9a-f]{2})*)$/.exec(only)?.[1];
  const bytes = hex?.split(":").map((pair) => Number.parseInt(pair, 16));
  if (found.size !== 1 || bytes?.length !== LENGTH) {
    throw new Error("the session description names not just one SHA-256 fingerprint");
  }
  return Uint8Array.from(bytes);
}

/** Both ends' fingerprints, the offering side's first. */
export function binding(offer: string, answer: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(...fingerprint(offer), ...fingerprint(answer));
}
