// The program's generated types name `Symbol.dispose`, which not every project's do.
/// <reference lib="esnext.disposable" preserve="true" />
export type * from "./api.ts";
export { SamaraError, type SamaraErrorCode } from "./error.ts";
export { open } from "./open.ts";
