import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { configDefaults, defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Slow files start first, for one that starts last would leave the other cores idle. The test command prints the slowest. */
const slowFiles = new RegExp(
  `/(${[
    "new-vendor|packed|container|gateway|cluster|guides|simulation|simulation-odd|crash|server-crash|kill|checks|guarantees|engines|pg-boss|all-or-nothing|upstream-contract",
    "bench|interrupt|docs-page|pages|story|proxies|live|readers|import|database-faults|database-restart|full-disk|memory|pooler|xml|fuzz|faults|sigterm|tenants|texts|safety-flags|vendors",
  ].join("|")})\\.test\\.ts$`,
);

class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isSlow = ({ moduleId }: TestSpecification) => slowFiles.test(moduleId);
    return [...sorted.filter(isSlow), ...sorted.filter((file) => !isSlow(file))];
  }
}

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  test: {
    // Relative to `--dir`, so a package runs its own tests by the same configuration.
    include: ["**/src/**/*.test.ts"],
    exclude: [...configDefaults.exclude, "**/templates/**"],
    globalSetup: fileURLToPath(new URL("./tooling/src/vitest-setup.ts", import.meta.url)),
    setupFiles: fileURLToPath(new URL("./tooling/src/vitest-seed.ts", import.meta.url)),
    // Many tests wait for a database or another process, so more of them than cores keep the machine busy.
    maxWorkers: availableParallelism() + 2,
    sequence: { sequencer: SlowestFirst },
    // Limits end a test that hangs; a test on a busy machine may take its time.
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
