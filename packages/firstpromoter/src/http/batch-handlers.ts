import { isDeepStrictEqual } from "node:util";
import type { Batch, Host } from "@reinstate/batch-core";
import type { Options } from "../options.ts";
import { type BatchItem, type BatchStatus, batchStatus, itemOutcome } from "../schemas.ts";
import type { BatchOperationId } from "./api.ts";
import { batchBody, describeItem } from "./batch-body.ts";
import { lastText, type ParamMap, parseMap, parseWords, readText, withoutBlanks } from "./bracket-params.ts";
import { apiError } from "./errors.ts";
import { readPage } from "./promoter-query.ts";
import { type Ctx, type Handler, readParams, readQuery } from "./requests.ts";

/** Creates the handlers that read and control batches. */
export function createBatchHandlers(
  host: Host,
  options: Options,
): Record<Exclude<BatchOperationId, "undoBatchProcess">, Handler> {
  function listBatches(c: Ctx, perPage: number): Promise<Batch[]> | Batch[] {
    const params = readQuery(c.req.raw);
    const statuses = readStatuses(params, options);
    if (statuses?.length === 0) return [];
    return host.batches.list({
      operationPrefix: "firstpromoter.",
      account: c.get("account"),
      ...(statuses && { statuses }),
      ...readPage(params, perPage),
    });
  }

  const control =
    (verb: "stop" | "resume" | "retry"): Handler =>
    async (c) => {
      const { id } = await findOwnBatch(host, c);
      // Rejects a safety flag or a selection in the request.
      assertWholeBatch(await readParams(c.req.raw, options));
      return c.json(await batchBody(host, await host.batches[verb](id, { actor: c.get("actor") })));
    };

  return {
    async listBatchProcesses(c) {
      const batches = await listBatches(c, 20);
      return c.json(await Promise.all(batches.map((batch) => batchBody(host, batch))));
    },

    async getBatchProcessProgress(c) {
      const batches = await listBatches(c, 100);
      // Written by hand, because a JavaScript object would sort its ids.
      const entries = batches.map((batch) => `"${batch.id}":${batch.progress}`);
      return c.body(`{${entries.join(",")}}`, 200, { "content-type": "application/json" });
    },

    async getBatchProcess(c) {
      return c.json(await batchBody(host, await findOwnBatch(host, c)));
    },

    async listBatchProcessItems(c) {
      const { id } = await findOwnBatch(host, c);
      const params = readQuery(c.req.raw);
      const word = readFilter(params, "outcome");
      const outcome = itemOutcome.safeParse(readText(word)?.trim()).data;
      if (word !== undefined && outcome === undefined) {
        throw apiError("invalid_param", `outcome must be one of ${itemOutcome.options.join(", ")}`);
      }
      const cursor = lastText(params.cursor);
      const { items, next } = await host.batches.items(id, {
        limit: readPage(params, 100).limit,
        ...(outcome && { outcome }),
        ...(cursor !== undefined && { cursor }),
      });
      const data = items.map(
        (item): BatchItem => ({
          id: item.item,
          outcome: item.outcome ?? null,
          code: item.code ?? null,
          message: describeItem(item) ?? null,
        }),
      );
      return c.json({ data, meta: { next_cursor: next } });
    },

    stopBatchProcess: control("stop"),
    resumeBatchProcess: control("resume"),
    retryBatchProcess: control("retry"),
  };
}

/** Reads `filters[status]` in every spelling. An unknown word matches no batch. */
function readStatuses(params: ParamMap, { listedBatches }: Options): BatchStatus[] | undefined {
  const status = readFilter(params, "status");
  if (status === undefined) return listedBatches === "all" ? undefined : ["pending", "in_progress"];
  return (parseWords(status) ?? []).flatMap((word) => batchStatus.safeParse(word).data ?? []);
}

/**
 * Reads the only filter of a call, as `filters[name]` or plain `name`. Returns undefined if it is absent or blank, and null if
 * the filters are malformed, unknown or contradict each other.
 */
function readFilter(params: ParamMap, name: string): unknown {
  const { filters = {}, [name]: plain } = withoutBlanks(params);
  const { [name]: named, ...unknown } = parseMap(filters) ?? { malformed: filters };
  if (Object.keys(unknown).length > 0) return null;
  if (named === undefined || plain === undefined || isDeepStrictEqual(named, plain)) return named ?? plain;
  return null;
}

/** Returns the batch in the path. @throws `not_found` unless it is this account's. */
export async function findOwnBatch(host: Host, c: Ctx): Promise<Batch> {
  const id = c.req.param("id") ?? "";
  if (!/^\d{1,15}$/.test(id)) throw apiError("not_found");
  const batch = await host.batches.get(Number(id));
  if (batch.account !== c.get("account") || !batch.operation.startsWith("firstpromoter.")) {
    throw apiError("not_found");
  }
  return batch;
}

/** Rejects ids and filters, because these calls apply to the whole batch and the caller means a part. */
export function assertWholeBatch(params: Record<string, unknown>): void {
  const name = Object.keys(params).find((name) => name === "ids" || selections.includes(name));
  if (name === undefined) return;
  throw apiError("invalid_param", `${name} is not supported here; the call is for the whole batch`);
}

/** Parameters that select promoters in earlier versions of the vendor's API, and the filters of lists. */
export const selections = ["filters", "selection", "select_all", "selected_ids", "unselected_ids"];
