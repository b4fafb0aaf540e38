import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files of minutes: one that starts last would leave the other cores idle. The test command prints the slowest. */
const slowFiles =
  /\/(kill|crash|server-crash|cluster|gateway|packed|engines|pg-boss|simulation|simulation-odd|laws|import|checks)\.test\.ts$/;

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
    globalSetup: fileURLToPath(new URL("./tooling/src/vitest-setup.ts", import.meta.url)),
    setupFiles: fileURLToPath(new URL("./tooling/src/vitest-seed.ts", import.meta.url)),
    // Many tests wait for a database or another process, so more of them than cores keep the machine busy.
    maxWorkers: availableParallelism() + 1,
    sequence: { sequencer: SlowestFirst },
    // Limits end a test that hangs; a test on a busy machine may take its time.
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
