import { defineConfig } from "vite";

// One entry serves both player pages, the other the documentation of the APIs. `base: "./"` keeps every URL relative to the script, so that
// the built folder works below any mount and behind any prefix.
export default defineConfig({
  base: "./",
  publicDir: false,
  build: {
    outDir: "../src/polycast/web/dist",
    emptyOutDir: true,
    manifest: "manifest.json",
    target: "es2022",
    sourcemap: false,
    // Shaka Player is one chunk of ~700 kB by nature, loaded after the page has drawn itself; Swagger UI one of 1.7 MB.
    chunkSizeWarningLimit: 1900,
    rollupOptions: { input: { player: "src/player.ts", api_docs: "src/api_docs.ts" } },
  },
});
