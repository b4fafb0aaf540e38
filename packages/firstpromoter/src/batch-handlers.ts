import { createHash } from "node:crypto";
import { type Batch, type Host, isFinished, type Refused } from "@reinstate/batch-core";
import type * as z from "zod";
import type { BatchOperationId } from "./api.ts";
import { acceptedBody, batchBody, progressOf } from "./batch-body.ts";
import { booleanOf, listOf, mapOf, type ParamMap, textOf } from "./bracket-params.ts";
import { Refusal } from "./errors.ts";
import { type ActionName, actions, operationName } from "./operations.ts";
import type { Options } from "./options.ts";
import { pageOf } from "./promoter-query.ts";
import { type Ctx, type Handler, idsOf, paramsOf, queryOf } from "./requests.ts";
import { type BatchItem, type BatchStatus, batchStatus, itemOutcome } from "./schemas.ts";
import type { Webhook } from "./webhook.ts";

/** What a request asks to be done, to whom. */
interface Wanted {
  operation: string;
  params: unknown;
  items: number[];
  refused?: Refused[];
  /** Ids as they were given, repeated ones and all: so many decide whether the batch is finished before it is answered. */
  count: number;
  dryRun?: boolean;
}

/** The batch actions and the reads of batches. */
export function createBatchHandlers(
  host: Host,
  options: Options,
  webhook?: Webhook,
): Record<BatchOperationId, Handler> {
  const act =
    (name: ActionName): Handler =>
    async (c) => {
      const params = await paramsOf(c.req.raw, options);
      return submit(c, {
        operation: operationName(name),
        ...idsOf(params.ids, options),
        params: actionParams(name, params),
        dryRun: booleanOf(params.dry_run) ?? false,
      });
    };

  async function submit(c: Ctx, { operation, params, items, refused = [], count, dryRun = false }: Wanted) {
    const inline = count <= options.syncLimit;
    const batch = await host.batches.submit({
      ...{ operation, params, items, refused, inline, dryRun },
      account: c.get("account"),
      actor: c.get("actor"),
      ...idempotencyOf(c, { operation, params, items, refused, dryRun }),
    });
    // Its operation announces it too, but not where all items were refused or no chunk of it could be carried out.
    if (!dryRun) await webhook?.announce(batch.id);
    if (batch.replayed) c.header("Idempotency-Replayed", "true");
    const body = await acceptedBody(host, batch, options);
    return c.json(body, inline ? 200 : 202, { "X-Reinstate-Batch": String(batch.id) });
  }

  /** The batch in the path, where it is one of this account's. */
  async function ownBatch(c: Ctx): Promise<Batch> {
    const id = c.req.param("id") ?? "";
    if (!/^\d{1,15}$/.test(id)) throw new Refusal("not_found");
    const batch = await host.batches.get(Number(id));
    if (batch.account !== c.get("account") || !batch.operation.startsWith("firstpromoter.")) {
      throw new Refusal("not_found");
    }
    return batch;
  }

  function listBatches(c: Ctx, perPage: number): Promise<Batch[]> | Batch[] {
    const params = queryOf(c.req.raw);
    const statuses = statusesOf(params, options);
    if (statuses?.length === 0) return [];
    return host.batches.list({
      operationPrefix: "firstpromoter.",
      account: c.get("account"),
      ...(statuses && { statuses }),
      ...pageOf(params, perPage),
    });
  }

  const move =
    (verb: "stop" | "resume" | "retry"): Handler =>
    async (c) => {
      const { id } = await ownBatch(c);
      return c.json(await batchBody(host, await host.batches[verb](id), options));
    };

  return {
    restorePromoters: act("restore"),
    archivePromoters: act("archive"),
    acceptPromoters: act("accept"),
    rejectPromoters: act("reject"),
    blockPromoters: act("block"),
    movePromotersToCampaign: act("move_to_campaign"),
    addPromotersToCampaign: act("add_to_campaign"),
    assignParentToPromoters: act("assign_parent"),

    async listBatchProcesses(c) {
      const batches = await listBatches(c, 20);
      return c.json(await Promise.all(batches.map((batch) => batchBody(host, batch, options))));
    },

    async getBatchProcessProgress(c) {
      const batches = await listBatches(c, 100);
      // Written by hand: a JavaScript object would put the smallest id first.
      const entries = batches.map((batch) => `"${batch.id}":${progressOf(batch, options)}`);
      return c.body(`{${entries.join(",")}}`, 200, { "content-type": "application/json" });
    },

    async getBatchProcess(c) {
      return c.json(await batchBody(host, await ownBatch(c), options));
    },

    async listBatchProcessItems(c) {
      const { id } = await ownBatch(c);
      const params = queryOf(c.req.raw);
      const word = textOf(mapOf(params.filters).outcome ?? params.outcome);
      const outcome = itemOutcome.safeParse(word).data;
      if (word !== undefined && word !== "" && outcome === undefined) {
        throw new Refusal("invalid_param", `outcome must be one of ${itemOutcome.options.join(", ")}`);
      }
      const cursor = textOf(params.cursor);
      const { items, next } = await host.batches.items(id, {
        limit: pageOf(params, 100).limit,
        ...(outcome && { outcome }),
        ...(cursor !== undefined && { cursor }),
      });
      const data = items.map(
        (item): BatchItem => ({
          id: item.item,
          outcome: item.outcome ?? null,
          code: item.code ?? null,
          message: item.message ?? null,
        }),
      );
      return c.json({ data, meta: { next_cursor: next } });
    },

    stopBatchProcess: move("stop"),
    resumeBatchProcess: move("resume"),
    retryBatchProcess: move("retry"),

    async undoBatchProcess(c) {
      const batch = await ownBatch(c);
      const items = await undoable(host, batch);
      return submit(c, {
        operation: operationName("undo_archive"),
        params: { batch_id: batch.id },
        items,
        count: items.length,
        dryRun: booleanOf((await paramsOf(c.req.raw, options)).dry_run) ?? false,
      });
    },
  };
}

