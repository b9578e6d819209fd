/** A developer's project that has the packed package installed from its tarball. */
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { promisify } from "node:util";
import { PACKAGE } from "../e2e/harness/site.ts";

const run = promisify(execFile);
const WEB = path.resolve(PACKAGE, "..");

/** What `tests/packaging` uses of Vite, which is the page's. */
interface Vite {
  build(config: object): Promise<unknown>;
  createServer(config: object): Promise<ViteServer>;
}

interface ViteServer {
  listen(): Promise<unknown>;
  close(): Promise<void>;
  readonly resolvedUrls: { local: string[] } | null;
}

const MAPPED = "./node_modules/samara-web/dist";

/** A page without a bundler: an import map finds the package. */
const PLAIN = `<!doctype html>
<title>A plain page</title>
<script type="importmap">
{ "imports": { "samara-web": "${MAPPED}/index.js", "samara-web/codec": "${MAPPED}/codec.js" } }
</script>
<script type="module">
import { open } from "samara-web";
import { loadCodec } from "samara-web/codec";
Object.assign(window, { start: (relay) => open({ relays: [relay] }), loadCodec });
</script>`;

const BUNDLED = `<!doctype html>
<title>A bundled page</title>
<script type="module" src="./main.ts"></script>`;

const MAIN = `import { open, type Samara } from "samara-web";
import { loadCodec } from "samara-web/codec";
const start = (relay: string): Promise<Samara> => open({ relays: [relay] });
Object.assign(window, { start, loadCodec });
`;

/** In the words of the package's README. */
const VITE = { optimizeDeps: { exclude: ["samara-web"] }, worker: { format: "es" } };

const TSCONFIG = {
  compilerOptions: {
    strict: true,
    noEmit: true,
    module: "esnext",
    moduleResolution: "bundler",
    target: "es2022",
    lib: ["es2023", "dom"],
    types: [],
    // The package's own declarations are what is checked.
    skipLibCheck: false,
  },
  include: ["main.ts"],
};

export class Project {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Packs the package and installs it into a new project at `folder`. */
  static async make(folder: string): Promise<Project> {
    await mkdir(folder);
    const pack = ["pack", "--json", "--ignore-scripts", "--pack-destination", folder];
    const { stdout } = await run("npm", pack, { cwd: PACKAGE });
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
    const manifest = { name: "project", private: true, type: "module" };
    const files = {
      "package.json": JSON.stringify(manifest),
      "tsconfig.json": JSON.stringify(TSCONFIG),
      "main.ts": MAIN,
      "index.html": BUNDLED,
      "plain.html": PLAIN,
    };
    for (const [name, content] of Object.entries(files)) {
      await writeFile(path.join(folder, name), content);
    }
    // It has no dependencies, so the registry is asked for nothing.
    const install = ["install", "--offline", "--no-audit", "--no-fund", filename];
    await run("npm", install, { cwd: folder });
    return new Project(folder);
  }

  /** Checks the project's types with nothing but the package's own. */
  async checkTypes(): Promise<void> {
    await run(path.join(WEB, "node_modules/.bin/tsc"), ["-p", this.folder]);
  }

  /** Builds it with Vite; the folder with the result. */
  async build(): Promise<string> {
    const { build } = await vite();
    await build({ ...VITE, root: this.folder, logLevel: "warn", configFile: false });
    return path.join(this.folder, "dist");
  }

  /** Serves it with Vite as in development. */
  async develop(): Promise<{ url: string; stop(): Promise<void> }> {
    const { createServer } = await vite();
    const server = await createServer({
      ...VITE,
      root: this.folder,
      logLevel: "warn",
      configFile: false,
      server: { host: "127.0.0.1", port: 0, hmr: false },
    });
    await server.listen();
    const url = server.resolvedUrls?.local[0];
    if (url === undefined) throw new Error("Vite listens nowhere");
    return { url, stop: () => server.close() };
  }
}

async function vite(): Promise<Vite> {
  return import(createRequire(path.join(WEB, "app/package.json")).resolve("vite"));
}
