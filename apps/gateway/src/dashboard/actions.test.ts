import { describe, expect, test } from "vitest";
import { readHidden, signIn } from "../testing/dashboard-client.ts";
import { openDemoGateway } from "../testing/demo-gateway.ts";
import { shelf, unknownBook } from "../testing/shelf.ts";

/** Opens a gateway with an ended batch of five books: two done, one skipped, one failed, one unknown. */
async function open() {
  const gateway = await openDemoGateway("sqlite::memory:", { REINSTATE_SHELF_PAUSE_MS: "0" }, [shelf]);
  const client = await signIn(gateway);
  const { batches } = gateway.host;
  await batches.submit({
    operation: "shelf.books.restore",
    params: { notify: true, reason: "autumn" },
    items: [1, 2, 3, 250, unknownBook],
    note: "ticket 7",
  });
  await batches.wait(1);
  const read = async (path = "/batches/1") => (await client.get(path)).text();
  const act = async (verb: string, fields: Record<string, string>) => {
    const answer = await client.post(`/batches/1/${verb}`, { key: readHidden(await read(), "key"), ...fields });
    return answer.status;
  };
  return Object.assign(gateway, { client, read, act, batches });
}

const toText = (page: string) => page.replace(/<[^>]*>/g, " ").replace(/\s+/g, " ");

describe("the page of a batch", () => {
  test("shows counts, codes, history and details", async () => {
    await using gateway = await open();
    const text = toText(await gateway.read());
    for (const part of [
      "Batch 1 · The shelf · 5 books",
      "Done 2 40 % Skipped 1 20 % Failed 1 20 % Unknown 1 20 % Waiting 0 Total 5",
      "Generation 0",
      "on_shelf 1 20 % The book is on the shelf",
      "not_found 1 20 % There is no book 250",
      "no_answer",
      "created",
      "ticket 7",
      "reason &quot;autumn&quot;",
      "notify true",
      "Dry run No",
    ]) {
      expect(text).toContain(part);
    }
  });

  test("lists items by outcome and code, with their number", async () => {
    await using gateway = await open();
    const text = toText(await gateway.read("/batches/1/items?outcome=failed&code=not_found"));
    expect(text).toContain("1 of 5 items");
    expect(text).toContain("250 failed not_found There is no book 250");
    expect(text).not.toContain("on_shelf");
    expect((await gateway.client.get("/batches/1/items?outcome=lost")).status).toBe(422);
    expect((await gateway.client.get("/batches/1/items?cursor=x")).status).toBe(422);
  });

  test("marks unknown items by the word of an operator", async () => {
    await using gateway = await open();
    expect(toText(await gateway.read())).toContain("1 with an unknown outcome");
    expect(await gateway.act("mark", { as: "done" })).toBe(422);
    expect(await gateway.act("mark", { as: "lost", note: "seen" })).toBe(422);
    expect(await gateway.act("mark", { as: "done", note: "It stands in row 7" })).toBe(303);
    expect(await gateway.batches.get(1)).toMatchObject({ counts: { done: 3, unknown: 0 } });
    const text = toText(await gateway.read());
    expect(text).toContain("It stands in row 7");
    expect(text).not.toContain("unknown outcome");
  });

  test("looks again at unknown items", async () => {
    await using gateway = await open();
    expect(await gateway.act("reexamine", {})).toBe(303);
    expect(await gateway.batches.wait(1)).toMatchObject({ counts: { done: 3, unknown: 0 }, generation: 1 });
  });

  test("retries one code once, however often the form is sent", async () => {
    await using gateway = await open();
    const key = readHidden(await gateway.read(), "key");
    const forms = [1, 2].map(() =>
      gateway.client.post("/batches/1/retry", { key, code: "not_found", note: "found it" }),
    );
    expect((await Promise.all(forms)).map(({ status }) => status)).toEqual([303, 303]);
    await gateway.batches.wait(1);
    const again = await gateway.client.post("/batches/1/retry", { key, code: "not_found", note: "found it" });
    expect(again.status).toBe(303);
    expect(await gateway.batches.get(1)).toMatchObject({ generation: 1 });
    expect((await gateway.batches.history(1)).filter(({ verb }) => verb === "retried")).toMatchObject([
      { note: "found it", code: "not_found", items: 1 },
    ]);
  });

  test("shows why an action is impossible", async () => {
    await using gateway = await open();
    const answer = await gateway.client.post("/batches/1/stop", { key: "00000000-0000-4000-8000-000000000000" });
    expect(answer.status).toBe(409);
    const text = toText(await answer.text());
    expect(text).toContain("Batch 1 is completed and cannot be stopped");
    expect(text).toContain("Batch 1 ");
  });
});

