import assert from "node:assert/strict";
import { listServedRoutes } from "../served-routes.ts";
import { type AnyTested, start } from "./tested-vendor.ts";

export async function checkDeclarations(tested: AnyTested, databaseUrl: string): Promise<void> {
  const { vendor } = tested;
  await using started = await start(tested, databaseUrl);
  const isBelow = (path: string, parent: string) => path === parent || path.startsWith(`${parent}/`);
  for (const [index, path] of vendor.paths.entries()) {
    assert.match(path, /^\/.*[^/]$/, `the path ${path} must begin with a slash and end without one`);
    const other = vendor.paths.find((other, at) => at !== index && isBelow(path, other));
    assert.equal(other, undefined, `the path ${path} is declared twice`);
  }
  const routes = listServedRoutes(started.instance.routes);
  assert.ok(routes.length > 0, "the vendor has no routes");
  for (const { method, path } of routes) {
    assert.ok(
      vendor.paths.some((declared) => isBelow(path, declared)),
      `the route ${method} ${path} is below none of the declared paths`,
    );
  }
  expectDistinct(routes, ({ method, path }) => `${method} ${path}`, "route");
  const { operations } = started.instance;
  expectDistinct(operations, ({ name, target }) => `${name} (${target})`, "operation");
  for (const { name, columns = [] } of operations) {
    assert.ok(name.startsWith(`${vendor.name}.`), `the name of the operation ${name} must begin with ${vendor.name}.`);
    expectDistinct(columns, (column) => column, `column of ${name}`);
  }
  for (const { name } of operations) {
    // The account that does not fit: none for a vendor with accounts, any for a vendor without.
    const account = vendor.accounts ? "" : "any";
    const check = started.host.batches.checkAccount({ operation: name, account });
    await assert.rejects(
      check,
      { code: "invalid_request" },
      `a batch of ${name} is taken with the account "${account}"`,
    );
  }
  for (const key of vendor.demo.keys) assert.equal(key.vendor, vendor.name, "a demo key is one of another vendor");
  expectDistinct(vendor.demo.keys, ({ secret }) => secret, "demo key");
}

function expectDistinct<Item>(items: readonly Item[], nameOf: (item: Item) => string, kind: string): void {
  const names = items.map(nameOf);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  assert.equal(twice, undefined, `the ${kind} ${twice} is declared twice`);
}
