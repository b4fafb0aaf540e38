import { createHost } from "@reinstate/batch-core";
import { createFirstPromoter } from "@reinstate/firstpromoter";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { openBare } from "./bare.ts";
import { account, fillPromoters, plainRestoreOne } from "./promoters.ts";

const opened = sqliteDatabase();
const host = await createHost({ databaseUrl: opened.url });
await createFirstPromoter(host);
const bare = await openBare(opened.url);
const N = Number(process.argv[2] ?? 10000);
await fillPromoters(bare, 3 * N);
const plain = plainRestoreOne(bare);
let next = 1;
for (let r = 0; r < 3; r++) {
  let t = performance.now();
  for (let i = 0; i < N / 3; i++) {
    const b = await host.batches.submit({ operation: "firstpromoter.promoters.restore", account, items: [next++] });
    if (b.counts.done !== 1) throw 1;
  }
  const a = performance.now() - t;
  t = performance.now();
  for (let i = 0; process.argv[3] ? false : i < N / 3; i++) await plain(next++);
  const p = performance.now() - t;
  console.log(
    "ours us",
    ((a / (N / 3)) * 1000).toFixed(0),
    "plain us",
    ((p / (N / 3)) * 1000).toFixed(0),
    (p / a).toFixed(2),
  );
}
await host.close();
await bare[Symbol.asyncDispose]();
await opened[Symbol.asyncDispose]();
