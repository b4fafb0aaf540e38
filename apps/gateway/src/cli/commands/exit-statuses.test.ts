import { describe, expect, test } from "vitest";
import { openWorkplace } from "../../testing/command-line.ts";

/** Commands in the order in which they run on one ledger, with their exit statuses. `ID` is the batch of the first. */
const commands: [line: string, status: number][] = [
  ["restore vicidial --ids 1-20 --no-report --json", 0],
  ["restore vicidial --ids 1-20 --no-report --json --again", 0],
  ["restore vicidial --ids 1-20 --no-report", 2],
  ["restore vicidial --ids 20,1001 --no-report --json", 3],
  ["restore vicidial --ids 21,1001 --no-report --json --dry-run", 3],
  ["restore vicidial --ids 22 --no-report --json --no-insert-leads --param all_or_nothing=true", 3],
  ["restore vicidial --ids 23 --param nothing=1", 2],
  ["restore vicidial --ids 23 --column a", 2],
  ["restore vicidial --ids 23 --max-failure-rate 2", 2],
  ["restore vicidial --ids 1500-3000 --no-report --json --max-failure-rate 5%", 3],
  ["archive vicidial --ids 1-3 --no-report --json", 0],
  ["archive firstpromoter --ids 1 --account nowhere", 2],
  ["batches list --json", 0],
  ["batches list --status lost", 2],
  ["batches show 1 --json", 0],
  ["batches show 999", 2],
  ["batches show x", 2],
  ["batches watch 1 --json", 0],
  ["batches watch 3 --json", 3],
  ["batches items 3 --outcome failed --code missing --json", 0],
  ["batches items 999", 2],
  ["find vicidial 20 --json", 0],
  ["find altcraft 1", 2],
  ["find none 1", 2],
  ["batches reexamine 1", 2],
  ["batches mark 1 --as done --note seen", 2],
  ["batches mark 1 --as done", 2],
  ["batches stop 1", 2],
  ["batches resume 1", 2],
  ["batches retry 3 --no-report --json", 3],
  ["batches retry 3 --code other", 2],
  ["batches retry 1", 2],
  ["batches report 1 --format ndjson", 0],
  ["batches report 999", 2],
  ["batches undo 1 --json", 0],
  ["batches undo 999", 2],
  ["--version", 0],
  ["", 2],
];

describe("exit statuses", () => {
  test("follow the table, and --json prints JSON alone", async () => {
    await using place = openWorkplace();
    const wrong: string[] = [];
    for (const [line, expected] of commands) {
      const { status, out, err } = await place.run(line === "" ? [] : line.split(" "));
      if (status !== expected) wrong.push(`${line}: ${status} instead of ${expected}\n${err}`);
      if (expected === 2 && out !== "") wrong.push(`${line}: wrote to standard output: ${out}`);
      if (!/--json|ndjson/.test(line)) continue;
      for (const text of out.split("\n").filter((text) => text !== ""))
        expect(() => JSON.parse(text), line).not.toThrow();
    }
    expect(wrong).toEqual([]);
  });

  test.each(["batches list", "restore vicidial --ids 1", "find vicidial 1", "keys list", "doctor"])(
    "%s ends with 5 without its database",
    async (line) => {
      await using place = openWorkplace({ REINSTATE_DATABASE_URL: "postgres://user@127.0.0.1:1/none" });
      const { status, out, err } = await place.run(line.split(" "));
      expect({ status, out }, err).toEqual({ status: 5, out: "" });
      expect(err).toMatch(/A database cannot be reached\n {2}why .+\n {2}do .+REINSTATE_DATABASE_URL/);
    },
  );

  test("is 2 for a wrong setting, with the nearest name", async () => {
    await using place = openWorkplace({ REINSTATE_DATABSE_URL: "x" });
    const { status, err } = await place.run(["config", "check"]);
    expect(status).toBe(2);
    expect(err).toMatch(/did you mean REINSTATE_DATABASE_URL\?/);
  });
});
