import { describe, expect, test } from "vitest";
import { openWorkplace } from "../../testing/command-line.ts";

const escapeCode = "\u001b";

describe("a terminal", () => {
  test.each([20, 40, 80, 200, 0])("of %i columns is never exceeded by the progress", async (columns) => {
    await using place = openWorkplace();
    const args = ["restore", "vicidial", "--ids", "1-60000", "--yes", "--no-report"];
    const { status, out } = await place.terminal(args, { columns }).ended;
    expect(status).toBe(3);
    const drawn = out.split(/[\r\n]+/).filter((line) => /^[\d,]+\/60,000|^\d+% *$/.test(line));
    expect(drawn.length).toBeGreaterThan(0);
    for (const line of drawn) expect(line.length).toBeLessThan(columns === 0 ? 80 : columns);
    expect(out).toContain(escapeCode);
  });

  test("asks once above 10,000 records, and no is no", async () => {
    await using place = openWorkplace();
    const args = ["restore", "vicidial", "--ids", "1-10001", "--no-report"];
    const refused = place.terminal(args, { input: "n\n" });
    const { status, out } = await refused.ended;
    expect(status).toBe(130);
    expect(out).toContain("restore 10,001 records? [y/N]");
    expect(out).toMatch(/Not started[\s\S]*reinstate batches resume 1 starts it/);
    const agreed = await place.terminal([...args, "--again"], { input: "y\n" }).ended;
    expect(agreed.status).toBe(3);
    expect(agreed.out).toContain("Batch 2 completed");
  });

  test("asks nothing up to 10,000 records", async () => {
    await using place = openWorkplace();
    const { out } = await place.terminal(["restore", "vicidial", "--ids", "1-10000", "--no-report"]).ended;
    expect(out).not.toContain("[y/N]");
    expect(out).toContain("Batch 1 completed");
  });

  test.each([
    ["NO_COLOR", { NO_COLOR: "1" }, [], true],
    ["--no-color", {}, ["--no-color"], true],
    ["TERM=dumb", { TERM: "dumb" }, [], false],
    ["CI", { CI: "true" }, [], false],
  ] as const)("shows no colours with %s", async (_, settings, options, isDrawn) => {
    await using place = openWorkplace();
    const args = ["restore", "vicidial", "--ids", "1-5000", "--no-report", ...options];
    const { out } = await place.terminal(args, { settings }).ended;
    expect(out).toContain("Batch 1 completed");
    expect(out).not.toContain(escapeCode);
    expect(/\r[\d,]+\/5,000/.test(out)).toBe(isDrawn);
  });
});

describe("a pipe", () => {
  test("gets no escape in either stream", async () => {
    await using place = openWorkplace();
    const args = ["restore", "vicidial", "--ids", "1-30000", "--yes", "--no-report"];
    for (const more of [[], ["--json"]]) {
      const { out, err } = await place.run([...args, "--again", ...more]);
      expect(out + err).not.toContain(escapeCode);
    }
  });
});
