import { existsSync, readFileSync, statSync } from "node:fs";
import { until } from "@reinstate/batch-core/testing";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { openWorkplace } from "../../testing/command-line.ts";
import { runInProcess } from "../../testing/run-in-process.ts";

describe("backup", () => {
  test("copies a ledger while a batch runs, and the copy asks", async () => {
    await using place = openWorkplace();
    const running = place.start(["restore", "vicidial", "--ids", "1-300000", "--yes", "--no-report"]);
    await until(async () => running.output.err.includes("Batch 1:"));
    const backup = await place.run(["backup", "copy.db"]);
    expect(backup).toMatchObject({ status: 0, out: expect.stringMatching(/^copy\.db: [\d.]+ [kM]B/) });
    expect(statSync(place.path("copy.db")).mode & 0o077).toBe(0);
    expect(existsSync(place.path("copy.db.part"))).toBe(false);
    running.child.kill("SIGKILL");
    await running.ended;

    const settings = { REINSTATE_DATABASE_URL: `sqlite:${place.path("copy.db")}` };
    const shown = JSON.parse((await place.run(["batches", "show", "1", "--json"], { settings })).out);
    expect(shown.status).toBe("stopped");
    const resumed = await place.run(["batches", "resume", "1", "--no-report"], { settings });
    expect(resumed.err).toMatch(/Batch 1 completed: 1,000 done, 299,000 failed of 300,000 records/);
  });

  test("names pg_dump for a ledger on PostgreSQL, without the password", async () => {
    await using place = openWorkplace({ REINSTATE_DATABASE_URL: "postgres://ada:s3cret@db.example/ledger" });
    const { status, err } = await place.run(["backup", "copy.dump"]);
    expect(status).toBe(2);
    expect(err).toContain("do   pg_dump --format=custom --file=copy.dump postgres://ada@db.example/ledger");
    expect(err).not.toContain("s3cret");
  });
});

describe("config check", () => {
  test("shows each setting with its source, and masks secrets", async () => {
    await using place = openWorkplace({
      REINSTATE_VICIDIAL_UPSTREAM_URL: "http://vendor.example",
      REINSTATE_VICIDIAL_UPSTREAM_KEY: "s3cret",
      REINSTATE_VICIDIAL_URL: "mysql://cron:pa55word@127.0.0.1/asterisk",
    });
    place.write("reinstate.json", '{"timeZone":"Europe/Berlin"}');
    const settings = { REINSTATE_FIRSTPROMOTER_UPSTREAM_KEY_FILE: place.path(place.write("key", "f1le-s3cret\n")) };
    const more = {
      ...settings,
      REINSTATE_FIRSTPROMOTER_UPSTREAM_URL: "http://vendor.example",
      REINSTATE_FIRSTPROMOTER_UPSTREAM_ACCOUNT: "acc_1",
    };
    const { status, out, err } = await place.run(["config", "check"], { settings: more });
    expect(status, err).toBe(0);
    expect(out).toMatch(/^REINSTATE_TIME_ZONE +Europe\/Berlin +reinstate\.json$/m);
    expect(out).toMatch(/^REINSTATE_VICIDIAL_UPSTREAM_KEY +\(hidden\) +environment$/m);
    expect(out).toMatch(
      /^REINSTATE_FIRSTPROMOTER_UPSTREAM_KEY +\(hidden\) +file of REINSTATE_FIRSTPROMOTER_UPSTREAM_KEY_FILE$/m,
    );
    expect(out).toMatch(/^REINSTATE_VICIDIAL_URL +mysql:\/\/cron:\(hidden\)@127\.0\.0\.1\/asterisk +environment$/m);
    expect(out).toMatch(/^PORT +8787 +default$/m);
    expect(out).toMatch(/^REINSTATE_FIRSTPROMOTER_ANSWERS +- +default$/m);
    const all = out + (await place.run(["config", "check", "--json"], { settings: more })).out;
    for (const secret of ["s3cret", "pa55word", "f1le"]) expect(all).not.toContain(secret);
  });
});

describe("doctor", () => {
  const page = new URL("../../../../../docs/reference/cli-doctor.schema.json", import.meta.url);
  const validate = new Ajv2020({ allErrors: true }).compile(JSON.parse(readFileSync(page, "utf8")) as object);

  test.each([
    { state: "works", vicidial: {} as Record<string, string>, status: 0 },
    { state: "is away", vicidial: { REINSTATE_VICIDIAL_URL: "mysql://cron:x@127.0.0.1:1/asterisk" }, status: 5 },
  ])("prints JSON by its schema if a database $state", async ({ vicidial, status: expected }) => {
    await using database = sqliteDatabase();
    const settings: Record<string, string> = { REINSTATE_DATABASE_URL: database.url, ...vicidial };
    const { status, out } = await runInProcess(["doctor", "--json"], settings);
    expect(status).toBe(expected);
    const report = JSON.parse(out) as { ok: boolean; findings: { about: string; level: string }[] };
    expect(validate(report), JSON.stringify(validate.errors)).toBe(true);
    expect(report.ok).toBe(expected === 0);
    expect(report.findings).toContainEqual(
      expect.objectContaining({ about: "vicidial", level: report.ok ? "ok" : "error" }),
    );
    expect(validate({ ...report, findings: [{ about: "ledger", level: "bad", title: "x" }] })).toBe(false);
  });

  test("reports a vendor whose database is away", async () => {
    await using place = openWorkplace({ REINSTATE_VICIDIAL_URL: "mysql://cron:pa55word@127.0.0.1:1/asterisk" });
    const { status, out } = await place.run(["doctor"]);
    expect(status).toBe(5);
    expect(out).toMatch(/^error +vicidial/m);
    expect(out).toMatch(/^ok +firstpromoter/m);
    expect(out).not.toContain("pa55word");
    expect((await place.run(["doctor", "firstpromoter"])).status).toBe(0);
  });
});
