import { defineConfig } from "@playwright/test";

/** Chromium as a test may use it: no sandbox for containers, no traffic of its own. */
const CHROMIUM_FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export default defineConfig({
  projects: [
    { name: "e2e", testDir: "spec" },
    { name: "packaging", testDir: "../packaging" },
  ],
  outputDir: "results",
  reporter: "list",
  forbidOnly: process.env.CI !== undefined,
  fullyParallel: true,
  // A transfer keeps two cores busy by itself.
  workers: 1,
  timeout: 120_000,
  expect: { timeout: 40_000 },
  use: {
    launchOptions: {
      executablePath: process.env.SAMARA_CHROMIUM ?? "/usr/bin/chromium",
      args: CHROMIUM_FLAGS,
    },
    trace: "retain-on-failure",
  },
});
