import { defineConfig } from "vite";

export default defineConfig({
  // Links are shared as the page's own URL, wherever somebody serves it from.
  base: "./",
  build: {
    target: "es2022",
    // The page's content policy allows no inlined scripts or wasm.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  worker: { format: "es" },
});
