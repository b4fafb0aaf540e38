import { Hono } from "hono";
import { sql } from "kysely";
import * as z from "zod";
import { defineFlagOperation } from "../../flags/flag-operation.ts";
import { createFlagStore } from "../../flags/flag-store.ts";
import type { Host } from "../../host.ts";
import {
  type ApiError,
  admitCalls,
  cleanPath,
  defineErrors,
  findFlags,
  parseJson,
  readCredentials,
  readSafetyFlags,
} from "../../http/index.ts";
import { readRecords } from "../../intake/read-records.ts";
import { wholeNumber } from "../../settings/number-setting.ts";
import { inspectHostDatabase, type VendorInspection } from "../../vendor/inspection.ts";
import { defineVendor, type ImportRequest } from "../../vendor/vendor.ts";

/** The promise that this vendor of books breaks; undefined if it keeps all. */
export type ShelfFault =
  | "takes unknown settings"
  | "reads no number from text"
  | "reads numbers with white space"
  | "loads its demo twice"
  | "prints a call that restores nothing"
  | "prints a call with a wrong key"
  | "reports no batch"
  | "names an opposite that it does not have"
  | "undoes nothing"
  | "has no inspection"
  | "inspects nothing"
  | "shows a password"
  | "never ends its inspection"
  | "declares a path below another"
  | "serves a path that it does not declare"
  | "serves a route twice"
  | "declares an operation twice"
  | "names an operation after another vendor"
  | "declares no accounts"
  | "has a demo key of another vendor"
  | "rejects a key as plain text"
  | "takes keys of other vendors"
  | "answers unknown paths as plain text"
  | "lets calls in beyond the limits"
  | "names no time for a retry"
  | "shows the text of a fault"
  | "logs no fault"
  | "changes records before it checks the key"
  | "ignores safety flags"
  | "shows books of another account"
  | "changes books of another account"
  | "lets a key into another account"
  | "knows every account"
  | "imports nothing"
  | "fails at the first bad line"
  | "reports blank lines";

const statuses = {
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  invalid: 422,
  too_many_requests: 429,
  unavailable: 503,
  internal: 500,
};
export type ShelfError = keyof typeof statuses;

export const shelfStatuses: Record<ShelfError, number> = statuses;

const { apiError, answerError } = defineErrors<Exclude<ShelfError, "unavailable" | "internal">>({
  vendor: "shelf",
  codes: { invalid_request: "invalid", overloaded: "unavailable", too_many_requests: "too_many_requests" },
});

/** A small vendor whose books are removed and restored, with one fault. */
export function defineShelf(fault?: ShelfFault) {
  const has = (other: ShelfFault) => fault === other;
  const limit = has("reads no number from text")
    ? z.int()
    : has("reads numbers with white space")
      ? z.coerce.number().min(1)
      : wholeNumber({ least: 1, most: 10 });
  const shape = { limit: limit.default(5) };
  const settings = has("takes unknown settings") ? z.object(shape) : z.strictObject(shape);
  const wrongKey = has("prints a call with a wrong key") ? "wrong" : "shelf-demo";
  return defineVendor({
    name: "shelf",
    label: "Shelf",
    accounts: true,
    paths: has("declares a path below another") ? ["/shelf", "/shelf/books"] : ["/shelf"],
    settings: settings as z.ZodObject,
    create: (host) => createShelf(host, has),
    import: { formats: ["ndjson"], run: (host, _, source, request) => importBooks(host, source, request, has) },
    demo: {
      keys: [
        { vendor: "shelf", account: "own", secret: "shelf-demo" },
        {
          vendor: has("has a demo key of another vendor") ? "admin" : "shelf",
          account: "other",
          secret: "shelf-other",
        },
      ],
      async load(host) {
        const db = host.database.tables();
        const { rows } = await sql`select id from shelf_books limit 1`.execute(db);
        if (rows.length > 0 && !has("loads its demo twice")) return;
        for (const [id, account, removed] of [
          [1, "own", 5],
          [2, "own", 5],
          [3, "other", 5],
        ] as const) {
          await sql`delete from shelf_books where id = ${id}`.execute(db);
          await sql`insert into shelf_books values (${id}, ${account}, ${`Title ${account}`}, ${removed}, null, 1)`.execute(
            db,
          );
        }
      },
      curl: (baseUrl) =>
        `curl -X POST ${baseUrl}/shelf/books/restore -H 'Authorization: Bearer ${wrongKey}' -H "Account: own" ` +
        `-d '{"ids":[${has("prints a call that restores nothing") ? 9 : 1}]}'`,
    },
  });
}

type Has = (fault: ShelfFault) => boolean;

