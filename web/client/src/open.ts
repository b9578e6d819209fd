import type { OpenOptions, Samara } from "./api.ts";
import { SamaraError } from "./error.ts";

/**
 * Starts a peer: a worker with the store and the protocol, and connections to the
 * relays. Rejects with a {@link SamaraError} where the browser lacks what it takes.
 */
export async function open(_options: OpenOptions = {}): Promise<Samara> {
  throw new SamaraError("unsupported", "not built yet");
}
