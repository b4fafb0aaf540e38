import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// The house test alone, without any database: part of `pnpm check`.
export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  test: { include: ["src/house.test.ts"], testTimeout: 300_000, hookTimeout: 300_000 },
});
