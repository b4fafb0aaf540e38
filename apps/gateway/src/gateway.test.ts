import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "@reinstate/batch-core/testing";
import { ledgerDatabases, sqliteDatabase } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { run, startGateway, temporaryFolder } from "./testing/gateway-process.ts";

const firstpromoter = {
  authorization: "Bearer demo-firstpromoter-key",
  "account-id": "acc_demo",
  "content-type": "application/json",
};
const admin = { authorization: "Bearer demo-admin-key", "content-type": "application/json" };

describe.each(ledgerDatabases)("the gateway on $name", ({ open }) => {
  test("resumes a killed batch of 900 promoters, each promoter once", async () => {
    await using database = await open();
    const settings = { REINSTATE_DEMO: "1", REINSTATE_DATABASE_URL: database.url, LOG_LEVEL: "silent" };
    let gateway = await startGateway(settings);
    try {
      // Killed at three moments, from right after the answer on. Restored and archived by turns.
      for (const [round, delay] of [0, 2, 8].entries()) {
        const verb = round % 2 === 0 ? "restore" : "archive";
        const response = await fetch(`${gateway.baseUrl}/api/v2/company/promoters/${verb}`, {
          method: "POST",
          headers: firstpromoter,
          body: JSON.stringify({ ids: Array.from({ length: 900 }, (_, index) => index + 1) }),
        });
        expect(response.status).toBe(202);
        const { id } = (await response.json()) as { id: number };
        await new Promise((resolve) => setTimeout(resolve, delay));
        await gateway.end("SIGKILL");

        gateway = await startGateway(settings);
        const batch = await until(async () => {
          const read = await fetch(`${gateway.baseUrl}/v1/batches/${id}`, { headers: admin });
          const batch = (await read.json()) as { status: string };
          return batch.status === "completed" && batch;
        });
        // A promoter done a second time would be counted as skipped.
        expect(batch).toMatchObject({ total: 900, processed: 900, done: 900, skipped: 0, failed: 0, unknown: 0 });
        if (verb === "archive") continue;
        const list = await fetch(`${gateway.baseUrl}/api/v2/company/promoters?filters[archived]=true`, {
          headers: firstpromoter,
        });
        expect(await list.json()).toMatchObject({ data: [] });
      }
    } finally {
      await gateway[Symbol.asyncDispose]();
    }
  });

  test("ends with status 0 at SIGTERM and loses no batch", async () => {
    await using database = await open();
    const settings = { REINSTATE_DEMO: "1", REINSTATE_DATABASE_URL: database.url };
    const first = await startGateway(settings);
    const answers = await Promise.all(
      [0, 1, 2].map(async (part) => {
        const ids = Array.from({ length: 300 }, (_, index) => part * 300 + index + 1);
        const body = JSON.stringify({ operation: "firstpromoter.promoters.restore", account: "acc_demo", items: ids });
        return (await fetch(`${first.baseUrl}/v1/batches`, { method: "POST", headers: admin, body })).status;
      }),
    );
    expect(await first.end("SIGTERM")).toBe(0);
    expect(answers.every((status) => status === 201 || status === 202)).toBe(true);
    await using second = await startGateway(settings);
    await until(async () => {
      const list = await fetch(`${second.baseUrl}/v1/batches`, { headers: admin });
      const { batches } = (await list.json()) as { batches: { status: string; done: number }[] };
      return batches.length === 3 && batches.every(({ status, done }) => status === "completed" && done === 300);
    });
  });

  test("ends at SIGTERM while a client follows a batch", async () => {
    await using database = await open();
    await using gateway = await startGateway({
      REINSTATE_DEMO: "1",
      REINSTATE_ROLE: "web",
      REINSTATE_DATABASE_URL: database.url,
    });
    // No worker runs, so the batch waits and its events do not end by themselves.
    const items = Array.from({ length: 800 }, (_, index) => index + 1);
    const body = JSON.stringify({ operation: "firstpromoter.promoters.restore", account: "acc_demo", items });
    const made = await fetch(`${gateway.baseUrl}/v1/batches`, { method: "POST", headers: admin, body });
    const { id } = (await made.json()) as { id: number };
    const events = await fetch(`${gateway.baseUrl}/v1/batches/${id}/events`, { headers: admin });
    const reader = (events.body as ReadableStream<Uint8Array>).getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toContain("event: progress");
    const ended = gateway.end("SIGTERM");
    // The stream comes to its end; a connection that is cut after the grace period would reject the read.
    for (let part = await reader.read(); !part.done; ) part = await reader.read();
    expect(await ended).toBe(0);
  });

  test("stores a dialect with a key and replies in it", async () => {
    await using database = await open();
    const settings = { REINSTATE_DATABASE_URL: database.url };
    const create = (vendor: string, ...options: string[]) =>
      run(["keys", "create", "--vendor", vendor, ...options.flatMap((option) => ["--option", option])], settings);
    const key = (await create("vicidial", "dialect=L1")).out.trim();
    await using gateway = await startGateway(settings);
    const response = await fetch(`${gateway.baseUrl}/vicidial/leads/dearchive`, {
      method: "POST",
      headers: { authorization: `Key=${key}` },
      body: "{}",
    });
    expect([response.status, await response.json()]).toEqual([
      442,
      { error: "insert_leads must be a boolean value", status_code: 442 },
    ]);
    for (const [vendor, option, message] of [
      ["vicidial", "dialect=L9", /--option dialect: .*L1.* \(known options: dialect\)/],
      ["vicidial", "colour=red", /--option .*colour.* \(known options: dialect\)/],
      ["admin", "dialect=L1", /--option .*dialect.* \(known options: access\)/],
    ] as const) {
      expect(await create(vendor, option)).toMatchObject({ status: 2, out: "", err: expect.stringMatching(message) });
    }
  });

  test("creates, uses, lists and revokes keys", async () => {
    await using database = await open();
    const settings = { REINSTATE_DATABASE_URL: database.url };
    const made = await run(["keys", "create", "--vendor", "admin", "--name", "mine"], settings);
    expect(made.status, made.err).toBe(0);
    const secret = made.out.trim();
    expect(secret).toMatch(/^rik_\S+$/);
    await using gateway = await startGateway(settings);
    const read = () => fetch(`${gateway.baseUrl}/v1/batches`, { headers: { authorization: `Bearer ${secret}` } });
    expect((await read()).status).toBe(200);
    const [listed] = (await run(["keys", "list", "--json"], settings)).out.trim().split("\n");
    const { id, ...rest } = JSON.parse(listed ?? "") as { id: string };
    expect(rest).toMatchObject({ vendor: "admin", name: "mine", revoked_at: null });
    expect((await run(["keys", "list"], settings)).out).toContain(id);
    expect((await run(["keys", "revoke", id], settings)).status).toBe(0);
    await until(async () => (await read()).status === 401);
    expect((await run(["keys", "revoke", id], settings)).status).toBe(2);
    expect(gateway.output().out + gateway.output().err).not.toContain(secret);
  });
});

