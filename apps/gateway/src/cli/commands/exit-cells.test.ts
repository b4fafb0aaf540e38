import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { createAdaptorServer } from "@hono/node-server";
import { faultProblem } from "@reinstate/batch-core/http";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import type { Command } from "commander";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { createProgram } from "../../program.ts";
import { runCommand } from "../../testing/command-line.ts";
import { startGateway, temporaryFolder } from "../../testing/gateway-process.ts";
import { openRowsApi, stopsRetry, stopsRun, waitsForStop } from "../../testing/rows-api.ts";
import { runInProcess } from "../../testing/run-in-process.ts";

/** A command line with its exit status. `ID` stands for a batch over `rows`. */
interface Cell {
  line: string;
  status: number;
  rows?: readonly number[];
  isPrepared?: boolean;
}

/** Rows of one remainder by 4, enough for some chunks. */
const several = (from: number) => Array.from({ length: 30 }, (_, index) => from + 4 * index);
const flags = "--no-report --json";

const moves: Cell[] = ["restore", "archive"].flatMap((verb) => [
  { line: `${verb} test --ids 0,1 ${flags}`, status: 0 },
  { line: `${verb} test --ids 0-2 ${flags}`, status: 3 },
  { line: `${verb} test --ids 0-2 ${flags} --dry-run`, status: 3 },
  { line: `${verb} test --ids 0-3 ${flags}`, status: 4 },
  { line: `${verb} test --ids ${stopsRun}-${stopsRun + 50} ${flags}`, status: 130 },
  { line: `${verb} other --ids 0`, status: 2 },
  { line: `${verb} test --ids 0 --column a`, status: 2 },
]);

/** Commands that end as the batch does. */
const follows: Cell[] = [
  { line: `batches watch ID --json`, rows: [0, 1], status: 0 },
  { line: `batches watch ID --json`, rows: [2], status: 3 },
  { line: `batches watch ID --json`, rows: [2, 3], status: 4 },
  { line: `batches watch ID --json`, rows: [0], isPrepared: true, status: 130 },
  { line: `batches resume ID ${flags}`, rows: [0, 1], isPrepared: true, status: 0 },
  { line: `batches resume ID ${flags}`, rows: [2], isPrepared: true, status: 3 },
  { line: `batches resume ID ${flags}`, rows: [2, 3], isPrepared: true, status: 4 },
  { line: `batches resume ID ${flags}`, rows: several(stopsRun), isPrepared: true, status: 130 },
  { line: `batches resume ID`, rows: [0], status: 2 },
  { line: `batches retry ID ${flags}`, rows: [0, 6], status: 0 },
  { line: `batches retry ID ${flags}`, rows: [2, 6], status: 3 },
  { line: `batches retry ID ${flags}`, rows: [2, 3], status: 4 },
  { line: `batches retry ID ${flags}`, rows: several(stopsRetry + 2), status: 130 },
  { line: `batches retry ID`, rows: [0], status: 2 },
  { line: `batches reexamine ID ${flags}`, rows: [0, 7], status: 0 },
  { line: `batches reexamine ID ${flags}`, rows: [2, 7], status: 3 },
  { line: `batches reexamine ID ${flags}`, rows: [2, 3], status: 4 },
  { line: `batches reexamine ID ${flags}`, rows: several(stopsRetry + 3), status: 130 },
  { line: `batches reexamine ID`, rows: [0], status: 2 },
];

/** Commands that end with 0 whatever the outcomes are. */
const reads: Cell[] = [
  { line: "find test 3 --json", rows: [2, 3], status: 0 },
  { line: "find other 3", status: 2 },
  { line: "batches list --json", rows: [2, 3], status: 0 },
  { line: "batches list --status lost", status: 2 },
  { line: "batches show ID --json", rows: [2, 3], status: 0 },
  { line: "batches items ID --json", rows: [2, 3], status: 0 },
  { line: "batches report ID --format ndjson", rows: [2, 3], status: 0 },
  { line: "batches undo ID --json", rows: [0, 2], status: 0 },
  { line: "batches undo ID --json --dry-run", rows: [0, 2], status: 0 },
  { line: "batches undo ID --dry-run", rows: [2], status: 2 },
  { line: "batches stop ID --json", rows: several(waitsForStop), status: 0 },
  { line: "batches stop ID", rows: [0], status: 2 },
  { line: "batches mark ID --as done --note seen --json", rows: [2, 3], status: 0 },
  { line: "batches mark ID --as done --note seen", rows: [0], status: 2 },
  ...["watch", "show", "items", "report", "undo"].map((verb) => ({ line: `batches ${verb} 999`, status: 2 })),
];

