import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { type Batch, type Host, isFinished, type Submitted, takeIn } from "@reinstate/batch-core";
import { isIdempotencyKey } from "@reinstate/batch-core/http";
import type * as z from "zod";
import type { BatchOperationId } from "./api.ts";
import { acceptedBody, batchBody, textOfItem } from "./batch-body.ts";
import { lastText, type ParamMap, parseMap, parseWords, readText, withoutBlanks } from "./bracket-params.ts";
import { Refusal } from "./errors.ts";
import { type ActionName, actions, operationName } from "./operations.ts";
import type { Options } from "./options.ts";
import { pageOf } from "./promoter-query.ts";
import { type Ctx, type Handler, idsOf, paramsOf, queryOf } from "./requests.ts";
import { type BatchItem, type BatchStatus, batchStatus, itemOutcome } from "./schemas.ts";
import type { AnswerStore } from "./stores/answers.ts";

/** A batch that a request asks for. */
interface Wanted {
  operation: string;
  params: unknown;
  /** Whether it is finished before it is answered. */
  inline: boolean;
  dryRun: boolean;
}

/** The batch actions and the reads of batches. */
export function createBatchHandlers(
  host: Host,
  answers: AnswerStore,
  options: Options,
): Record<BatchOperationId, Handler> {
  const act =
    (name: ActionName): Handler =>
    async (c) => {
      const dryRun = c.req.path.endsWith("/dry_run") ? "path" : "read";
      const given = await paramsOf(c.req.raw, options, { dryRun });
      assertSelectsByIds(given);
      const { items, refused, count } = await idsOf(given.ids);
      const wanted: Wanted = {
        operation: operationName(name),
        params: actionParams(name, given),
        inline: count <= options.syncLimit,
        dryRun: given.dry_run === true,
      };
      const request = requestOf(c, wanted, { items, refused });
      return answer(c, wanted, await host.batches.submit({ ...request, items, refused }));
    };

  /** What the batch core is asked for. `identity`: what else makes it the same request under an `Idempotency-Key`. */
  function requestOf(c: Ctx, { operation, params, inline, dryRun }: Wanted, identity: object) {
    return {
      ...{ operation, params, inline, dryRun },
      account: c.get("account"),
      actor: c.get("actor"),
      ...idempotencyOf(c, { operation, params, ...identity, dryRun }),
    };
  }

  async function answer(c: Ctx, { inline }: Wanted, batch: Submitted): Promise<Response> {
    if (batch.replayed) c.header("Idempotency-Replayed", "true");
    c.header("X-Reinstate-Batch", String(batch.id));
    const kept = batch.replayed && (await answers.find(batch.id));
    if (kept) return c.body(kept, inline ? 200 : 202, { "content-type": "application/json" });
    const body = await acceptedBody(host, batch, options);
    // A retry may give these items other texts, and a repeat of this call is to have the first ones.
    const keyed = c.req.header("idempotency-key") !== undefined;
    if (!keyed || body.processing_errors.length === 0) return c.json(body, inline ? 200 : 202);
    const first = await answers.keep(batch.id, JSON.stringify(body), host.clock.now());
    return c.body(first, inline ? 200 : 202, { "content-type": "application/json" });
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
      // A safety flag or a selection in the request is rejected.
      assertWholeBatch(await paramsOf(c.req.raw, options));
      return c.json(await batchBody(host, await host.batches[verb](id)));
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
      return c.json(await Promise.all(batches.map((batch) => batchBody(host, batch))));
    },

    async getBatchProcessProgress(c) {
      const batches = await listBatches(c, 100);
      // Written by hand: a JavaScript object would put the smallest id first.
      const entries = batches.map((batch) => `"${batch.id}":${batch.progress}`);
      return c.body(`{${entries.join(",")}}`, 200, { "content-type": "application/json" });
    },

    async getBatchProcess(c) {
      return c.json(await batchBody(host, await ownBatch(c)));
    },

    async listBatchProcessItems(c) {
      const { id } = await ownBatch(c);
      const params = queryOf(c.req.raw);
      const word = filterOf(params, "outcome");
      const outcome = itemOutcome.safeParse(readText(word)?.trim()).data;
      if (word !== undefined && outcome === undefined) {
        throw new Refusal("invalid_param", `outcome must be one of ${itemOutcome.options.join(", ")}`);
      }
      const cursor = lastText(params.cursor);
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
          message: textOfItem(item) ?? null,
        }),
      );
      return c.json({ data, meta: { next_cursor: next } });
    },

    stopBatchProcess: move("stop"),
    resumeBatchProcess: move("resume"),
    retryBatchProcess: move("retry"),

    async undoBatchProcess(c) {
      const batch = await ownBatch(c);
      const given = await paramsOf(c.req.raw, options, { dryRun: "read" });
      assertWholeBatch(given);
      assertUndoable(batch);
      const wanted: Wanted = {
        operation: operationName("undo_archive"),
        params: { batch_id: batch.id },
        inline: batch.counts.done <= options.syncLimit,
        dryRun: given.dry_run === true,
      };
      const request = requestOf(c, wanted, {});
      // However many they are, they are never all held.
      const intake = await takeIn(host.batches.operation(wanted.operation), linesOfChanged(host, batch.id), {
        format: "ndjson",
      });
      try {
        return await answer(c, wanted, await host.batches.submitIntake(request, intake));
      } finally {
        intake.close();
      }
    },
  };
}

