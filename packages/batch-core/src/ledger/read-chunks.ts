import { type Kysely, sql } from "kysely";
import { addCodes, type CodeCount, type CodeCounts, readCodes } from "../batch/codes.ts";
import type { Database } from "../database/database.ts";
import { itemsOfChunk, readRetries } from "./chunk-queries.ts";
import type { ChunkContent, ChunkId, Ledger } from "./ledger.ts";
import { createRangeSearch } from "./search-ranges.ts";
import { holdsCounts, type LedgerTables } from "./tables.ts";

type Db = Kysely<LedgerTables>;
type Place = Pick<ChunkId, "generation" | "seq">;

/** Chunk rows whose codes are read by one statement. */
const codesPerPage = 500;

/** Sums the items of a batch by outcome and code, page by page. */
export async function sumCodes(on: Db, batchId: number): Promise<CodeCounts> {
  const sums: CodeCounts = new Map();
  for (let after: Place | undefined; ; ) {
    const page = await selectCodes(on, batchId, after);
    for (const { codes } of page) addCodes(sums, readCodes(codes));
    after = page.at(-1);
    if (page.length < codesPerPage) return sums;
  }
}

function selectCodes(on: Db, batchId: number, after: Place | undefined, limit = codesPerPage) {
  let query = on
    .selectFrom("reinstate_chunks")
    .select(["generation", "seq", "codes"])
    .where("batch_id", "=", batchId)
    // Repeats the predicate of PostgreSQL's partial index.
    .where("codes", "is not", null)
    .orderBy("generation")
    .orderBy("seq")
    .limit(sql.lit(limit));
  if (after) {
    const { generation, seq } = after;
    query = query.where(({ eb, refTuple, tuple }) => eb(refTuple("generation", "seq"), ">", tuple(generation, seq)));
  }
  return query.execute();
}

