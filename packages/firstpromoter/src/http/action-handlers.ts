import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import {
  type Batch,
  type Request as BatchRequest,
  type Host,
  isFinished,
  readItems,
  type Submitted,
} from "@reinstate/batch-core";
import { isIdempotencyKey } from "@reinstate/batch-core/http";
import type * as z from "zod";
import { type ActionName, actions, operationName } from "../operations/operations.ts";
import type { Options } from "../options.ts";
import type { ActionOperationId } from "./api.ts";
import { acceptedBody } from "./batch-body.ts";
import { assertWholeBatch, findOwnBatch, selections } from "./batch-handlers.ts";
import { withoutBlanks } from "./bracket-params.ts";
import { apiError } from "./errors.ts";
import { type Ctx, type Handler, readIds, readParams } from "./requests.ts";

/** A batch that a request asks for. */
interface Wanted {
  operation: string;
  params: unknown;
  /** Whether it is finished before it is answered. */
  inline: boolean;
  dryRun: boolean;
}

interface Parts {
  host: Host;
  options: Options;
}

/** The calls that make a batch. */
export function createActionHandlers(
  host: Host,
  options: Options,
): Record<ActionOperationId | "undoBatchProcess", Handler> {
  const parts = { host, options };
  const act =
    (name: ActionName): Handler =>
    (c) =>
      submitAction(parts, c, name);
  return {
    restorePromoters: act("restore"),
    archivePromoters: act("archive"),
    acceptPromoters: act("accept"),
    rejectPromoters: act("reject"),
    blockPromoters: act("block"),
    movePromotersToCampaign: act("move_to_campaign"),
    addPromotersToCampaign: act("add_to_campaign"),
    assignParentToPromoters: act("assign_parent"),
    undoBatchProcess: (c) => submitUndo(parts, c),
  };
}

async function submitAction(parts: Parts, c: Ctx, name: ActionName): Promise<Response> {
  const { host, options } = parts;
  const dryRun = c.req.path.endsWith("/dry_run") ? "path" : "read";
  const given = await readParams(c.req.raw, options, { dryRun });
  assertSelectsByIds(given);
  const { items, refused, count } = await readIds(given.ids);
  const wanted: Wanted = {
    operation: operationName(name),
    params: actionParams(name, given),
    inline: count <= options.syncLimit,
    dryRun: given.dry_run === true,
  };
  const request = makeBatchRequest(c, wanted, { items, refused });
  return answer(parts, c, request, await host.batches.submit({ ...request, items, refused }));
}

/** Restores those whom an archive batch archived, however many: they are never all held. */
async function submitUndo(parts: Parts, c: Ctx): Promise<Response> {
  const { host, options } = parts;
  const batch = await findOwnBatch(host, c);
  const given = await readParams(c.req.raw, options, { dryRun: "read" });
  assertWholeBatch(given);
  assertUndoable(batch);
  const wanted: Wanted = {
    operation: operationName("undo_archive"),
    params: { batch_id: batch.id },
    inline: batch.counts.done <= options.syncLimit,
    dryRun: given.dry_run === true,
  };
  const request = makeBatchRequest(c, wanted, {});
  const intake = await readItems(host.batches.operation(wanted.operation), linesOfChanged(host, batch.id), {
    format: "ndjson",
  });
  try {
    return await answer(parts, c, request, await host.batches.submitIntake(request, intake));
  } finally {
    intake.close();
  }
}

/** What the batch core is asked for. `identity`: what else makes it the same request under an `Idempotency-Key`. */
function makeBatchRequest(c: Ctx, { operation, params, inline, dryRun }: Wanted, identity: object): BatchRequest {
  return {
    ...{ operation, params, inline, dryRun },
    account: c.get("account"),
    actor: c.get("actor"),
    ...readIdempotency(c, { operation, params, ...identity, dryRun }),
  };
}

async function answer(
  { host, options }: Parts,
  c: Ctx,
  { inline, idempotency }: BatchRequest,
  batch: Submitted,
): Promise<Response> {
  if (batch.replayed) c.header("Idempotency-Replayed", "true");
  c.header("X-Reinstate-Batch", String(batch.id));
  const status = inline ? 200 : 202;
  const json = { "content-type": "application/json" };
  if (batch.reply !== undefined) return c.body(batch.reply, status, json);
  const body = await acceptedBody(host, batch, options);
  // A retry may give these items other texts, and a repeat of this call is to have the first ones.
  if (!idempotency || body.processing_errors.length === 0) return c.json(body, status);
  return c.body(await host.batches.storeReply(idempotency, JSON.stringify(body)), status, json);
}

/** Refuses a batch that is no archive batch of ours, or has changed nobody. */
function assertUndoable({ id, operation, target, status, dryRun, counts }: Batch): void {
  if (operation !== operationName("archive")) throw apiError("wrong_state", `Batch ${id} is no archive batch`);
  if (target !== "local") {
    throw apiError("wrong_state", `Batch ${id} was carried out by FirstPromoter: restore its promoters there`);
  }
  if (!isFinished(status)) throw apiError("wrong_state", `Batch ${id} is ${status} and cannot be undone yet`);
  if (dryRun || counts.done === 0) throw apiError("wrong_state", `Batch ${id} changed nobody`);
}

/** The promoters whom a batch changed, an id a line. */
async function* linesOfChanged(host: Host, batchId: number): AsyncGenerator<Uint8Array> {
  for await (const page of host.batches.everyPage(batchId)) {
    const changed = page.filter(({ outcome }) => outcome === "done");
    yield Buffer.from(changed.map(({ item }) => `${item}\n`).join(""));
    // Others have their turn: an embedded database answers without a pause.
    await setImmediate();
  }
}

/** The idempotency of a request with an `Idempotency-Key`, for the account: another body under one key is another request. */
function readIdempotency(c: Ctx, request: object) {
  const key = c.req.header("idempotency-key")?.trim();
  if (key === undefined) return {};
  if (!isIdempotencyKey(key)) {
    throw apiError("invalid_param", "Idempotency-Key must be 1 to 255 visible characters");
  }
  const digest = createHash("sha256").update(JSON.stringify(request)).digest("hex");
  return { idempotency: { scope: `firstpromoter ${c.get("account")}`, key, digest } };
}

/** The parameters of an action out of all of a request's; what is missing or wrong is refused by its name. */
function actionParams(name: ActionName, params: Record<string, unknown>): unknown {
  const schema: z.ZodObject = actions[name].params;
  const full = Object.keys(schema.shape).map((field) => [field, params[field]]);
  const parsed = schema.safeParse(withoutBlanks(Object.fromEntries(full)));
  const issue = parsed.error?.issues[0];
  if (issue) throw apiError("missing_param", String(issue.path[0]));
  return parsed.data;
}

/** A batch action takes ids. What selects or excludes promoters otherwise is rejected, as leaving it out would change others. */
function assertSelectsByIds(params: Record<string, unknown>): void {
  const [name] = Object.keys(withoutBlanks(params)).filter((name) => selections.includes(name));
  if (name !== undefined) throw apiError("invalid_param", `${name} is not supported here; list the promoters in ids`);
}
