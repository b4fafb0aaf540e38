import type { Batch } from "../batch/batch.ts";
import { invalidRequest } from "../errors/errors.ts";
import { describeItem } from "../intake/item-shape.ts";
import { toIssues } from "../intake/validate-items.ts";
import type { ChunkRangeQuery, Ledger, RangeQuery } from "../ledger/ledger.ts";
import type { AnyOperation, ItemKey, Target } from "../operation/operation.ts";
import { findInChunk, type ItemOutcome, itemPages } from "../results/items.ts";

/** An item to look for. */
export interface FindItemQuery {
  operation: string;
  /** Default `local`. */
  target?: Target;
  /** Default: all accounts. */
  account?: string | undefined;
  /** The item, or its key. */
  item: unknown;
  /** Looks in this batch alone. Required for items that are not integers. */
  batch?: number | undefined;
  /** Maximum number of batches. Default 20. */
  limit?: number;
}

/** A batch with an item, and the latest outcome of the item in it; `outcome` is undefined while the item waits. */
export interface FoundItem extends Omit<ItemOutcome, "item"> {
  batch: Batch;
}

/** Search for one item. */
export interface ItemSearch {
  /**
   * Returns the batches of an operation that contain an item, newest first, with its latest outcome in each. Integers are found in all
   * batches by an index, other items in one batch, which is read for it.
   *
   * @throws ReinstateError `invalid_request` for an item that is none of the operation, or a missing `batch`; `unknown_operation`;
   * `unknown_batch`
   * @example await host.batches.findItem({ operation: "vicidial.leads.dearchive", item: 4711 });
   */
  findItem(query: FindItemQuery): Promise<FoundItem[]>;
}

/** Rows that one statement of the search reads: batches, or chunks of one batch. */
const rowsPerRead = 1000;

export interface ItemSearchParts {
  ledger: Ledger;
  get(id: number): Promise<Batch>;
  /** Returns a registered operation. Throws `unknown_operation`. */
  findOperation(name: string, target?: Target): AnyOperation;
}

export function createItemSearch({ ledger, get, findOperation }: ItemSearchParts): ItemSearch {
  /** Yields the batches with an integer, newest first. */
  async function* findInteger(query: Omit<RangeQuery, "window" | "before">) {
    for (let before: number | undefined; ; ) {
      const { found: ids, next } = await ledger.findRanges({ ...query, before, window: rowsPerRead });
      for (const id of ids) {
        const found = await findInBatch(id, query.item);
        if (found) yield { id, found };
      }
      if (next === undefined) return;
      before = next;
    }
  }

  /** Finds an integer in the chunks of a batch whose ranges enclose it. */
  async function findInBatch(batchId: number, item: number): Promise<ItemOutcome | undefined> {
    for (let after: ChunkRangeQuery["after"]; ; ) {
      const { found: chunks, next } = await ledger.findChunkRanges({ batchId, item, after, window: rowsPerRead });
      for (const { generation, seq } of chunks) {
        const [chunk] = await ledger.readChunks(batchId, { after: { generation, seq: seq - 1 }, limit: 1 });
        const found = chunk && findInChunk(chunk, (each) => each === item);
        if (found) return found;
      }
      if (next === undefined) return undefined;
      after = next;
    }
  }

  /** Finds an item by its key in the pages of a batch. */
  async function findByKey({ id, generation }: Batch, operation: AnyOperation, key: ItemKey) {
    for await (const page of itemPages(ledger, id, generation)) {
      const found = page.find(({ item }) => item === key || readKey(operation, item) === key);
      if (found) return found;
    }
    return undefined;
  }

  return {
    async findItem({ operation: name, target, account, item, batch: id, limit = 20 }) {
      const operation = findOperation(name, target);
      const { integers } = describeItem(operation);
      if (integers && !Number.isSafeInteger(item))
        throw invalidRequest({ path: "item", message: "must be a whole number" });
      if (!integers && id === undefined) {
        const message = `is required: ${name} has items that are no integers, which can only be found within one batch`;
        throw invalidRequest({ path: "batch", message });
      }
      const batch = id === undefined ? undefined : await get(id);
      if (batch && (batch.operation !== operation.name || batch.target !== operation.target)) {
        const message = `${id} is of the operation ${batch.operation} for the target ${batch.target}`;
        throw invalidRequest({ path: "batch", message });
      }
      if (batch && account !== undefined && batch.account !== account) {
        throw invalidRequest({ path: "batch", message: `${id} belongs to another account` });
      }
      if (batch && !integers) {
        const found = await findByKey(batch, operation, toKey(operation, item));
        return found ? [toFound(batch, found)] : [];
      }
      const all: FoundItem[] = [];
      const query = { operation: operation.name, target: operation.target, account, batch: id, item: item as number };
      for await (const { id, found } of findInteger(query)) {
        all.push(toFound(await get(id), found));
        if (all.length === limit) break;
      }
      return all;
    },
  };
}

function toFound(batch: Batch, { item: _, ...outcome }: ItemOutcome): FoundItem {
  return { batch, ...outcome };
}

/** Returns the key of an item that a caller looks for: an item of the operation, or its key. */
function toKey(operation: AnyOperation, item: unknown): ItemKey {
  const read = operation.item.safeParse(item);
  if (read.success) return operation.key(read.data);
  if (typeof item === "string" || typeof item === "number") return item;
  throw invalidRequest(...toIssues(read.error, "item"));
}

/** Returns the key of a stored item; undefined for one that was rejected during validation and may have none. */
function readKey(operation: AnyOperation, item: unknown): ItemKey | undefined {
  try {
    return operation.key(item);
  } catch {
    return undefined;
  }
}
