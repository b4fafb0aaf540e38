import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  test: {
    include: ["{packages,apps}/*/src/**/*.test.ts", "tooling/src/**/*.test.ts"],
    globalSetup: fileURLToPath(new URL("./tooling/src/vitest-setup.ts", import.meta.url)),
    setupFiles: fileURLToPath(new URL("./tooling/src/vitest-seed.ts", import.meta.url)),
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
