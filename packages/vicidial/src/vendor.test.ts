import { type ContractError, vendorContract } from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, test } from "vitest";
import { vicidial } from "./vendor.ts";

const statuses: Record<ContractError, number> = {
  unauthorized: 401,
  not_found: 404,
  too_many_requests: 429,
  unavailable: 503,
  internal: 500,
};
/** The earlier dialects have their own status for any other error. */
const legacyFaults = new Map([
  ["/vicidial/lead/dearchive", 449],
  ["/vicidial/lead/archive/acme", 440],
]);

const flags = { insert_leads: true, delete_leads: true, lead_ids: [5] };

const contract = vendorContract({
  vendor: vicidial,
  calls({ path }) {
    if (path === "/vicidial/non_agent_api.php") {
      const query = "source=test&user=6666&pass=1234&function=lead_dearchive&lead_id=5";
      return [{ path: `${path}?${query}`, method: "GET" }];
    }
    return ["leads/dearchive", "leads/archive", "lead/dearchive", "lead/archive/acme"].map((name) => ({
      path: `/vicidial/${name}`,
      body: name.includes("dearchive") ? flags : { ...flags, update_leads: true },
    }));
  },
  authorize: (secret) => ({ authorization: `Key=${secret}` }),
  isError(kind, { status, text }, { path }) {
    // VICIdial's own call has users of its own, of whom there are none beside the demo tables, and answers in a line of text.
    if (path.includes("non_agent_api")) return text.startsWith("ERROR: ") && (kind !== "unavailable" || status === 503);
    const expected = (kind === "internal" && legacyFaults.get(path)) || statuses[kind];
    const { message, error } = JSON.parse(text);
    return status === expected && typeof (message ?? error) === "string";
  },
});

describe.each(ledgerDatabases)("VICIdial on $name", ({ open }) => {
  test.each(contract)("$name", async ({ check }) => {
    await using database = await open();
    await check(database.url);
  });
});
