import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Examples } from "@reinstate/batch-core/openapi";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { readSettings } from "../config.ts";
import { vendors } from "../testing/demo-gateway.ts";
import { listExampleFiles, localize, omitVarying, runExample, startExampleGateway } from "../testing/example-calls.ts";
import { describeGateway } from "./gateway-openapi.ts";

const execute = promisify(execFile);
const gatewayFolder = fileURLToPath(new URL("../..", import.meta.url));
const files = listExampleFiles();

interface Operation {
  operationId: string;
  description?: string;
  "x-reinstate-limits"?: Record<string, number>;
  responses: Record<string, { $ref?: string; description?: string; content?: Record<string, { examples?: object }> }>;
}

interface ApiDocument {
  paths: Record<string, Record<string, Operation>>;
  components: { responses: Operation["responses"] };
}

function readDocument(env: Record<string, string> = {}): ApiDocument {
  const settings = readSettings({ env: { REINSTATE_ALTCRAFT_EXTENSIONS: "on", ...env }, vendors });
  return describeGateway({ vendors, settings }) as unknown as ApiDocument;
}

const listDocumented = ({ paths } = readDocument()): Operation[] =>
  Object.values(paths).flatMap((path) => Object.values(path));

describe("each operation", () => {
  const document = readDocument();
  const operations = listDocumented(document);

  test("explains when to use it and shows a command", () => {
    const without = operations.filter(({ description = "" }) => !/^\S[^`]+\n\n[\s\S]*```sh\ncurl /.test(description));
    expect(without.map(({ operationId }) => operationId)).toEqual([]);
  });

  test("names its limits, as the settings have them", () => {
    const named = (list: Operation[]) =>
      Object.fromEntries(list.map((one) => [one.operationId, one["x-reinstate-limits"]]));
    expect(operations.filter(({ description = "" }) => !/\*\*Limits:\*\* at most /.test(description))).toEqual([]);
    const changed = named(
      listDocumented(
        readDocument({
          REINSTATE_MAX_IN_FLIGHT_PER_KEY: "7",
          REINSTATE_REQUEST_SECONDS: "30",
          REINSTATE_FIRSTPROMOTER_RATE_LIMIT: "0",
          REINSTATE_VICIDIAL_LEAD_LIMIT: "20",
          REINSTATE_ALTCRAFT_XML_BATCH_BODY_LIMIT: "5000",
        }),
      ),
    );
    const server = { body_seconds: 30, database_seconds: 5, calls_per_key: 7, calls: 128 };
    expect(changed["firstpromoter.restorePromoters"]).toEqual({ body_bytes: 1024 ** 2, ...server });
    expect(changed["vicidial.dearchiveLeads"]).toEqual({ items: 20, body_bytes: 1024 ** 2, ...server });
    expect(changed["altcraft.subscriptions_undelete_batch"]).toMatchObject({ items: 10_000, xml_body_bytes: 5000 });
    expect(changed["service.getHealth"]).toEqual({ connections: 10_000 });
    const standard = named(operations);
    expect(standard["firstpromoter.getPromoters"]).toMatchObject({ page_items: 100, calls_per_minute: 400 });
    expect(standard["v1.createBatch"]).toMatchObject({ items: 500_000, upload_bytes: 1024 ** 3, upload_seconds: 3600 });
  });

  test("explains each error with its cause", () => {
    const unexplained = operations.flatMap(({ operationId, responses }) =>
      Object.entries(responses).flatMap(([status, { $ref, description }]) => {
        const text = description ?? document.components.responses[$ref?.split("/").at(-1) ?? ""]?.description ?? "";
        const lines = text.split("\n").filter((line) => line.startsWith("- "));
        const isComplete = lines.length > 0 ? lines.every((line) => line.endsWith(".")) : /^[A-Z]|\.$/.test(text);
        return status < "400" || isComplete ? [] : [`${operationId} ${status}: ${text}`];
      }),
    );
    expect(unexplained).toEqual([]);
  });

  test("shows an example of each reply in JSON", () => {
    const missing = operations.flatMap(({ operationId, responses }) =>
      Object.entries(responses).flatMap(([status, { content = {} }]) => {
        const isShown = content["application/json"] === undefined || content["application/json"].examples !== undefined;
        return isShown ? [] : [`${operationId} ${status}`];
      }),
    );
    // The document itself is too long for an example of itself.
    expect(missing).toEqual(["service.getOpenApi 200"]);
  });
});

describe.each(files)("the examples of $api", ({ file, routes }) => {
  test("get the replies that are shown", async () => {
    const { style, calls } = JSON.parse(readFileSync(file, "utf8")) as Examples;
    await using database = sqliteDatabase();
    await using gateway = await startExampleGateway(database.url);
    for (const call of calls.filter(({ illustration }) => !illustration)) {
      const reply = await runExample(routes, call, style, gateway);
      const at = `${call.operationId} ${call.name}`;
      if (call.trimmed) expect([at, reply.status]).toEqual([at, call.reply?.status]);
      else expect([at, omitVarying(reply)]).toEqual([at, omitVarying(call.reply)]);
    }
  });
});

/** Returns the programs of the descriptions by API. */
function listPrograms(): Map<string, { operationId: string; text: string }[]> {
  const all = listDocumented().flatMap(({ operationId, description = "" }) => {
    const [, text] = /```ts\n([\s\S]*?)\n```/.exec(description) ?? [];
    return text === undefined ? [] : [{ api: operationId.split(".")[0] as string, operationId, text }];
  });
  return Map.groupBy(all, ({ api }) => api);
}

describe("the programs of the examples", () => {
  const programs = listPrograms();

  test("are there for every vendor", () => {
    const counts = Object.fromEntries([...programs].map(([api, list]) => [api, list.length]));
    expect(counts).toEqual({ altcraft: 12, firstpromoter: 28, vicidial: 2 });
  });

  test("compile and run", async () => {
    // Below the gateway, whose dependencies they import.
    const folder = mkdtempSync(join(gatewayFolder, ".examples-"));
    try {
      writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
      for (const [api, list] of programs) {
        await using database = sqliteDatabase();
        await using gateway = await startExampleGateway(database.url);
        const names = list.map(({ text }, index) => {
          const name = `${api}-${index}.ts`;
          writeFileSync(join(folder, name), localize(text, gateway));
          return name;
        });
        const imports = names.map((name) => `await import("./${name}");`);
        writeFileSync(join(folder, `all-${api}.ts`), `${imports.join("\n")}\nexport {};\n`);
        // Some act on batches: those of the example calls, which come first.
        const { file, routes } = files.find((one) => one.api === api) as (typeof files)[number];
        const { style, calls } = JSON.parse(readFileSync(file, "utf8")) as Examples;
        const before = api === "firstpromoter" ? calls.filter(({ operationId }) => /Promoters/.test(operationId)) : [];
        for (const call of before) await runExample(routes, call, style, gateway);
        await execute(process.execPath, [join(folder, `all-${api}.ts`)], { cwd: folder });
      }
      writeFileSync(join(folder, "tsconfig.json"), '{ "extends": "../tsconfig.json", "include": ["*.ts"] }');
      const tsc = join(gatewayFolder, "../../node_modules/.bin/tsc");
      const compiled = spawnSync(tsc, ["--project", folder], { encoding: "utf8" });
      expect(compiled.stdout).toBe("");
      expect(compiled.status).toBe(0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