describe("keys", () => {
  test("shows a new secret once, and revokes a key", async () => {
    await using gateway = await open();
    const page = await gateway.read("/keys");
    const fields = { key: readHidden(page, "key"), vendor: "admin", name: "Auditor", options: "access=read" };
    const created = await gateway.client.post("/keys", fields);
    const [secret = ""] = /rik_[\w-]+/.exec(await created.text()) ?? [];
    const key = await gateway.host.keys.find("admin", secret);
    expect(key).toMatchObject({ name: "Auditor", options: { access: "read" } });
    expect(await gateway.read("/keys")).not.toContain(secret);
    // A reload of the answer sends the form again.
    expect((await gateway.client.post("/keys", fields)).status).toBe(303);
    expect((await gateway.host.keys.list()).filter(({ name }) => name === "Auditor")).toHaveLength(1);
    expect((await gateway.client.post(`/keys/${key?.id}/revoke`)).status).toBe(303);
    expect(await gateway.host.keys.find("admin", secret)).toBeUndefined();
  });

  test.each([
    [{ vendor: "unknown" }, "is not one of the list"],
    [{ vendor: "firstpromoter" }, "is required for FirstPromoter"],
    [{ vendor: "admin", account: "a" }, "must be empty"],
    [{ vendor: "admin", options: "access=all" }, "known: access"],
    [{ vendor: "admin", options: "access" }, "must be lines such as access=read"],
    [{ vendor: "admin", name: "x".repeat(256) }, "at most 255 characters"],
  ])("rejects %j with the way out", async (fields, text) => {
    await using gateway = await open();
    const before = await gateway.host.keys.list();
    const key = readHidden(await gateway.read("/keys"), "key");
    const answer = await gateway.client.post("/keys", { key, ...(fields as Record<string, string>) });
    expect(answer.status).toBe(422);
    expect(await answer.text()).toContain(text);
    expect(await gateway.host.keys.list()).toEqual(before);
  });
});

describe("a batch from a batch", () => {
  test("links to the other one, and back", async () => {
    await using gateway = await open();
    expect(await gateway.act("undo", { note: "wrong list" })).toBe(303);
    const undo = await gateway.read("/batches/2");
    expect(undo).toContain('<dt>Undoes</dt><dd><a href="/batches/1">batch 1</a>');
    expect(toText(await gateway.read())).toContain("undo prepared as batch 2 by demo wrong list");
  });
});

describe("the search for an item", () => {
  test("lists every batch with the item, newest first", async () => {
    await using gateway = await open();
    await gateway.batches.submit({
      operation: "shelf.books.restore",
      params: { notify: true },
      items: [250, 251],
      dryRun: true,
    });
    await gateway.batches.wait(2);
    const path = "/find?operation=shelf.books.restore%40local&item=";
    const text = toText(await gateway.read(`${path}250`));
    expect(text).toMatch(
      /2 Restore books dry run failed not_found There is no book 250 .* 1 Restore books failed not_found/,
    );
    expect(await gateway.read(`${path}77`)).toContain("Not in any batch");
    const answer = await gateway.client.get(`${path}x`);
    expect(answer.status).toBe(422);
    expect(toText(await answer.text())).toContain("item");
  });
});

describe("the list of batches", () => {
  test("filters by the URL and searches a rare match in windows", async () => {
    await using gateway = await open();
    const { batches } = gateway.host;
    for (let count = 0; count < 30; count++) {
      await batches.submit({ operation: "firstpromoter.promoters.restore", account: "acc_demo", items: [1] });
    }
    const list = await gateway.read("/batches");
    expect(list.match(/<th scope="row">/g)).toHaveLength(25);
    const [, older = ""] = /rel="next" href="([^"]*)"/.exec(list) ?? [];
    expect((await gateway.read(older.replaceAll("&amp;", "&"))).match(/<th scope="row">/g)).toHaveLength(6);
    const rare = await gateway.read("/batches?operation=shelf.books.restore");
    expect(rare.match(/<th scope="row">/g)).toHaveLength(1);
    expect(await gateway.read("/batches?status=stopped")).toContain("No batch matches");
    expect((await gateway.client.get("/batches?number=1")).headers.get("location")).toBe("/batches/1");
    expect((await gateway.client.get("/batches?number=99")).status).toBe(422);
    gateway.host.batches.get = async () => Promise.reject(Object.assign(new Error("gone"), { code: "ECONNREFUSED" }));
    expect((await gateway.client.get("/batches?number=1")).status).toBe(503);
    expect((await gateway.client.get("/batches?status=lost")).status).toBe(422);
  });
});
