import type { Host, Key } from "@reinstate/batch-core";
import {
  admitCalls,
  authenticate,
  cleanPath,
  cursorPage,
  findFlags,
  findFlagsInValue,
  parseInput,
  parseJsonBody,
  readBody,
  readSafetyFlags,
} from "@reinstate/batch-core/http";
import { type Context, Hono } from "hono";
import * as z from "zod";
import { answerError, apiError, writeError } from "./errors.ts";
import { operationNames, type Verb } from "../operations/operations.ts";
import type { AcmeSettings } from "../options.ts";
import { notFoundText } from "../widgets/rules.ts";
import { type ChangeReply, idsRequest, type WidgetId, type WidgetPage, widgetId } from "../schemas.ts";
import type { WidgetStore } from "../store/store.ts";

// FILL: what stands before every path of the vendor's API.
export const basePath = "/acme";

type Env = { Variables: { key: Key } };

const id = z.coerce.number().pipe(widgetId); // only with --ids integer
const id = widgetId; // only with --ids string
const listQuery = z.object({
  deleted: z.stringbool().default(false),
  after: id.optional(),
  limit: z.coerce.number().pipe(z.int().min(1).max(1000)).default(100),
});

/** The API at the vendor's own paths, on any host name. */
export function createRoutes(host: Host, store: WidgetStore, { bodyLimit, idLimit }: AcmeSettings): Hono<Env> {
  const routes = new Hono<Env>({ getPath: cleanPath });
  routes.onError((error, c) => answerError(error, { request: c.req.raw, log: host.log }, writeError));
  routes.notFound(() => writeError(apiError("not_found")));
  routes.use(admitCalls(host.admission));

  // FILL: how a caller shows its key.
  routes.use(async (c, next) => {
    const key = await authenticate(host.admission, c.req.raw, { vendor: "acme", form: "bearer" });
    if (!key) throw apiError("bad_key");
    c.set("key", key);
    // A call that supports no dry run must not pass for one.
    readSafetyFlags(
      { place: "header", fields: findFlags(c.req.raw.headers) },
      { place: "query", fields: findFlags(new URL(c.req.url).searchParams) },
    );
    await next();
  });

  async function readIds({ raw }: { raw: Request }): Promise<WidgetId[]> {
    const body = await parseJsonBody(await readBody(raw, bodyLimit));
    readSafetyFlags({ place: "body", fields: findFlagsInValue(body) });
    const { ids } = parseInput(idsRequest, body);
    if (ids.length > idLimit) throw apiError("invalid", `ids: must be at most ${idLimit}`);
    return ids;
  }

  const change = (verb: Verb) => async (c: Context<Env>) => {
    const { account, id: actor } = c.get("key");
    const items = await readIds(c.req);
    const batch = await host.batches.submit({ operation: operationNames[verb], account, items, actor, inline: true });
    const { items: failed } = await host.batches.items(batch.id, { outcome: "failed", limit: batch.total });
    const reply: ChangeReply = {
      changed: batch.counts.done,
      unchanged: batch.counts.skipped,
      not_found: failed.map(({ item }) => item as WidgetId),
    };
    return c.json(reply, 200, { "x-reinstate-batch": String(batch.id) });
  };

  // FILL: the vendor's own calls.
  routes.post(`${basePath}/widgets/restore`, change("restore"));
  routes.post(`${basePath}/widgets/delete`, change("delete"));
  routes.get(`${basePath}/widgets`, async (c) => {
    const { after, limit, deleted } = parseInput(listQuery, c.req.query());
    const page = { deleted, limit: limit + 1, ...(after !== undefined && { after }) };
    const { page: widgets, next } = cursorPage(await store.list(c.get("key").account, page), limit, ({ id }) => id);
    const reply: WidgetPage = { widgets, next };
    return c.json(reply);
  });
  routes.get(`${basePath}/widgets/:id`, async (c) => {
    const { id: wanted } = parseInput(z.object({ id }), c.req.param());
    const widget = await store.find(c.get("key").account, wanted);
    if (!widget) throw apiError("not_found", notFoundText(wanted));
    return c.json(widget);
  });
  return routes;
}