async function createShelf(host: Host, has: Has) {
  await host.database.migrate("shelf", {
    "0001_books": async (db) =>
      void (await sql`create table shelf_books (id bigint primary key, account text not null, title text not null,
        removed_at bigint, removed_batch bigint, updated_at bigint not null)`.execute(db)),
  });
  const flags = createFlagStore<number>(host.database, {
    table: "shelf_books",
    flag: "removed_at",
    batch: "removed_batch",
    touched: "updated_at",
  });
  const restore = defineFlagOperation({
    name: has("names an operation after another vendor") ? "library.books.restore" : "shelf.books.restore",
    label: "book/restore",
    item: z.int(),
    params: z.strictObject({}),
    opposite: {
      operation: has("names an opposite that it does not have") ? "shelf.books.burn" : "shelf.books.remove",
      params: () => ({}),
    },
    clock: host.clock,
    change: async ({ account, items, transaction }, now) => {
      if (has("changes books of another account") && account !== "own")
        await flags.clear("own", items, now, transaction);
      return flags.clear(account, items, now, transaction);
    },
    unchanged: "not_removed",
    notFound: (id) => `Book ${id} not found`,
  });
  const remove = defineFlagOperation({
    name: "shelf.books.remove",
    label: "book/remove",
    item: z.int(),
    params: z.strictObject({}),
    opposite: { operation: restore.name, params: () => ({}) },
    clock: host.clock,
    change: ({ account, items, transaction, batchId }, now) =>
      has("undoes nothing")
        ? Promise.resolve({ changed: [], unchanged: items })
        : flags.set(account, items, now, transaction, batchId),
    unchanged: "removed_already",
    notFound: (id) => `Book ${id} not found`,
  });
  host.register(restore, remove);
  const hasAccount = async (account: string) => {
    const { rows } = await sql`select id from shelf_books where account = ${account}`.execute(host.database.tables());
    return rows.length > 0 || has("knows every account");
  };
  if (!has("declares no accounts")) host.declareAccounts({ vendor: "shelf", label: "Shelf", hasAccount });
  return {
    routes: createRoutes(host, restore.name, has),
    operations: has("declares an operation twice") ? [restore, restore, remove] : [restore, remove],
    hasAccount,
    ...(!has("has no inspection") && { inspect: () => inspectShelf(host, has) }),
  };
}

async function inspectShelf(host: Host, has: Has): Promise<VendorInspection> {
  if (has("never ends its inspection")) return new Promise(() => {});
  const inspection = await inspectHostDatabase(host);
  if (has("inspects nothing")) return { ...inspection, targets: [] };
  const address = "postgres://shelf:secret@127.0.0.1/shelf";
  return has("shows a password")
    ? { ...inspection, targets: inspection.targets.map((target) => ({ ...target, address })) }
    : inspection;
}

function createRoutes(host: Host, operation: string, has: Has) {
  const db = host.database.tables();
  const log = has("logs no fault") ? { ...host.log, error() {} } : host.log;
  const routes = new Hono<{ Variables: { account: string } }>({ getPath: cleanPath });

  function write({ kind, headers }: ApiError): Response {
    const status = statuses[kind as ShelfError];
    if (kind === "unauthorized" && has("rejects a key as plain text")) return new Response("no", { status });
    const retry: Record<string, string> = has("names no time for a retry") ? {} : { "retry-after": "5", ...headers };
    return Response.json({ error: kind }, { status, headers: status === 503 || status === 429 ? retry : {} });
  }

  routes.onError((error, c) => {
    if (has("shows the text of a fault"))
      return Response.json({ error: "internal", text: error.message }, { status: 500 });
    return answerError(error, { request: c.req.raw, log }, write);
  });
  if (!has("answers unknown paths as plain text")) routes.notFound(() => write(apiError("not_found")));
  if (!has("lets calls in beyond the limits")) routes.use(admitCalls(host.admission));
  routes.use(async (c, next) => {
    if (has("changes records before it checks the key"))
      await sql`update shelf_books set updated_at = updated_at + 1`.execute(db);
    const secret = readCredentials(c.req.raw, "bearer")?.secret ?? "";
    const key =
      (await host.admission.findKey(c.req.raw, "shelf", secret)) ??
      (has("takes keys of other vendors") ? await host.keys.find("not-shelf", secret) : undefined);
    if (!key) throw apiError("unauthorized");
    const { searchParams } = new URL(c.req.url);
    if (!has("ignores safety flags")) readSafetyFlags({ place: "query", fields: findFlags(searchParams) });
    const account = c.req.header("account") ?? "";
    if (account !== key.account && !has("lets a key into another account")) throw apiError("forbidden");
    c.set("account", account);
    await next();
  });
  const find = async (id: string, account: string) => {
    const { rows } = await sql`select id, account, title from shelf_books
      where id = ${Number(id)} and (account = ${account} or ${has("shows books of another account") ? 1 : 0} = 1)`.execute(
      db,
    );
    return rows[0];
  };
  const bookRoute = has("serves a path that it does not declare") ? "/rack/books/:id" : "/shelf/books/:id";
  for (let times = has("serves a route twice") ? 2 : 1; times > 0; times--) {
    routes.get(bookRoute, async (c) => {
      const book = await find(c.req.param("id"), c.get("account"));
      if (!book) throw apiError("not_found");
      return c.json(book);
    });
  }
  routes.post("/shelf/books/restore", async (c) => {
    const { ids } = z.object({ ids: z.array(z.int()) }).parse(parseJson(await c.req.text()));
    const { id, counts } = await host.batches.submit({
      operation,
      account: c.get("account"),
      items: ids,
      inline: true,
    });
    return c.json({ restored: counts.done }, 200, has("reports no batch") ? {} : { "x-reinstate-batch": String(id) });
  });
  return routes;
}

async function importBooks(
  { database }: Host,
  source: AsyncIterable<Uint8Array>,
  { account, onRefused }: ImportRequest,
  has: Has,
) {
  const counts = { imported: 0, refused: 0 };
  const book = z.object({ id: z.int(), title: z.string() });
  if (has("reports blank lines")) onRefused({ line: 1, message: "is blank" });
  for await (const rows of readRecords(source, { format: "ndjson" })) {
    for (const row of rows) {
      const read = row.fault === undefined ? book.safeParse(row.value) : undefined;
      if (read?.success) {
        const { id, title } = read.data;
        if (!has("imports nothing")) {
          await sql`insert into shelf_books values (${id}, ${account}, ${title}, null, null, 1)`.execute(
            database.tables(),
          );
        }
        counts.imported++;
      } else {
        if (has("fails at the first bad line")) throw new Error(row.fault);
        onRefused({ line: row.line, message: row.fault ?? "is not a book" });
        counts.refused++;
      }
    }
  }
  return counts;
}
