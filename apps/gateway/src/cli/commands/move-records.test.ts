import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { openWorkplace, readEvents } from "../../testing/command-line.ts";

const account = ["--account", "acc_demo"];

/** The demo account has the promoters 1 to 1000, of which 1 to 900 are archived. */
const everyId = Array.from({ length: 1002 }, (_, index) => index + 1);

describe("restore", () => {
  test("restores a file, reports each item, and prints the next command", async () => {
    await using place = openWorkplace();
    place.write("promoters.csv", ["promoter_id,name", ...everyId.map((id) => `${id},x`)].join("\n"));
    const { status, out, err } = await place.run(["restore", "firstpromoter", "--file", "promoters.csv", ...account]);
    expect({ status, out }).toEqual({ status: 3, out: "" });
    const lines = err.trimEnd().split("\n");
    expect(lines[0]).toBe("restore firstpromoter: reading promoters.csv");
    expect(lines[1]).toMatch(/^Batch 1: 1,002 records, account acc_demo; in this process, on \S+$/);
    expect(lines.at(-1)).toMatch(
      /^Batch 1 completed: 900 done, 100 skipped, 2 failed of 1,002 records in \d+\.\d s; report reinstate-batch-1\.csv; next: reinstate batches retry 1$/,
    );
    const report = readFileSync(place.path("reinstate-batch-1.csv"), "utf8").trimEnd().split("\n");
    expect(report).toHaveLength(1003);
    expect(report.at(-1)).toBe("1002,failed,not_found,Promoter 1002 not found,0");

    const next = (lines.at(-1) ?? "").split("next: reinstate ")[1] ?? "";
    const retried = await place.run(next.split(" "));
    expect(retried.status).toBe(3);
    expect(retried.err).toMatch(/Batch 1 completed: 900 done, 100 skipped, 2 failed of 1,002 records/);
  });

  test("names bad rows by line and changes nothing", async () => {
    await using place = openWorkplace();
    place.write("promoters.csv", "promoter_id\n1\nx\u202e\n-2\n5\n");
    const { status, out, err } = await place.run(["restore", "firstpromoter", "--file", "promoters.csv", ...account]);
    expect({ status, out }).toEqual({ status: 2, out: "" });
    expect(err).toMatch(/^reinstate: promoters\.csv has 2 bad rows; nothing was changed$/m);
    expect(err).toMatch(/^ {2}line 3: "x⟨U\+202E⟩" is not an integer; .+$/m);
    expect(err).toMatch(/^ {2}line 4: .+; it is -2$/m);
    expect((await place.run(["batches", "list", "--json"])).out).toBe("");
  });

  test("names the first of a million bad rows, and their number", async () => {
    await using place = openWorkplace();
    place.write("bad.csv", `promoter_id\n${"x1\n".repeat(1_000_000)}`);
    const { status, err } = await place.run(["restore", "firstpromoter", "--file", "bad.csv", ...account]);
    expect(status).toBe(2);
    expect(err.match(/^ {2}line \d+: /gm)).toHaveLength(100);
    expect(err).toContain("reinstate: bad.csv has 1,000,000 bad rows; nothing was changed");
    expect(err).toContain("why  these are the first 100\n");
  });

  test("prints events as JSON lines, and the verdict last", async () => {
    await using place = openWorkplace();
    const { status, out } = await place.run(["restore", "vicidial", "--ids", "1-600,601", "--json", "--no-report"]);
    expect(status).toBe(0);
    const events = readEvents(out);
    expect(events[0]).toMatchObject({ event: "accepted", batch: 1, total: 601, target: "local", server: null });
    expect(events.at(-1)).toMatchObject({ event: "finished", done: 601, report: null, next: null, exit_status: 0 });
    expect(events.slice(1, -1).every(({ event }) => event === "progress")).toBe(true);
  });

  test("prints the batch, and asks for --yes above 10,000 records", async () => {
    await using place = openWorkplace();
    const asked = await place.run(["restore", "vicidial", "--ids", "1-10001"]);
    expect(asked.status).toBe(2);
    expect(asked.err).toMatch(/^Batch 1: 10,001 records[\s\S]+are more than 10,000 records[\s\S]+do +add --yes/m);
    const [batch] = readEvents((await place.run(["batches", "show", "1", "--json"])).out);
    expect(batch).toMatchObject({ status: "stopped", processed: 0 });
  });

  test("explains wrong use", async () => {
    await using place = openWorkplace();
    const explain = async (...args: string[]) => {
      const { status, out, err } = await place.run(args);
      expect({ status, out }, args.join(" ")).toEqual({ status: 2, out: "" });
      return err;
    };
    expect(await explain("restore", "zendesk", "--ids", "1")).toMatch(/There is no vendor zendesk/);
    expect(await explain("restore", "vicidial")).toMatch(/No records are named/);
    expect(await explain("restore", "vicidial", "--ids", "5-1")).toMatch(/ends before it begins/);
    expect(await explain("restore", "vicidial", "--file", "missing")).toMatch(/there is no such file/);
    expect(await explain("restore", "vicidial", "--ids", "1", "--target", "upstream")).toMatch(/no upstream/);
    expect(await explain("restore", "vicidial", "--ids", "1", "--fire")).toMatch(
      /Unknown option '--fire'[\s\S]+Did you mean --file/,
    );
    expect(await explain("restore", "firstpromoter", "--ids", "1")).toMatch(/account/);
    expect(await explain("restore", "vicidial", "leads.csv")).toMatch(/add --file leads\.csv/);
  });
});
