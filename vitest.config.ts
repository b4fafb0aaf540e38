import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  test: {
    // Relative to `--dir`, so a package runs its own tests by the same configuration.
    include: ["**/src/**/*.test.ts"],
    globalSetup: fileURLToPath(new URL("./tooling/src/vitest-setup.ts", import.meta.url)),
    setupFiles: fileURLToPath(new URL("./tooling/src/vitest-seed.ts", import.meta.url)),
    // Many tests wait for a database or another process, so more of them than cores keep the machine busy.
    maxWorkers: availableParallelism() + 1,
    // Limits end a test that hangs; a test on a busy machine may take its time.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
