import type { SamaraErrorCode } from "../error.ts";
import type { PlainError } from "../messages.ts";

/** Whatever was thrown, as something that can be posted. */
export function plain(thrown: unknown): PlainError {
  if (thrown instanceof Error) {
    const code = (thrown as { code?: unknown }).code;
    return {
      code: typeof code === "string" ? (code as SamaraErrorCode) : "internal",
      message: thrown.message,
    };
  }
  return { code: "internal", message: String(thrown) };
}

/** An error to throw in the worker. */
export function coded(code: SamaraErrorCode, message: string): Error {
  return Object.assign(new Error(message), { code });
}
