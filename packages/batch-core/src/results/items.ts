import { unpack } from "../batch/chunk-codec.ts";
import { invalidRequest } from "../errors/errors.ts";
import { isRetried } from "../ledger/chunk-queries.ts";
import type { ChunkContent, Ledger } from "../ledger/ledger.ts";
import type { OutcomeWord } from "../operation/operation.ts";

/** One item with its outcome; `outcome` is undefined while it waits. */
export interface ItemOutcome {
  item: unknown;
  outcome: OutcomeWord | undefined;
  code?: string;
  message?: string;
  generation: number;
}

/** The items to read. */
export interface ItemsQuery {
  outcome?: OutcomeWord | undefined;
  /** Only items with this code. */
  code?: string | undefined;
  /** The `next` of the previous page. */
  cursor?: string | undefined;
  /** Default 100. */
  limit?: number;
}

/** A page of items. */
export interface ItemsPage {
  items: ItemOutcome[];
  next: string | null;
}

/** Maximum number of chunks per read. */
const maxChunksPerPage = 20;
/** Maximum number of items per read, unless a single chunk has more. Bounds the work without a pause. */
const itemsPerPage = 1000;

/** A position in a batch: the item at `position` of a chunk. */
interface Place {
  generation: number;
  seq: number;
  position: number;
}

interface Filter {
  outcome?: OutcomeWord | undefined;
  code?: string | undefined;
  /** The generation up to which retries count. */
  last?: number;
}

/** Items of one chunk, with their positions in it. */
interface Found {
  generation: number;
  seq: number;
  items: ItemOutcome[];
  positions: number[];
}

/** Yields every item of a batch from a position on, once, with its latest outcome, chunk by chunk. */
async function* walk(
  ledger: Ledger,
  batchId: number,
  from: Place,
  { outcome, code, last = Number.POSITIVE_INFINITY }: Filter,
): AsyncGenerator<Found, void, undefined> {
  let after = { generation: from.generation, seq: from.seq - 1 };
  // A chunk or two hold the page of items that most callers want; a reader of the whole batch reads more at once.
  for (let limit = 2; ; ) {
    const read = await ledger.readChunks(batchId, { after, outcome, code, limit });
    let items = 0;
    for (const chunk of read) {
      const { generation, seq } = chunk;
      if (generation > last) return;
      const start = generation === from.generation && seq === from.seq ? from.position : 0;
      const unpacked = unpack(chunk.codec, chunk.packed);
      items += unpacked.length;
      yield listResults(chunk, unpacked, start, { outcome, code, last });
    }
    const end = read.at(-1);
    if (!end) return;
    after = { generation: end.generation, seq: end.seq };
    limit = Math.max(1, Math.min(4 * limit, maxChunksPerPage, Math.floor((itemsPerPage * read.length) / items)));
  }
}

function listResults(
  { generation, seq, commonOutcome: rest, overrides: exceptions, retries }: ChunkContent,
  unpacked: readonly unknown[],
  start: number,
  { outcome, code, last }: Filter,
): Found {
  const items: ItemOutcome[] = [];
  const positions: number[] = [];
  let next = 0;
  while ((exceptions[next]?.position ?? unpacked.length) < start) next++;
  for (let position = start; position < unpacked.length; position++) {
    const result = exceptions[next]?.position === position ? exceptions[next++] : rest;
    if (outcome !== undefined && result?.outcome !== outcome) continue;
    if (code !== undefined && result?.code !== code) continue;
    // A later generation contains the item with its latest outcome.
    if (result && isRetried(retries, result, last)) continue;
    const item: ItemOutcome = { item: unpacked[position], outcome: result?.outcome, generation };
    if (result?.code != null) item.code = result.code;
    if (result?.message != null) item.message = result.message;
    items.push(item);
    positions.push(position);
  }
  return { generation, seq, items, positions };
}

/** Returns the first item of a chunk that matches, unless a later generation contains it. */
export function findInChunk(chunk: ChunkContent, matches: (item: unknown) => boolean): ItemOutcome | undefined {
  return listResults(chunk, unpack(chunk.codec, chunk.packed), 0, {}).items.find(({ item }) => matches(item));
}

/**
 * Yields all items in order, in pages. `last` is the current generation of the batch. With `outcome`, yields only such
 * items. A retry that starts meanwhile is ignored, so no
 * item occurs twice.
 */
export async function* itemPages(
  ledger: Ledger,
  batchId: number,
  last: number,
  outcome?: OutcomeWord,
): AsyncGenerator<ItemOutcome[], void, undefined> {
  for await (const { items } of walk(ledger, batchId, { generation: 0, seq: 0, position: 0 }, { outcome, last })) {
    if (items.length > 0) yield items;
  }
}

export async function itemsPage(
  ledger: Ledger,
  batchId: number,
  { outcome, code, cursor, limit = 100 }: ItemsQuery,
): Promise<ItemsPage> {
  const items: ItemOutcome[] = [];
  for await (const found of walk(ledger, batchId, parseCursor(cursor), { outcome, code })) {
    const room = limit - items.length;
    items.push(...found.items.slice(0, room));
    const next = found.positions[room];
    if (next !== undefined) return { items, next: `${found.generation}.${found.seq}.${next}` };
  }
  return { items, next: null };
}

function parseCursor(cursor: string | undefined): Place {
  if (cursor === undefined) return { generation: 0, seq: 0, position: 0 };
  const match = /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})$/.exec(cursor);
  if (!match) {
    const issue = { path: "cursor", message: "it is not one that a page gave out" };
    throw invalidRequest(issue);
  }
  return { generation: Number(match[1]), seq: Number(match[2]), position: Number(match[3]) };
}