describe("the gateway", () => {
  test("reports health, readiness and unknown paths", async () => {
    await using database = sqliteDatabase();
    await using gateway = await startGateway({ REINSTATE_DATABASE_URL: database.url });
    const get = async (path: string) => {
      const response = await fetch(`${gateway.baseUrl}${path}`);
      return { status: response.status, body: await response.json(), id: response.headers.get("x-request-id") };
    };
    expect(await get("/healthz")).toMatchObject({ status: 200, body: { status: "ok" } });
    expect(await get("/readyz")).toMatchObject({ status: 200, body: { status: "ready" } });
    expect(await get("/nothing")).toMatchObject({ status: 404, body: { type: "urn:reinstate:problem:not-found" } });
    expect((await get("/healthz")).id).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("sends the phrase of a status that HTTP does not name", async () => {
    await using database = sqliteDatabase();
    await using gateway = await startGateway({ REINSTATE_DATABASE_URL: database.url, REINSTATE_DEMO: "yes" });
    const response = await fetch(`${gateway.baseUrl}/vicidial/lead/dearchive/`, {
      method: "POST",
      headers: { authorization: "Key=demo-vicidial-key" },
      body: "{",
    });
    expect(response.status).toBeGreaterThanOrEqual(440);
    expect(response.statusText).not.toMatch(/^(unknown)?$/);
  });

  test("logs each request as one line of JSON, without a secret", async () => {
    await using database = sqliteDatabase();
    await using gateway = await startGateway({ REINSTATE_DATABASE_URL: database.url, REINSTATE_DEMO: "yes" });
    const canary = "canary-of-a-secret";
    await fetch(`${gateway.baseUrl}/api/v1.1/subscriptions/get?token=${canary}`, {
      method: "POST",
      headers: { authorization: `Bearer ${canary}`, "x-request-id": "mine-1" },
      body: JSON.stringify({ token: canary }),
    });
    await fetch(`${gateway.baseUrl}/vicidial/leads/dearchive`, {
      method: "POST",
      headers: { authorization: `Key=${canary}` },
    });
    const lines = await until(() => {
      const lines = gateway
        .output()
        .err.trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { path?: string });
      return lines.filter(({ path }) => path !== undefined).length >= 2 && lines;
    });
    expect(lines).toContainEqual(
      expect.objectContaining({ path: "/api/v1.1/subscriptions/get", status: 401, request_id: "mine-1" }),
    );
    expect(gateway.output().err).not.toContain(canary);
  });

  test.each([
    [{ REINSTATE_ROLE: "boss" }, /^reinstate: REINSTATE_ROLE must be one of all, web, worker\n$/],
    [
      { REINSTATE_ENGINE: "pg-boss" },
      /^reinstate: REINSTATE_ENGINE can be pg-boss only if REINSTATE_DATABASE_URL is a PostgreSQL database\n$/,
    ],
    [{ PORT: "99999" }, /^reinstate: PORT must be a whole number from 0 to 65535\n$/],
    [
      { REINSTATE_DATABSE_URL: "x" },
      /^reinstate: REINSTATE_DATABSE_URL is not a setting \(did you mean REINSTATE_DATABASE_URL\?\)\n$/,
    ],
    [{ REINSTATE_TIME_ZONE: "Mars/Olympus" }, /^reinstate: REINSTATE_TIME_ZONE must be an IANA time zone/],
    [{ REINSTATE_VICIDIAL_LEAD_LIMIT: "none" }, /^reinstate: REINSTATE_VICIDIAL_LEAD_LIMIT /],
    [{ REINSTATE_VICIDIAL_ARCHIVE_HOURS: "sometimes" }, /^reinstate: REINSTATE_VICIDIAL_ARCHIVE_HOURS /],
    [{ REINSTATE_DEMO: "1", HOST: "0.0.0.0" }, /^reinstate: REINSTATE_DEMO loads publicly known keys/],
    [
      { REINSTATE_DATABASE_URL: "oracle://me:secret@host" },
      /^reinstate: REINSTATE_DATABASE_URL must be sqlite:PATH or postgres:[^@]*\n$/,
    ],
  ])("a wrong setting stops the start with one line: %j", async (settings, line) => {
    await using folder = temporaryFolder();
    const { status, out, err } = await run(["serve"], { REINSTATE_DATA: folder.path, ...settings });
    expect(err).toMatch(line);
    expect(err.trim().split("\n")).toHaveLength(1);
    expect({ status, out }).toEqual({ status: 2, out: "" });
  });

  test("reads reinstate.json below the environment, and reports unknown names", async () => {
    await using folder = temporaryFolder();
    const file = (content: unknown) => writeFileSync(join(folder.path, "reinstate.json"), JSON.stringify(content));
    file({ reinstateRole: "boss" });
    expect((await run(["serve"], {}, folder.path)).err).toMatch(/REINSTATE_ROLE must be one of/);
    file({ role: "boss", vicidialLeadLimit: 200 });
    expect((await run(["serve"], { REINSTATE_ROLE: "baker" }, folder.path)).err).toMatch(
      /REINSTATE_ROLE must be one of/,
    );
    file({ prot: 1 });
    expect((await run(["serve"], {}, folder.path)).err).toMatch(
      /prot in reinstate\.json is not a setting \(did you mean port\?\)/,
    );
    writeFileSync(join(folder.path, "reinstate.json"), "{");
    expect((await run(["serve"], {}, folder.path)).err).toMatch(/reinstate\.json is not JSON/);
  });

  test.each([
    ["UTF-8 with a byte order mark", Buffer.from('\ufeff{"role":"boss"}'), /^reinstate: REINSTATE_ROLE must be one of/],
    ["UTF-16LE", Buffer.from('\ufeff{"role":"boss"}', "utf16le"), /^reinstate: REINSTATE_ROLE must be one of/],
    ["UTF-16BE", Buffer.from('\ufeff{"role":"boss"}', "utf16le").swap16(), /^reinstate: REINSTATE_ROLE must be one of/],
    [
      "windows-1252",
      Buffer.from([0x7b, 0xe9, 0x7d]),
      /^reinstate: reinstate\.json is not utf-8 text; save it as UTF-8\n$/,
    ],
  ])("reads reinstate.json by its encoding: %s", async (_name, content, line) => {
    await using folder = temporaryFolder();
    writeFileSync(join(folder.path, "reinstate.json"), content);
    expect((await run(["serve"], {}, folder.path)).err).toMatch(line);
  });

  test("distinguishes wrong use from failure, and prints help", async () => {
    expect((await run(["frobnicate"])).status).toBe(2);
    expect((await run(["keys", "create"])).status).toBe(2);
    expect((await run(["keys", "create", "--vendor", "unknown"])).err).toMatch(/--vendor must be one of/);
    expect((await run(["keys", "create", "--vendor", "firstpromoter"])).err).toMatch(/add --account/);
    const help = await run(["--help"]);
    expect(help.status).toBe(0);
    expect(help.out).toContain("Exit status");
  });
});