const readName = (line: string) => /^(batches |keys |config )?\S+/.exec(line)?.[0] ?? "";
const remote = [...moves, ...follows, ...reads];
/** A line of each command that has no fault of its own. */
const plain = new Map(remote.filter(({ status }) => status === 0).map((cell) => [readName(cell.line), cell]));

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe("with a server", () => {
  let api: Awaited<ReturnType<typeof openRowsApi>>;
  beforeAll(async () => {
    api = await openRowsApi();
  });
  afterAll(() => api[Symbol.asyncDispose]());
  afterEach(() => vi.unstubAllGlobals());

  async function run({ line, rows, isPrepared }: Cell, key = api.key) {
    const id = rows && (await api.addBatch(rows, { isPrepared: isPrepared ?? false }));
    const args = line.replace("ID", String(id)).split(" ");
    return runInProcess([...args, "--server", "http://rows.invalid"], { REINSTATE_KEY: key });
  }

  test.each(remote.map((cell) => [cell.line, cell.rows?.slice(0, 2).join() ?? "-", cell.status, cell] as const))(
    "%s over %s ends with %i",
    async (line, _rows, expected, cell) => {
      vi.stubGlobal("fetch", (url: string, init: RequestInit) => api.fetch(new Request(url, init)));
      // The same rows are run more than once.
      const { status, out, err } = await run(
        /^(restore|archive)/.test(line) ? { ...cell, line: `${line} --again` } : cell,
      );
      expect(status, err).toBe(expected);
      if (expected === 2) expect(out).toBe("");
      if (/--json|ndjson/.test(line)) expect(out.trim().split("\n").every(isJson), out).toBe(true);
    },
  );

  test.each([...plain])("%s ends with 1 if the server fails, and with 5 if it refuses the key", async (_, { line }) => {
    vi.stubGlobal("fetch", (url: string, init: RequestInit) => api.fetch(new Request(url, init)));
    const cell = { line: line.replace("ID", "1"), status: 0 };
    const refused = await run(cell, "wrong");
    expect(refused).toMatchObject({ status: 5, out: "" });
    vi.stubGlobal("fetch", async () => faultProblem(new Error("planted")));
    const failed = await run(cell);
    expect(failed).toMatchObject({ status: 1, out: "" });
    expect(failed.err).toMatch(/^reinstate: .+\n {2}do {3}see the log of the server/m);
  });

  test("the process ends with the status of the command", async () => {
    const server = createAdaptorServer({ fetch: api.fetch }) as Server;
    await once(server.listen(0, "127.0.0.1"), "listening");
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const settings = { REINSTATE_KEY: api.key };
    const start = (line: string) => runCommand([...line.split(" "), "--server", address], { settings });
    const [both, failed] = await Promise.all([
      start(`restore test --ids 0-3 ${flags} --again`),
      start(`restore test --ids 2 ${flags} --again`),
    ]);
    expect([both.status, failed.status], both.err + failed.err).toEqual([4, 3]);
    server.removeAllListeners("request").on("request", async (_, response) => {
      const fault = faultProblem(new Error("planted"));
      response.writeHead(fault.status, { "content-type": "application/problem+json" }).end(await fault.text());
    });
    expect((await start("batches list")).status).toBe(1);
    server.close();
  });
});

