import { startVendor } from "@reinstate/batch-core/testing";
import { expect, test } from "vitest";
import { createAcmeClient, VendorError } from "./client.ts";
import { acme } from "./vendor.ts";

const id = 1; // only with --ids integer
const id = "widget-1"; // only with --ids string

test("restores, lists and finds widgets", async () => {
  await using vendor = await startVendor(acme);
  const { widgets } = createAcmeClient({
    baseUrl: "https://acme.example",
    apiKey: "demo-acme-key",
    fetch: vendor.fetch,
  });
  expect(await widgets.restore([id])).toEqual({ changed: 1, unchanged: 0, not_found: [] });
  expect((await widgets.get(id)).deleted_at).toBeNull();
  expect((await widgets.list({ deleted: false, limit: 1 })).widgets).toMatchObject([{ id }]);
  expect(await widgets.delete([id])).toMatchObject({ changed: 1 });
});

test("throws what the vendor rejects, without the key", async () => {
  await using vendor = await startVendor(acme);
  const client = createAcmeClient({ baseUrl: "https://acme.example", apiKey: "a-wrong-key", fetch: vendor.fetch });
  const error = await client.widgets.get(id).catch((error: unknown) => error);
  if (!VendorError.is(error)) throw error;
  expect(error).toMatchObject({ kind: "rejected", status: 401, code: "bad_key" });
  expect(JSON.stringify([error, String(error)])).not.toContain("a-wrong-key");
});
