export type * from "./api.ts";
export { SamaraError, type SamaraErrorCode } from "./error.ts";
export { open } from "./open.ts";
