import { expect, test, vi } from "vitest";
import { openRowsApi } from "../../testing/rows-api.ts";
import { runInProcess } from "../../testing/run-in-process.ts";

/** Replaces what differs from run to run: times, durations and ids of keys. */
const omitVarying = (text: string) =>
  text
    .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?/g, "TIME")
    .replace(/(after|in) \d+(\.\d)? s/g, "$1 DURATION")
    .replace(/"duration_ms":\d+/g, '"duration_ms":0')
    .replace(/"actor":"[\da-f]{12}"/g, '"actor":"KEY"')
    .replace(/by [\da-f]{12}/g, "by KEY")
    .replace(/( {2})[\da-f]{12}( |$)/gm, "$1KEY$2");

/** Removes the lines and events of progress, whose number depends on the speed of the machine. */
const omitProgress = (text: string) =>
  text
    .split("\n")
    .filter((line) => !/^\d+\/\d+ |^\{"event":"progress"/.test(line))
    .join("\n");

/** Commands in the order in which they run. Batch 1 has each outcome once, batch 2 is prepared, batch 3 is held back. */
const lines = [
  "list",
  "list --status stopped",
  "show 1",
  "items 1",
  "items 1 --outcome failed",
  "report 1",
  "report 1 --format ndjson",
  "watch 1",
  "stop 3 --note lunch",
  "resume 2 --no-report",
  "retry 1 --no-report --note again",
  "reexamine 1 --no-report",
  "undo 1",
  "mark 4 --as done --note seen",
  "show 999",
];

test("each command on batches prints text and JSON as they are stored", async () => {
  let text = "";
  for (const json of ["", " --json"]) {
    await using api = await openRowsApi();
    vi.stubGlobal("fetch", (url: string, init: RequestInit) => api.fetch(new Request(url, init)));
    await api.addBatch([0, 1, 2, 3]);
    await api.addBatch([0, 4], { isPrepared: true });
    await api.addHeldBatch();
    await api.addBatch([3], { isPrepared: true });
    for (const line of lines) {
      if (line.startsWith("report") && json) continue;
      if (line.startsWith("mark"))
        await runInProcess(["batches", "resume", "4", "--no-report", "--server", "http://rows.invalid"], {
          REINSTATE_KEY: api.key,
        });
      const args = `batches ${line}${json}`;
      const run = await runInProcess([...args.split(" "), "--server", "http://rows.invalid"], {
        REINSTATE_KEY: api.key,
      });
      text += `$ reinstate ${args}\n${omitProgress(run.out)}${omitProgress(run.err).replace(/^(?=.)/gm, "! ")}= ${run.status}\n\n`;
    }
    vi.unstubAllGlobals();
  }
  await expect(omitVarying(text)).toMatchFileSnapshot("batches-output.txt");
});
