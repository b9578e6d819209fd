import init from "../../wasm/samara_browser.js";
import { coded } from "./errors.ts";

let program: Promise<unknown> | undefined;

/** Gets and compiles the program. Begun as early as possible: it is what takes longest. */
export async function load(): Promise<void> {
  program ??= init();
  try {
    await program;
  } catch (error) {
    const message = `this browser cannot run the program (${String(error)}); update it`;
    throw coded("unsupported", message);
  }
}
