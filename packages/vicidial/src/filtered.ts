import { type Host, isFinished, messageOf, ReinstateError, type Submitted, takeIn } from "@reinstate/batch-core";
import { batchBody, problem, problemOf, readBody } from "@reinstate/batch-core/http";
import { Hono } from "hono";
import { type FilteredBatch, filteredBatch } from "./schemas.ts";
import { type LeadStore, MoveRefused, type Verb } from "./store.ts";

/**
 * Accepts a batch over all leads that the filter finds now: the list of their ids is frozen with it. Any number of them
 * passes through in pages. Throws `invalid_request` where the filter finds none.
 */
export async function submitFiltered(
  host: Host,
  store: LeadStore,
  { operation, filter, params, dry_run }: FilteredBatch,
  actor?: string,
): Promise<Submitted> {
  const verb = operation.slice("vicidial.leads.".length) as Verb;
  const encoder = new TextEncoder();
  let found = 0;
  async function* lines() {
    for await (const ids of store.select(verb, filter)) {
      found += ids.length;
      yield encoder.encode(`${ids.join("\n")}\n`);
    }
  }
  const intake = await takeIn(host.batches.operation(operation), lines(), { format: "ndjson" }).catch(
    (error: unknown) => {
      if (found > 0 || !ReinstateError.is(error, "invalid_request")) throw error;
      const issue = { path: "filter", message: "it finds no lead" };
      throw new ReinstateError("invalid_request", `${issue.path}: ${issue.message}`, { issues: [issue] });
    },
  );
  try {
    return await host.batches.submitIntake(
      {
        operation,
        params: { ...params, filter },
        ...(actor !== undefined && { actor }),
        ...(dry_run && { dryRun: true }),
      },
      intake,
    );
  } finally {
    intake.close();
  }
}

const bodyLimit = 64 * 1024;

/**
 * `POST /vicidial/batches` with an admin key, `{ operation, filter, params, dry_run? }`: a batch over what the filter finds
 * now. The answer names it; everything else about it is at `/v1/batches/{id}`.
 */
export function createFilteredRoute(
  host: Host,
  submit: (batch: FilteredBatch, actor: string) => Promise<Submitted>,
): Hono {
  const routes = new Hono();
  routes.post("/vicidial/batches", async (c) => {
    const secret = /^Bearer +(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
    const key = secret === undefined ? undefined : await host.keys.find("admin", secret);
    if (!key) {
      return problem(401, "unauthorized", "This needs the header Authorization: Bearer <admin key>", {
        headers: { "www-authenticate": "Bearer" },
      });
    }
    try {
      const batch = await submit(parsed(new TextDecoder().decode(await readBody(c.req.raw, bodyLimit))), key.id);
      const headers = { location: `/v1/batches/${batch.id}`, "x-reinstate-batch": String(batch.id) };
      return c.json(batchBody(batch), isFinished(batch.status) ? 201 : 202, headers);
    } catch (error) {
      const known = problemOf(error);
      if (known) return known;
      host.log.error({ error: messageOf(error) }, "a batch by filter was not accepted");
      if (MoveRefused.is(error)) return problem(409, "tables-refused", error.message);
      return problem(503, "not-available", messageOf(error), { headers: { "retry-after": "5" } });
    }
  });
  return routes;
}

function parsed(text: string): FilteredBatch {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch (error) {
    throw new ReinstateError("invalid_request", `The body is not JSON: ${messageOf(error)}`);
  }
  const read = filteredBatch.safeParse(given);
  if (read.success) return read.data;
  const issues = read.error.issues.map(({ path, message }) => ({ path: path.join("."), message }));
  throw new ReinstateError("invalid_request", `${issues[0]?.path}: ${issues[0]?.message}`, { issues });
}