/** Refuses a batch that is no archive batch of ours, or has changed nobody. */
function assertUndoable({ id, operation, target, status, dryRun, counts }: Batch): void {
  if (operation !== operationName("archive")) throw new Refusal("wrong_state", `Batch ${id} is no archive batch`);
  if (target !== "local") {
    throw new Refusal("wrong_state", `Batch ${id} was carried out by FirstPromoter: restore its promoters there`);
  }
  if (!isFinished(status)) throw new Refusal("wrong_state", `Batch ${id} is ${status} and cannot be undone yet`);
  if (dryRun || counts.done === 0) throw new Refusal("wrong_state", `Batch ${id} changed nobody`);
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
function idempotencyOf(c: Ctx, request: object) {
  const key = c.req.header("idempotency-key")?.trim();
  if (key === undefined) return {};
  if (!isIdempotencyKey(key)) {
    throw new Refusal("invalid_param", "Idempotency-Key must be 1 to 255 visible characters");
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
  if (issue) throw new Refusal("missing_param", String(issue.path[0]));
  return parsed.data;
}

/** `filters[status]` in every spelling; a word that is no status finds nothing. */
function statusesOf(params: ParamMap, { listedBatches }: Options): BatchStatus[] | undefined {
  const status = filterOf(params, "status");
  if (status === undefined) return listedBatches === "all" ? undefined : ["pending", "in_progress"];
  return (parseWords(status) ?? []).flatMap((word) => batchStatus.safeParse(word).data ?? []);
}

/**
 * The value of the only filter that a read has, as `filters[name]` or plain `name`; undefined if it is not there or blank.
 * Filters that are malformed, that the read does not have, or that contradict each other are a value that is none: null.
 */
function filterOf(params: ParamMap, name: string): unknown {
  const { filters = {}, [name]: plain } = withoutBlanks(params);
  const { [name]: named, ...unknown } = parseMap(filters) ?? { malformed: filters };
  if (Object.keys(unknown).length > 0) return null;
  if (named === undefined || plain === undefined || isDeepStrictEqual(named, plain)) return named ?? plain;
  return null;
}

/** A batch action takes ids. What selects or excludes promoters otherwise is rejected, as leaving it out would change others. */
function assertSelectsByIds(params: Record<string, unknown>): void {
  const [name] = Object.keys(withoutBlanks(params)).filter((name) => selections.includes(name));
  if (name !== undefined)
    throw new Refusal("invalid_param", `${name} is not supported here; list the promoters in ids`);
}

/** Rejects ids beside a batch: these actions apply to the whole batch, and the caller means a part of it. */
function assertWholeBatch(params: Record<string, unknown>): void {
  const name = Object.keys(params).find((name) => name === "ids" || selections.includes(name));
  if (name === undefined) return;
  throw new Refusal("invalid_param", `${name} is not supported here; the call is for the whole batch`);
}

/** How earlier versions of the vendor's API selected promoters, beside the filters of lists. */
const selections = ["filters", "selection", "select_all", "selected_ids", "unselected_ids"];
