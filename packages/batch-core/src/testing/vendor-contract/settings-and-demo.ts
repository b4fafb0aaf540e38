import assert from "node:assert/strict";
import type * as z from "zod";
import type { Vendor } from "../../vendor/vendor.ts";
import { readContents } from "./contents.ts";
import { type AnyTested, runDemo, start } from "./tested-vendor.ts";

export function checkSettings(settings: Vendor["settings"]): void {
  const defaults = settings.parse({}) as Record<string, unknown>;
  for (const [name, value] of Object.entries(defaults)) {
    if (value === undefined) continue;
    const text = typeof value === "object" ? JSON.stringify(value) : String(value);
    assert.deepEqual(
      read(settings, { [name]: text }),
      defaults,
      `the setting ${name} does not read its default as text`,
    );
    if (typeof value !== "number") continue;
    for (const wrong of ["many", "", " 1"]) {
      assert.ok(!settings.safeParse({ [name]: wrong }).success, `the setting ${name} takes "${wrong}" for a number`);
    }
  }
  assert.ok(!settings.safeParse({ no_such_setting: "1" }).success, "a setting that does not exist is taken");
}

const read = (settings: z.ZodType, given: Record<string, string>) => {
  const parsed = settings.safeParse(given);
  return parsed.success ? parsed.data : parsed.error.issues;
};

export async function checkDemo(tested: AnyTested, databaseUrl: string): Promise<void> {
  await using started = await start(tested, databaseUrl);
  await runDemo(tested, started);
  const before = await readContents(started.host);
  await tested.vendor.demo.load(started.host, started.instance);
  assert.equal(await readContents(started.host), before, "a second load of the demo changes records");
}
