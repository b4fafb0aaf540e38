import { describe, expect, test } from "vitest";
import { readHidden, signIn } from "../testing/dashboard-client.ts";
import { openDemoGateway } from "../testing/demo-gateway.ts";
import { shelf } from "../testing/shelf.ts";

const restore = "shelf.books.restore@local";

/** Opens a gateway with a shelf, and a browser that is signed in. */
async function open(operation = restore) {
  const gateway = await openDemoGateway("sqlite::memory:", { REINSTATE_SHELF_PAUSE_MS: "0" }, [shelf]);
  const client = await signIn(gateway);
  const page = await (await client.get(`/batches/new?operation=${encodeURIComponent(operation)}`)).text();
  const key = readHidden(page, "key");
  return Object.assign(gateway, {
    client,
    page,
    /** Sends the form with pasted items, or with a file. */
    submit(input: { items?: string; file?: string | Uint8Array; name?: string }, fields: Record<string, string> = {}) {
      const form = new FormData();
      const all = { key, operation, "param.notify": "true", items: input.items ?? "", ...fields };
      for (const [name, value] of Object.entries(all)) form.set(name, value);
      // A browser sends an empty file if none is chosen.
      form.set("file", new File(input.file === undefined ? [] : [input.file as string], input.name ?? ""));
      if (input.file !== undefined) form.set("file", new File([input.file as string], input.name ?? "ids"));
      return client.post("/batches/new", form);
    },
    list: () => gateway.host.batches.list({ limit: 500 }),
    async items(id: number) {
      const found: unknown[] = [];
      for await (const { item } of gateway.host.batches.everyItem(id)) found.push(item);
      return found;
    },
  });
}

const utf16 = (text: string) => Buffer.from(`\ufeff${text}`, "utf16le");

