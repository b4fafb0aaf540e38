import { type ContractError, vendorContract } from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, test } from "vitest";
import { type ErrorKind, errorAnswers } from "./http/errors.ts";
import { acme } from "./vendor.ts";

const kinds: Record<ContractError, ErrorKind> = {
  unauthorized: "bad_key",
  not_found: "not_found",
  too_many_requests: "too_many_requests",
  unavailable: "unavailable",
  internal: "internal",
};
const id = 2; // only with --ids integer
const id = "widget-2"; // only with --ids string

const contract = vendorContract({
  vendor: acme,
  // FILL: a valid call of every route.
  calls({ method, path }) {
    if (method === "POST") return [{ path, body: { ids: [id] } }];
    return [{ path: path.replace(":id", String(id)) }];
  },
  authorize: (secret) => ({ authorization: `Bearer ${secret}` }),
  isError: (kind, { status, text }) =>
    status === errorAnswers[kinds[kind]].status && JSON.parse(text).error === kinds[kind],
  shown: "of acc_demo", // only with --accounts
  importedLine: JSON.stringify({ id: 7001, title: "Imported" }), // only with --ids integer
  importedLine: JSON.stringify({ id: "imported-1", title: "Imported" }), // only with --ids string
});

describe.each(ledgerDatabases)("Acme on $name", ({ open }) => {
  test.each(contract)("$name", async ({ check }) => {
    await using database = await open();
    await check(database.url);
  });
});
