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

/** The batch that a request creates. */
interface BatchPlan {
  operation: string;
  params: unknown;
  /** Whether the batch finishes before the response is sent. */
  inline: boolean;
  dryRun: boolean;
}

interface Parts {
  host: Host;
  options: Options;
}

/** Creates the handlers of the calls that create a batch. */
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
  const values = await readParams(c.req.raw, options, { dryRun });
  assertSelectsByIds(values);
  const { items, refused, count } = await readIds(values.ids);
  const plan: BatchPlan = {
    operation: operationName(name),
    params: readActionParams(name, values),
    inline: count <= options.syncLimit,
    dryRun: values.dry_run === true,
  };
  const request = makeBatchRequest(c, plan, { items, refused });
  return respond(parts, c, request, await host.batches.submit({ ...request, items, refused }));
}

/** Restores the promoters that an archive batch archived. The ids are streamed, so memory does not grow with their number. */
async function submitUndo(parts: Parts, c: Ctx): Promise<Response> {
  const { host, options } = parts;
  const batch = await findOwnBatch(host, c);
  const values = await readParams(c.req.raw, options, { dryRun: "read" });
  assertWholeBatch(values);
  assertUndoable(batch);
  const plan: BatchPlan = {
    operation: operationName("undo_archive"),
    params: { batch_id: batch.id },
    inline: batch.counts.done <= options.syncLimit,
    dryRun: values.dry_run === true,
  };
  const request = makeBatchRequest(c, plan, {});
  const intake = await readItems(host.batches.operation(plan.operation), streamChangedIds(host, batch.id), {
    format: "ndjson",
  });
  try {
    return await respond(parts, c, request, await host.batches.submitIntake(request, intake));
  } finally {
    intake.close();
  }
}

/** Makes the request to the batch core. `identity`: the further parts that must be equal under one `Idempotency-Key`. */
function makeBatchRequest(c: Ctx, { operation, params, inline, dryRun }: BatchPlan, identity: object): BatchRequest {
  return {
    operation,
    params,
    inline,
    dryRun,
    account: c.get("account"),
    actor: c.get("actor"),
    ...readIdempotency(c, { operation, params, ...identity, dryRun }),
  };
}

async function respond(
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
  // A retry of the batch may change these texts, but a repeat of this call must return the first ones.
  if (!idempotency || body.processing_errors.length === 0) return c.json(body, status);
  return c.body(await host.batches.storeReply(idempotency, JSON.stringify(body)), status, json);
}

/** Throws `wrong_state` unless the batch is a finished local archive batch that changed promoters. */
function assertUndoable({ id, operation, target, status, dryRun, counts }: Batch): void {
  if (operation !== operationName("archive")) throw apiError("wrong_state", `Batch ${id} is not an archive batch`);
  if (target !== "local") {
    throw apiError("wrong_state", `FirstPromoter itself ran batch ${id}; restore its promoters there`);
  }
  if (!isFinished(status)) throw apiError("wrong_state", `Batch ${id} is ${status}; undo it when it is finished`);
  if (dryRun || counts.done === 0) throw apiError("wrong_state", `Batch ${id} changed no promoter`);
}

/** Yields the ids that a batch changed, one a line. */
async function* streamChangedIds(host: Host, batchId: number): AsyncGenerator<Uint8Array> {
  for await (const page of host.batches.everyPage(batchId)) {
    const changed = page.filter(({ outcome }) => outcome === "done");
    yield Buffer.from(changed.map(({ item }) => `${item}\n`).join(""));
    // Yields to other requests, because an embedded database returns without a pause.
    await setImmediate();
  }
}

/** Reads the `Idempotency-Key`, whose scope is the account. Its digest covers the whole request. */
function readIdempotency(c: Ctx, request: object) {
  const key = c.req.header("idempotency-key")?.trim();
  if (key === undefined) return {};
  if (!isIdempotencyKey(key)) {
    throw apiError("invalid_param", "Idempotency-Key must be 1 to 255 visible characters");
  }
  const digest = createHash("sha256").update(JSON.stringify(request)).digest("hex");
  return { idempotency: { scope: `firstpromoter ${c.get("account")}`, key, digest } };
}

/** Reads the parameters of an action. @throws `missing_param` that names the missing or invalid one. */
function readActionParams(name: ActionName, params: Record<string, unknown>): unknown {
  const schema: z.ZodObject = actions[name].params;
  const full = Object.keys(schema.shape).map((field) => [field, params[field]]);
  const parsed = schema.safeParse(withoutBlanks(Object.fromEntries(full)));
  const issue = parsed.error?.issues[0];
  if (issue) throw apiError("missing_param", String(issue.path[0]));
  return parsed.data;
}

/** Rejects every other way to select or exclude promoters. Ignoring it would change the wrong ones. */
function assertSelectsByIds(params: Record<string, unknown>): void {
  const [name] = Object.keys(withoutBlanks(params)).filter((name) => selections.includes(name));
  if (name !== undefined) throw apiError("invalid_param", `${name} is not supported here; list the promoters in ids`);
}