/** The local commands, in the order in which they run on one ledger. */
const local: Cell[] = [
  { line: "keys create --vendor admin --json", status: 0 },
  { line: "keys create --vendor none", status: 2 },
  { line: "keys list --json", status: 0 },
  { line: "keys list --all", status: 2 },
  { line: "keys revoke KEY", status: 0 },
  { line: "keys revoke none", status: 2 },
  { line: "import firstpromoter good.csv --account acc_1 --json", status: 0 },
  { line: "import firstpromoter bad.csv --account acc_1", status: 3 },
  { line: "import firstpromoter missing.csv --account acc_1", status: 2 },
  { line: "batches prune --older-than 0 --json", status: 0 },
  { line: "batches prune", status: 2 },
  { line: "doctor firstpromoter --json", status: 0 },
  { line: "doctor none", status: 2 },
  { line: "backup copy.db", status: 0 },
  { line: "backup copy.db", status: 2 },
  { line: "health", status: 0 },
  { line: "health --wait long", status: 2 },
  { line: "config check --json", status: 0 },
  { line: "completion bash", status: 0 },
  { line: "completion none", status: 2 },
  { line: "complete -- batches l", status: 0 },
  // Another server listens on the port of the settings.
  { line: "serve", status: 1 },
  { line: "serve --none", status: 2 },
  { line: "help exit-codes", status: 0 },
  { line: "help none", status: 2 },
];
/** Commands on a ledger that is damaged, or whose database is away. */
const damaged = ["keys create --vendor admin", "keys list", "keys revoke x", "batches prune --older-than 0"];
const away = [...damaged, "import firstpromoter good.csv --account acc_1", "doctor firstpromoter", "serve"];

describe("in this process", () => {
  test("each command ends as the table says", async () => {
    await using database = sqliteDatabase();
    await using folder = temporaryFolder();
    const server = createServer((_, response) => response.end()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const settings = {
      REINSTATE_DATABASE_URL: database.url,
      PORT: String((server.address() as AddressInfo).port),
      LOG_LEVEL: "silent",
    };
    writeFileSync(join(folder.path, "good.csv"), "email\na@x.com\n");
    writeFileSync(join(folder.path, "bad.csv"), "email\nno address\n");
    const inFolder = (line: string) => line.replace(/(\S+\.(csv|db))/, join(folder.path, "$1"));
    const run = (line: string, more: Record<string, string> = {}) =>
      runInProcess(inFolder(line).split(" "), { ...settings, ...more });
    const wrong: string[] = [];
    const check = (line: string, status: number, { status: found, out, err }: Awaited<ReturnType<typeof run>>) => {
      if (found !== status) wrong.push(`${line}: ${found} instead of ${status}\n${err}`);
      if (status !== 0 && status !== 3 && out !== "") wrong.push(`${line}: ${out}`);
      const values = line.endsWith("--json") ? out.trim().split("\n") : [];
      if (!values.every(isJson)) wrong.push(`${line}: ${out}`);
    };
    let key = "";
    for (const { line, status } of local) {
      const ended = await run(line.replace("KEY", key));
      if (line.startsWith("keys create") && status === 0) key = (JSON.parse(ended.out) as { id: string }).id;
      check(line, status, ended);
    }
    server.close();
    check("health", 5, await run("health"));
    for (const line of ["config check", "serve"]) check(line, 2, await run(line, { REINSTATE_DATABSE_URL: "x" }));
    for (const line of away)
      check(line, 5, await run(line, { REINSTATE_DATABASE_URL: "postgres://u@127.0.0.1:1/none" }));
    const db = new DatabaseSync(database.url.slice("sqlite:".length));
    for (const table of ["reinstate_keys", "reinstate_batches", "firstpromoter_promoters"]) {
      db.exec(`alter table ${table} rename to ${table}_lost`);
    }
    db.close();
    for (const line of [...damaged, "import firstpromoter good.csv --account acc_1"]) check(line, 1, await run(line));
    writeFileSync(join(folder.path, "text.db"), "no database".repeat(1000));
    const text = { REINSTATE_DATABASE_URL: `sqlite:${join(folder.path, "text.db")}` };
    check("backup other.db", 1, await run("backup other.db", text));
    expect(wrong).toEqual([]);
  });

  test("serve ends with 0 after a signal", async () => {
    await using database = sqliteDatabase();
    await using gateway = await startGateway({ REINSTATE_DATABASE_URL: database.url });
    expect(await gateway.end("SIGTERM")).toBe(0);
  });

  test("no command is missing", () => {
    const listCommands = (command: Command, name = ""): string[] =>
      command.commands.length === 0
        ? [name]
        : command.commands.flatMap((inner) => listCommands(inner, `${name} ${inner.name()}`.trim()));
    const tested = new Set([...remote, ...local].map(({ line }) => readName(line)));
    expect(listCommands(createProgram([])).filter((name) => !tested.has(name))).toEqual([]);
  });
});