/** The promoters whom an archive batch changed. */
async function undoable(host: Host, { id, operation, status, dryRun, counts }: Batch): Promise<number[]> {
  if (operation !== operationName("archive")) throw new Refusal("wrong_state", `Batch ${id} is no archive batch`);
  if (!isFinished(status)) throw new Refusal("wrong_state", `Batch ${id} is ${status} and cannot be undone yet`);
  if (dryRun || counts.done === 0) throw new Refusal("wrong_state", `Batch ${id} changed nobody`);
  const changed: number[] = [];
  for await (const { item, outcome } of host.batches.everyItem(id)) {
    if (outcome === "done") changed.push(item as number);
  }
  return changed;
}

/** The idempotency of a request with an `Idempotency-Key`, for the account: another body under one key is another request. */
function idempotencyOf(c: Ctx, request: object) {
  const key = c.req.header("idempotency-key")?.trim();
  if (key === undefined) return {};
  if (!/^[ -~]{1,255}$/.test(key)) {
    throw new Refusal("invalid_param", "Idempotency-Key must be 1 to 255 visible characters");
  }
  const digest = createHash("sha256").update(JSON.stringify(request)).digest("hex");
  return { idempotency: { scope: `firstpromoter ${c.get("account")}`, key, digest } };
}

/** The parameters of an action out of all of a request's; what is missing or wrong is refused by its name. */
function actionParams(name: ActionName, params: Record<string, unknown>): unknown {
  const schema: z.ZodObject = actions[name].params;
  const known = Object.keys(schema.shape).filter((field) => params[field] !== undefined && params[field] !== null);
  const parsed = schema.safeParse(Object.fromEntries(known.map((field) => [field, params[field]])));
  const issue = parsed.error?.issues[0];
  if (issue) throw new Refusal("missing_param", String(issue.path[0]));
  return parsed.data;
}

/** `filters[status]` in every spelling; a word that is no status finds nothing. */
function statusesOf(params: ParamMap, { listedBatches }: Options): BatchStatus[] | undefined {
  const given = listOf(mapOf(params.filters).status ?? params.status);
  if (given.length === 0) return listedBatches === "all" ? undefined : ["pending", "in_progress"];
  return given.flatMap((word) => batchStatus.safeParse(word).data ?? []);
}
