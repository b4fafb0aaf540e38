import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { defineShelf, type ShelfFault, shelfStatuses } from "./shelf.test.fixture.ts";
import { vendorContract } from "./vendor-contract.ts";

const makeContract = (fault?: ShelfFault) =>
  vendorContract({
    vendor: defineShelf(fault),
    calls: ({ path }) => [{ path: path.replace(":id", "1"), ...(path.endsWith("restore") && { body: { ids: [2] } }) }],
    authorize: (secret, account) => ({ authorization: `Bearer ${secret}`, account }),
    isError: (kind, { status, text }) => status === shelfStatuses[kind] && text === `{"error":"${kind}"}`,
    shown: "Title own",
    importedLine: '{"id":9,"title":"Imported"}',
  });

describe.each(ledgerDatabases)("a sound vendor on $name", ({ open }) => {
  test.each(makeContract())("$name", async ({ check }) => {
    await using database = await open();
    await check(database.url);
  });
});

describe("a vendor that breaks a promise is found if it", () => {
  const settings = "reads settings from texts and rejects unknown ones";
  const demo = "loads its demo once and restores by its curl";
  const undo = "undoes what its demo has restored";
  const inspection = "inspects its targets and shows no secret";
  const declarations = "declares each path, route and operation once";
  const errors = "reports errors in its own form on every route";
  const flags = "rejects an unclear safety flag on every change";
  const accounts = "keeps accounts apart on every route";
  const imports = "imports good lines and reports every bad one";

  const faults: [ShelfFault, string, RegExp][] = [
    ["takes unknown settings", settings, /does not exist is taken/],
    ["reads no number from text", settings, /limit does not read its default/],
    ["reads numbers with white space", settings, /limit takes " 1" for a number/],
    ["loads its demo twice", demo, /second load of the demo/],
    ["prints a call that restores nothing", demo, /restores nothing/],
    ["prints a call with a wrong key", demo, /answered with 401/],
    ["reports no batch", demo, /has no X-Reinstate-Batch/],
    [
      "names an opposite that it does not have",
      undo,
      /opposite of shelf\.books\.restore \(local\), shelf\.books\.burn/,
    ],
    ["undoes nothing", undo, /leaves items as they are/],
    ["has no inspection", inspection, /has no inspect/],
    ["inspects nothing", inspection, /target local is inspected, or has operations, but not both/],
    ["shows a password", inspection, /shows the user or the query of an address/],
    ["never ends its inspection", inspection, /no answer within 2 s/],
    ["declares a path below another", declarations, /path \/shelf\/books is declared twice/],
    ["serves a path that it does not declare", declarations, /\/rack\/books\/:id is below none/],
    ["serves a route twice", declarations, /route GET \/shelf\/books\/:id is declared twice/],
    ["declares an operation twice", declarations, /operation shelf\.books\.restore \(local\) is declared twice/],
    ["names an operation after another vendor", declarations, /must begin with shelf\./],
    ["declares no accounts", declarations, /taken with the account ""/],
    ["has a demo key of another vendor", declarations, /one of another vendor/],
    ["rejects a key as plain text", errors, /error unauthorized is not in the vendor's form: 401 no/],
    ["takes keys of other vendors", errors, /error unauthorized is not in the vendor's form: 200/],
    ["answers unknown paths as plain text", errors, /error not_found is not in the vendor's form: 404/],
    ["lets calls in beyond the limits", errors, /error too_many_requests is not in the vendor's form/],
    ["names no time for a retry", errors, /has no Retry-After/],
    ["shows the text of a fault", errors, /is not in the vendor's form/],
    ["logs no fault", errors, /a fault is not logged/],
    ["changes records before it checks the key", errors, /answered with an error changes records/],
    ["ignores safety flags", flags, /dry_run=perhaps: the safety flag is not rejected: 200/],
    ["shows books of another account", accounts, /another account sees the records/],
    ["changes books of another account", accounts, /another account changes the records/],
    ["lets a key into another account", accounts, /let into another account/],
    ["knows every account", accounts, /hasAccount/],
    ["imports nothing", imports, /does not store/],
    ["fails at the first bad line", imports, /is not JSON/],
    ["reports blank lines", imports, /reports other lines/],
  ];

  test.each(faults)("%s", async (fault, promise, message) => {
    const { check } = makeContract(fault).find(({ name }) => name === promise) as ReturnType<
      typeof makeContract
    >[number];
    await expect(check("sqlite::memory:")).rejects.toThrow(message);
  });
});
