import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import type { ReinstateError } from "../errors/errors.ts";
import type { Host } from "../host.ts";
import { readItems } from "../intake/read-items.ts";
import { createTestApi, double } from "../testing/test-api.ts";

const selection = {
  filter: double.params,
  async *select() {
    yield [1];
  },
};

type BatchRequest = { operation: string; target: "local" | "upstream"; account?: string };

async function submitLines({ batches }: Host, request: BatchRequest) {
  const operation = batches.operation(request.operation, request.target);
  const intake = await readItems(operation, ReadableStream.from([Buffer.from("1\n2\n")]), { format: "ndjson" });
  try {
    return await batches.submitIntake(request, intake);
  } finally {
    intake.close();
  }
}

/** Converts the result of a call to the package to a response of /v1. */
const toResponse = (submitted: Promise<unknown>) =>
  submitted.then(
    () => ({ status: 201, body: { errors: undefined } }),
    ({ issues }: ReinstateError) => ({ status: 422, body: { errors: issues } }),
  );

describe.each(ledgerDatabases)("account of a batch on $name", ({ open }) => {
  async function start(url: string) {
    const upstream = { ...double, name: "with.rows.double", target: "upstream" as const };
    const api = await createTestApi({
      databaseUrl: url,
      operations: [
        { ...double, name: "with.rows.double", selection },
        upstream,
        { ...double, name: "without.rows.double", selection },
        double,
      ],
    });
    const hasAccount = async (account: string) => account === "has records";
    api.host.declareAccounts({ vendor: "with", label: "With", hasAccount });
    api.host.declareAccounts({ vendor: "without", label: "Without" });
    await api.host.keys.create({ vendor: "with", account: "has keys" });
    await api.host.keys.create({ vendor: "other", account: "of another vendor" });
    return api;
  }

  const csv = { "content-type": "text/csv" };

  test("is checked by every way to create a batch", async () => {
    await using database = await open();
    await using api = await start(database.url);
    const submitInEveryWay = (operation: string, account: string | undefined, target: BatchRequest["target"]) => {
      const request = { operation, target, ...(account !== undefined && { account }) };
      const query = new URLSearchParams(request).toString();
      const { batches } = api.host;
      return [
        toResponse(batches.submit({ ...request, items: [1] })),
        ...(target === "local" ? [toResponse(batches.submitFiltered({ ...request, filter: {} }))] : []),
        toResponse(submitLines(api.host, request)),
        api.post({ ...request, items: [1] }),
        ...(target === "local" ? [api.post({ ...request, filter: {} })] : []),
        api.stream(query, "1\n2\n"),
        api.stream(query, "id\n1\n2\n", csv),
      ];
    };
    for (const [operation, account, target, isAccepted] of [
      ["with.rows.double", "has records", "local", true],
      ["with.rows.double", "has keys", "local", true],
      ["with.rows.double", undefined, "local", false],
      ["with.rows.double", "", "local", false],
      ["with.rows.double", "misspelt", "local", false],
      ["with.rows.double", "Has Keys", "local", false],
      ["with.rows.double", "has keys ", "local", false],
      ["with.rows.double", "of another vendor", "local", false],
      ["with.rows.double", "known to the vendor alone", "upstream", true],
      ["with.rows.double", undefined, "upstream", false],
      ["without.rows.double", undefined, "local", true],
      ["without.rows.double", "has keys", "local", false],
    ] as const) {
      const before = (await api.host.batches.list({ limit: 500 })).length;
      const responses = await Promise.all(submitInEveryWay(operation, account, target));
      for (const { status, body } of responses) {
        const path = body.errors?.[0]?.path;
        expect({ operation, account, status, path }).toEqual({
          operation,
          account,
          ...(isAccepted ? { status: 201, path: undefined } : { status: 422, path: "account" }),
        });
      }
      const created = (await api.host.batches.list({ limit: 500 })).length - before;
      expect({ operation, account, created }).toEqual({
        operation,
        account,
        created: isAccepted ? responses.length : 0,
      });
    }
  });

  test("is rejected if a query names two", async () => {
    await using database = await open();
    await using api = await start(database.url);
    for (const query of ["account=has keys&account=has records", "account=has keys&target=local&target=upstream"]) {
      const { status, body } = await api.stream(`operation=with.rows.double&${query}`, "1\n2\n");
      expect({ query, status, detail: body.detail }).toMatchObject({
        query,
        status: 422,
        detail: expect.stringMatching(/two different values/),
      });
    }
    expect(await api.host.batches.list({ limit: 1 })).toEqual([]);
  });

  test("is not checked for a vendor that is not declared", async () => {
    await using database = await open();
    await using api = await start(database.url);
    expect((await api.post({ operation: "test.rows.double", account: "any", items: [1] })).status).toBe(201);
  });

  test("is checked before an upload is read", async () => {
    await using database = await open();
    await using api = await start(database.url);
    async function* endless() {
      for (;;) yield Buffer.from("1\n".repeat(100));
    }
    expect((await api.stream("operation=with.rows.double&account=misspelt", endless())).status).toBe(422);
  });
});
