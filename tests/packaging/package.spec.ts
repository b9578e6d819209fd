/** The npm package as others get it: packed, and installed from the tarball. */
import type { loadCodec } from "../../web/client/src/codec.ts";
import type { Samara } from "../../web/client/src/index.ts";
import { MIB } from "../e2e/harness/input.ts";
import { Site } from "../e2e/harness/site.ts";
import { expect, type Stage, type Tab, test } from "../e2e/harness/stage.ts";
import { Project } from "./project.ts";

declare const window: Window &
  typeof globalThis & {
    start: (relay: string) => Promise<Samara>;
    loadCodec: typeof loadCodec;
  };

const SIZE = 3 * MIB + 7;

test("the packed package has types, and works bundled, in development and in a plain page", async ({
  stage,
}) => {
  const relay = await stage.relay();
  const project = await Project.make(stage.path("project"));
  await project.checkTypes();

  const built = await tab(stage, stage.started(await Site.start(await project.build())).url);
  const link = await seed(built, relay.url);
  const plain = stage.started(await Site.start(project.folder));
  const developed = stage.started(await project.develop());
  for (const url of [`${plain.url}plain.html`, developed.url]) {
    expect(await fetched(await tab(stage, url), relay.url, link)).toBe(SIZE);
  }
});

async function tab(stage: Stage, url: string): Promise<Tab> {
  const tab = await stage.tab(url);
  await tab.page.waitForFunction(() => "start" in window);
  return tab;
}

async function seed({ page }: Tab, relay: string): Promise<string> {
  return page.evaluate(
    async ([relay, size]) => {
      const samara = await window.start(relay);
      return (await samara.seed(new Blob([new Uint8Array(size)]))).link;
    },
    [relay, SIZE] as const,
  );
}

/** How many bytes came; and the formats, which load the program a second time, read the link. */
async function fetched({ page }: Tab, relay: string, link: string): Promise<number> {
  return page.evaluate(
    async ([relay, link]) => {
      const codec = await window.loadCodec();
      if (codec.readLink(link).depth !== 0) throw new Error("the link is of another depth");
      const samara = await window.start(relay);
      return (await (await samara.fetch(link)).blob()).size;
    },
    [relay, link] as const,
  );
}
