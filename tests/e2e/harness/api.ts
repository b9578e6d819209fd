/** The npm package's calls in a page, without a page of ours around them. */
import type { Page } from "@playwright/test";
import type { open, Samara } from "../../../web/client/src/index.ts";

/** What scripts find in the page. */
export interface ApiWindow {
  open: typeof open;
  samara: Samara;
}

/** How the peer differs from an ordinary one. */
export interface ApiOptions {
  maxBytes?: number;
  /** Hops away that somebody may be whose wants it shares. */
  sympathy?: number;
  /** The program its worker runs instead of its own. */
  program?: string;
}

/** Opens a peer at a {@link Site} as `samara`, and leaves `open` there too. */
export async function openApi(page: Page, relay: string, options: ApiOptions = {}): Promise<void> {
  await page.evaluate(
    async ([relay, { program, maxBytes, sympathy }]) => {
      const index = "/dist/index.js";
      const { open }: Pick<ApiWindow, "open"> = await import(index);
      const url = URL.createObjectURL(new Blob([program ?? ""], { type: "text/javascript" }));
      const samara = await open({
        relays: [relay],
        ...(maxBytes !== undefined && { maxBytes }),
        ...(sympathy !== undefined && { sympathy }),
        ...(program !== undefined && { worker: () => new Worker(url, { type: "module" }) }),
      });
      Object.assign(window, { open, samara });
    },
    [relay, options] as const,
  );
}