/** Creates the part of the ledger that reads the chunks of a batch and their codes. */
export function createChunkReader(
  database: Database,
): Pick<Ledger, "readChunks" | "codes" | "findRanges" | "findChunkRanges"> {
  const db = database.tables<LedgerTables>();

  return {
    async readChunks(batchId, options) {
      if (options.code !== undefined) return chunksWithCode(batchId, { ...options, code: options.code });
      const { after, outcome, limit } = options;
      const page = (after: Place | undefined, within?: "generation") =>
        chunksAfter(batchId, { after, outcome, limit }, within);
      // Performance: chunks of a generation are numbered without gaps, so a page is a range that PostgreSQL reads by index. A LIMIT
      // query would be planned with statistics that do not yet include a new batch.
      const inGeneration = after && !outcome ? await page(after, "generation") : [];
      const chunks = inGeneration.length > 0 ? inGeneration : await page(after);
      return addOverrides(batchId, chunks);
    },

    ...createRangeSearch(db),

    async codes(id) {
      const batch = await db
        .selectFrom("reinstate_batches")
        .select(["done", "codes"])
        .where("id", "=", id)
        .executeTakeFirst();
      if (!batch) return undefined;
      const codes = holdsCounts(batch) ? readCodes(batch.codes) : [...(await sumCodes(db, id)).values()];
      return codes.sort(compareCodes);
    },
  };

  /** Finds the chunks with an item of this code by their counts, so that no other chunk is unpacked. */
  async function chunksWithCode(
    batchId: number,
    { after, outcome, code, limit }: Parameters<Ledger["readChunks"]>[1] & { code: string },
  ): Promise<ChunkContent[]> {
    const matches = (each: CodeCount) => each.code === code && (outcome === undefined || each.outcome === outcome);
    const name = JSON.stringify(code);
    const found: Place[] = [];
    // Performance: reads few rows if many chunks have the code, and more with every page without it.
    for (let last = after, size = 2 * limit; found.length < limit; size = Math.min(4 * size, codesPerPage)) {
      const page = await selectCodes(db, batchId, last, size);
      found.push(...page.filter(({ codes }) => codes?.includes(name) && readCodes(codes).some(matches)));
      last = page.at(-1);
      if (page.length < size) break;
    }
    const runs = groupRuns(found.slice(0, limit)).map((run) =>
      withItems(
        selectChunks(batchId)
          .where("generation", "=", run.generation)
          .where("seq", ">=", run.first)
          .where("seq", "<=", run.last),
      ),
    );
    return addOverrides(batchId, (await Promise.all(runs)).flat());
  }

  function selectChunks(batchId: number) {
    return db
      .selectFrom("reinstate_chunks")
      .select(["batch_id", "generation", "seq", "state", "retries", "rest_outcome", "rest_code", "rest_message"])
      .where("batch_id", "=", batchId)
      .orderBy("generation")
      .orderBy("seq");
  }

  function chunksAfter(
    batchId: number,
    { after, outcome, limit }: Parameters<Ledger["readChunks"]>[1],
    within?: "generation",
  ) {
    let query = selectChunks(batchId).limit(limit);
    // Repeats the predicate of PostgreSQL's partial index literally, as `unfinished` does.
    if (outcome) query = query.where(outcome, ">", sql.lit(0));
    if (after && within) {
      query = query
        .where("generation", "=", after.generation)
        .where("seq", ">", after.seq)
        .where("seq", "<=", after.seq + limit);
    } else if (after) {
      query = query.where(({ eb, refTuple, tuple }) =>
        eb(refTuple("generation", "seq"), ">", tuple(after.generation, after.seq)),
      );
    }
    return withItems(query);
  }

  /** Performance: limits the chunks first and joins the items of this page only. */
  function withItems(query: ReturnType<typeof selectChunks>) {
    return db
      .selectFrom(query.as("c"))
      .innerJoin("reinstate_items as i", itemsOfChunk)
      .select(["c.generation", "c.seq", "c.state", "c.retries", "i.codec", "i.packed"])
      .select(["c.rest_outcome", "c.rest_code", "c.rest_message"])
      .orderBy("c.generation")
      .orderBy("c.seq")
      .execute();
  }

  async function addOverrides(batchId: number, chunks: Awaited<ReturnType<typeof chunksAfter>>) {
    if (chunks.length === 0) return [];
    // Performance: PostgreSQL always reads a range of one generation by index. For a list of chunks, or a range of pairs, it may scan
    // all rows of the batch.
    const readOverrides = ({ generation, first, last }: Run) =>
      db
        .selectFrom("reinstate_outcomes")
        .selectAll()
        .where("batch_id", "=", batchId)
        .where("generation", "=", generation)
        .where("seq", ">=", first)
        .where("seq", "<=", last)
        .orderBy("seq")
        .orderBy("position")
        .execute();
    const written = (await Promise.all(groupRuns(chunks).map(readOverrides))).flat();
    let next = 0;
    return chunks.map((chunk): ChunkContent => {
      const { generation, seq, codec, packed } = chunk;
      const found: ChunkContent["overrides"] = [];
      // Both lists are in the same order.
      for (; next < written.length; next++) {
        const row = written[next];
        if (!row || row.generation !== generation || row.seq !== seq) break;
        found.push({ position: row.position, outcome: row.outcome, code: row.code, message: row.message });
      }
      const commonOutcome =
        chunk.state === "finished"
          ? { outcome: chunk.rest_outcome ?? "done", code: chunk.rest_code, message: chunk.rest_message }
          : undefined;
      // A chunk may be finished between the two statements. It is returned as the first one saw it.
      const overrides = commonOutcome ? found : [];
      return {
        batchId,
        generation,
        seq,
        codec,
        packed,
        commonOutcome,
        overrides,
        retries: readRetries(chunk.retries),
      };
    });
  }
}

/** The largest count first. */
const compareCodes = (a: CodeCount, b: CodeCount) =>
  b.count - a.count || (`${a.outcome} ${a.code}` < `${b.outcome} ${b.code}` ? -1 : 1);

/** Consecutive chunks of a generation. */
interface Run {
  generation: number;
  first: number;
  last: number;
}

function groupRuns(chunks: readonly Pick<ChunkId, "generation" | "seq">[]): Run[] {
  const runs: Run[] = [];
  for (const { generation, seq } of chunks) {
    const run = runs.at(-1);
    if (run?.generation === generation && run.last === seq - 1) run.last = seq;
    else runs.push({ generation, first: seq, last: seq });
  }
  return runs;
}
