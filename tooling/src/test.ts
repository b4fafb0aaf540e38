import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

// The whole test command: runs every test, and ends with the slowest files and one plain line of counts.
const root = fileURLToPath(new URL("../..", import.meta.url));
const slowestShown = 10;

const folder = mkdtempSync(join(tmpdir(), "reinstate-results-"));
const results = join(folder, "results.json");
const vitest = spawnSync(
  "vitest",
  ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${results}`, ...process.argv.slice(2)],
  { cwd: root, stdio: "inherit" },
);

interface FileResult {
  /** The path of the file. */
  name: string;
  status: string;
  startTime: number;
  endTime: number;
  assertionResults: unknown[];
}

interface Results {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: FileResult[];
}

let counts: Results | undefined;
try {
  counts = JSON.parse(readFileSync(results, "utf8")) as Results;
} catch {
  // Vitest died before it could write: counted as one failure below.
}
rmSync(folder, { recursive: true, force: true });
if (!counts) end(0, 1);

const seconds = ({ startTime, endTime }: FileResult) => (endTime - startTime) / 1000;
const slowest = counts.testResults.sort((a, b) => seconds(b) - seconds(a)).slice(0, slowestShown);
process.stdout.write("\nSlowest files:\n");
for (const file of slowest) {
  process.stdout.write(`${seconds(file).toFixed(1).padStart(8)} s  ${relative(root, file.name)}\n`);
}

// A file that could not be loaded has no failed test of its own; a skipped test is a failure, for nothing is skipped in silence.
const unloaded = counts.testResults.filter(
  ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
).length;
const skipped = counts.numPendingTests + counts.numTodoTests;
if (skipped > 0) process.stderr.write(`${skipped} tests were skipped; that counts as failed\n`);
const failed = counts.numFailedTests + unloaded + skipped;
end(counts.numPassedTests, failed === 0 && vitest.status !== 0 ? 1 : failed);

function end(passed: number, failed: number): never {
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
  process.exit(failed > 0 || passed === 0 ? 1 : 0);
}
