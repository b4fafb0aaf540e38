import { createHost } from "@reinstate/batch-core";
import { createFirstPromoter } from "@reinstate/firstpromoter";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { openBare } from "./bare.ts";
import { account, countRestored, fillPromoters, idsFrom, plainRestore } from "./promoters.ts";
import { type Line, median, rate, thousands } from "./report.ts";
import { isQuick } from "./scale.ts";
import { createTurns } from "./turns.ts";

const chunkSize = 500;

/**
 * Restores a million promoters as one batch, in alternating turns with a plain loop over as many more of the same table. Each
 * side has one connection. Then measures the size of the ledger.
 */
export async function restore(scale: number): Promise<Line[]> {
  const lines: Line[] = [];
  for (const { name: database, open } of ledgerDatabases) {
    await using opened = await open();
    const gate = createTurns();
    const host = await createHost({ databaseUrl: opened.url, clock: gate.clock, concurrency: 1 });
    await createFirstPromoter(host);
    await using bare = await openBare(opened.url);
    const turns = isQuick(scale) ? 2 : 20;
    const perTurn = Math.round((1_000_000 * scale) / chunkSize / turns);
    const plan = planTurns(turns, perTurn);
    const count = plan.ours.length;
    await fillPromoters(bare, 2 * count);

    const empty = await bare.sizeOf("reinstate_");
    const batch = await host.batches.submit({
      operation: "firstpromoter.promoters.restore",
      account,
      items: plan.ours,
      inline: false,
    });
    const loop = plainRestore(bare);
    const seconds: Record<Way, number[]> = { ours: [], plain: [] };
    for (const { way, from, chunks } of plan.turns) {
      const start = performance.now();
      if (way === "ours") await gate.take(chunks);
      else for (let i = 0; i < chunks; i++) await loop(idsFrom(from + i * chunkSize, chunkSize));
      seconds[way].push((performance.now() - start) / 1000);
    }
    gate.release();
    const { counts, status } = await host.batches.wait(batch.id);
    if (status !== "completed" || counts.done !== count)
      throw new Error(`The batch is ${status} with ${counts.done} done`);
    if ((await countRestored(bare)) !== 2 * count - chunkSize) throw new Error("Not every promoter was restored");

    const idsPerTurn = perTurn * chunkSize;
    const size = thousands(count);
    lines.push({
      work: `restore ${size} promoters, ${chunkSize} a chunk`,
      database,
      ours: rate(idsPerTurn / median(seconds.ours), "ids"),
      compared: `plain loop: ${rate(idsPerTurn / median(seconds.plain), "ids")}`,
      figure: median(seconds.plain.map((plain, turn) => plain / (seconds.ours[turn] as number))),
      wanted: { atLeast: 0.85 },
    });
    const bytes = (await bare.sizeOf("reinstate_")) - empty;
    lines.push({
      work: "ledger of that batch, all done",
      database,
      ours: `${(bytes / 1_000_000).toFixed(2)} MB`,
      compared: `${size} ids`,
      figure: bytes / count,
      unit: " bytes/id",
      wanted: { atMost: 4 },
    });
    await host.close();
  }
  return lines;
}

type Way = "ours" | "plain";

/**
 * Plans which side restores which ids in each turn. Both advance through the table together, because an index is faster to write
 * at its end, and they alternate in going first. The engine runs one chunk before the first turn.
 */
function planTurns(
  turns: number,
  perTurn: number,
): { ours: number[]; turns: { way: Way; from: number; chunks: number }[] } {
  const order: Way[] = ["ours", "plain"];
  const ours = idsFrom(1, chunkSize);
  const planned: { way: Way; from: number; chunks: number }[] = [];
  let from = 1 + chunkSize;
  for (let turn = 0; turn < turns; turn++, order.reverse()) {
    for (const way of order) {
      planned.push({ way, from, chunks: perTurn });
      if (way === "ours") ours.push(...idsFrom(from, perTurn * chunkSize));
      from += perTurn * chunkSize;
    }
  }
  return { ours, turns: planned };
}
