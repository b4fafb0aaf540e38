import assert from "node:assert/strict";
import { type AnyTested, runDemo, start } from "./tested-vendor.ts";

export async function checkUndo(tested: AnyTested, databaseUrl: string): Promise<void> {
  await using started = await start(tested, databaseUrl);
  const { host, instance } = started;
  for (const { name, target, opposite } of instance.operations) {
    if (!opposite) continue;
    const isFound = instance.operations.some((other) => other.name === opposite.operation && other.target === target);
    assert.ok(isFound, `the opposite of ${name} (${target}), ${opposite.operation}, is not an operation`);
  }
  const id = await runDemo(tested, started);
  const restored = await host.batches.get(id);
  if (!host.batches.operation(restored.operation).opposite) return;
  const undo = await host.batches.undo(id, { note: "contract" });
  assert.equal(undo.status, "stopped", "an undo runs before its resume");
  await host.batches.resume(undo.id);
  const { status, counts } = await host.batches.wait(undo.id);
  assert.equal(status, "completed", `the undo of the demo's batch is ${status}`);
  assert.deepEqual(counts, { ...counts, done: restored.counts.done, failed: 0 }, "an undo leaves items as they are");
}