describe("a new batch", () => {
  test.each([
    ["ids on lines", { items: "1\n2\n3\n3" }],
    ["ids with commas", { items: "1, 2,3 3" }],
    ["ids on lines of Windows", { file: "1\r\n2\r\n3\r\n3\r\n" }],
    ["a list", { file: "[1, 2,\n3, 3]", name: "ids.json" }],
    ["a table with a header", { file: "book_id\n1\n2\n3\n3\n", name: "ids.csv" }],
    ["a table with quotes and semicolons", { file: 'title;"book_id"\n"a;b";1\nc;2\nd;3\ne;"3"' }],
    ["a table with tabs", { file: "title\tbook_id\na\t1\nb\t2\nc\t3\nd\t3\n", name: "ids.tsv" }],
    ["a pasted table", { items: "book_id,title\n1,a\n2,b\n3,c\n3,d" }],
    ["a byte order mark", { file: "\ufeffid\n1\n2\n3\n3\n" }],
    ["UTF-16", { file: utf16("id\n1\n2\n3\n3\n") }],
  ])("reads %s", async (_form, input) => {
    await using gateway = await open();
    const answer = await gateway.submit(input);
    expect([answer.status, answer.headers.get("location")]).toEqual([303, "/batches/1"]);
    const [batch] = await gateway.list();
    expect(batch).toMatchObject({ dryRun: true, total: 3, duplicates: 1, params: { notify: true } });
    expect(await gateway.items(1)).toEqual([1, 2, 3]);
  });

  test("shows invalid lines by number and creates nothing", async () => {
    await using gateway = await open();
    const lines = Array.from({ length: 300 }, (_, index) => (index === 0 ? "book_id" : index % 2 ? `${index}` : "x"));
    const answer = await gateway.submit({ file: lines.join("\n"), name: "ids.csv" });
    expect(answer.status).toBe(422);
    const page = await answer.text();
    expect(page).toContain("<b>line 3</b>");
    const shown = page.match(/<li><b>line \d+/g) ?? [];
    expect(shown.length).toBeGreaterThan(50);
    expect(shown.length).toBeLessThanOrEqual(100);
    expect(await gateway.list()).toEqual([]);
  });

  test.each([
    ["no items", {}, {}, "are missing"],
    ["two sources", { items: "1", file: "2\n" }, {}, "keep one of them"],
    ["a broken list", { file: "[1,2" }, {}, "ends within its JSON array"],
    ["a wrong param", { items: "1" }, { "param.reason": "x".repeat(201) }, "200 characters"],
    ["an unknown operation", { items: "1" }, { operation: "shelf.books.burn@local" }, "is not known here"],
    ["no form key", { items: "1" }, { key: "" }, "load the page again"],
  ])("rejects %s with the way out", async (_what, input, fields, text) => {
    await using gateway = await open();
    const answer = await gateway.submit(input, fields);
    expect(answer.status).toBe(422);
    expect(await answer.text()).toContain(text);
    expect(await gateway.list()).toEqual([]);
  });

  test("keeps what was entered after a fault", async () => {
    await using gateway = await open();
    const answer = await gateway.submit({ items: "1\nx\n3" }, { "param.reason": "<b>spring</b>" });
    const page = await answer.text();
    expect(page).toMatch(/>1\r?\nx\r?\n3<\/textarea>/);
    expect(page).toContain('value="&lt;b&gt;spring&lt;/b&gt;"');
  });

  test("creates one batch of a form that is sent 100 times", async () => {
    await using gateway = await open();
    const answers = await Promise.all(Array.from({ length: 60 }, () => gateway.submit({ items: "1\n2" })));
    for (let repeat = 0; repeat < 40; repeat++) answers.push(await gateway.submit({ items: "1\n2" }));
    const places = answers.map(({ status, headers }) => `${status} ${headers.get("location")}`);
    expect(new Set(places)).toEqual(new Set(["303 /batches/1"]));
    expect(await gateway.list()).toHaveLength(1);

    await gateway.host.batches.wait(1);
    const preview = await (await gateway.client.get("/batches/1")).text();
    expect(preview).toContain("Restore 2 books");
    const key = readHidden(preview, "key");
    const runs = await Promise.all(Array.from({ length: 60 }, () => gateway.client.post("/batches/1/run", { key })));
    for (let repeat = 0; repeat < 40; repeat++) runs.push(await gateway.client.post("/batches/1/run", { key }));
    expect(new Set(runs.map(({ headers }) => headers.get("location")))).toEqual(new Set(["/batches/2"]));
    expect(await gateway.list()).toMatchObject([{ id: 2, dryRun: false, fromBatch: 1 }, { id: 1 }]);
  });

  test("asks for the number above 10,000 items", async () => {
    await using gateway = await open();
    await gateway.submit({ file: Array.from({ length: 12_000 }, (_, index) => index + 1).join("\n") });
    await gateway.host.batches.wait(1);
    const page = await (await gateway.client.get("/batches/1")).text();
    expect(page).toContain("Restore 11,532 books");
    expect(page).toMatch(/Type <b>11,532<\/b> to confirm/);
    const key = readHidden(page, "key");
    for (const confirm of ["", "11533", "x"]) {
      expect((await gateway.client.post("/batches/1/run", { key, confirm })).status).toBe(422);
    }
    expect(await gateway.list()).toHaveLength(1);
    expect((await gateway.client.post("/batches/1/run", { key, confirm: "11,532" })).status).toBe(303);
  });

  test("prepares a batch of an operation without a dry run", async () => {
    await using gateway = await open("shelf.books.relabel@local");
    expect(gateway.page).toContain("Check and prepare");
    expect((await gateway.submit({ items: "1\n2" })).status).toBe(303);
    expect(await gateway.list()).toMatchObject([{ status: "stopped", dryRun: false, counts: { done: 0 } }]);
    const page = await (await gateway.client.get("/batches/1")).text();
    expect(page).toContain("Relabel 2 books");
    await gateway.client.post("/batches/1/resume", { key: readHidden(page, "key") });
    await gateway.host.batches.wait(1);
    expect(await gateway.list()).toMatchObject([{ status: "completed", counts: { done: 2 } }]);
  });

  test("prepares the undo of a batch as a new one", async () => {
    await using gateway = await open();
    const { batches } = gateway.host;
    await batches.submit({ operation: "shelf.books.restore", params: { notify: false }, items: [1, 2, 250] });
    await batches.wait(1);
    const page = await (await gateway.client.get("/batches/1")).text();
    expect(page).toContain("Prepare the undo of 2");
    const key = readHidden(page, "key");
    const answers = await Promise.all(
      [1, 2].map(() => gateway.client.post("/batches/1/undo", { key, note: "wrong list" })),
    );
    expect(answers.map(({ headers }) => headers.get("location"))).toEqual(["/batches/2", "/batches/2"]);
    expect(await gateway.list()).toMatchObject([
      { operation: "shelf.books.archive", status: "stopped", undoOf: 1, total: 2 },
      {},
    ]);
    const prepared = await (await gateway.client.get("/batches/2")).text();
    expect(prepared).toContain("Archive 2 books");
    expect(prepared).toContain("wrong list");
  });
});
