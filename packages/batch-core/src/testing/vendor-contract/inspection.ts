import assert from "node:assert/strict";
import { vendorInspection } from "../../vendor/inspection.ts";
import { createInspector } from "../../vendor/inspector.ts";
import { type AnyTested, start } from "./tested-vendor.ts";

export async function checkInspection(tested: AnyTested, databaseUrl: string): Promise<void> {
  const { vendor } = tested;
  await using started = await start(tested, databaseUrl);
  const { host, instance } = started;
  assert.ok(instance.inspect, "the vendor has no inspect");
  const [found] = await createInspector([{ vendor, instance }], host).inspect();
  assert.equal(found?.fault, undefined, `the inspection fails: ${found?.fault}`);
  const read = vendorInspection.safeParse(found?.inspection);
  assert.ok(read.success, `the inspection is not of its schema: ${read.error?.message}`);
  const { targets } = read.data;
  for (const target of ["local", "upstream"] as const) {
    const isInspected = targets.some((inspected) => inspected.target === target);
    const hasOperations = instance.operations.some((operation) => operation.target === target);
    assert.equal(isInspected, hasOperations, `the target ${target} is inspected, or has operations, but not both`);
  }
  const [unreachable] = targets.filter(({ target, reachable }) => target === "local" && !reachable);
  assert.equal(unreachable, undefined, `our own records cannot be reached: ${unreachable?.message}`);
  const secrets = vendor.demo.keys.map(({ secret }) => secret);
  const text = JSON.stringify(read.data);
  const shown = secrets.find((secret) => text.includes(secret));
  assert.equal(shown, undefined, "the inspection shows a key");
  for (const { address } of targets) {
    assert.doesNotMatch(address, /\/\/[^/]*@|\?/, "the inspection shows the user or the query of an address");
  }
}
