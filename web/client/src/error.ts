/** What went wrong, for programs. */
export type SamaraErrorCode =
  /** The text given is no link, or a damaged one. */
  | "bad-link"
  /** An address is not one of a relay or peer. */
  | "bad-address"
  /** The entry is damaged, forged, or of a kind that is not understood. */
  | "bad-entry"
  /** Bytes are no message of the protocol. */
  | "bad-message"
  /** The file cannot be described: its name, say, or its size. */
  | "bad-file"
  /** The page or file could not be read while it was being sealed. */
  | "unreadable-file"
  /** No connection to a relay; it is tried again until one succeeds. */
  | "relay-unreachable"
  /** A relay or peer speaks another version, or a newer one has written the store. */
  | "wrong-version"
  /** A peer broke the protocol and was cut off. */
  | "peer-misbehaved"
  /** The size limit or the browser's quota leaves no room. */
  | "store-full"
  /** The relay has no room for a copy. */
  | "keeper-full"
  /** The store failed, or lost a blob. */
  | "store-failed"
  /** The browser lacks something that is needed, or forbids it here. */
  | "unsupported"
  /** The caller's signal, or `close()`. */
  | "aborted"
  /** A bug of this library. */
  | "internal";

/** Every error of this library. The message is one sentence that says what to do. */
export class SamaraError extends Error {
  override readonly name = "SamaraError";
  readonly code: SamaraErrorCode;

  constructor(code: SamaraErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
