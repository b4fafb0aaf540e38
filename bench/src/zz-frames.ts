import { readFileSync, statSync } from "node:fs";
import { createHost } from "@reinstate/batch-core";
import { createFirstPromoter } from "@reinstate/firstpromoter";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { openBare } from "./bare.ts";
import { account, fillPromoters, plainRestoreOne } from "./promoters.ts";
const opened = sqliteDatabase();
const host = await createHost({ databaseUrl: opened.url });
await createFirstPromoter(host);
const bare = await openBare(opened.url);
await fillPromoters(bare, 12000);
const plain = plainRestoreOne(bare);
let next=1;
const wal = opened.url.slice(7)+"-wal";
const ours = async()=>{await host.batches.submit({operation:"firstpromoter.promoters.restore",account,items:[next++]});};
for (let i=0;i<3000;i++) await ours();
for (const [name,f] of [["ours",ours],["plain",()=>plain(next++)],["ours",ours],["plain",()=>plain(next++)]] as const) {
  // pages per commit: checkpoint truncate first
  await bare.rows("pragma wal_checkpoint(truncate)");
  let t=performance.now(); const s0=statSync(wal).size;
  for (let i=0;i<60;i++) await f();
  const buf = readFileSync(wal); const names = new Map((await bare.rows<any>("select name, pageno from dbstat")).map((r:any)=>[r.pageno,r.name]));
  const counts: Record<string,number> = {};
  for (let o=32;o<buf.length;o+=4120){const n=names.get(buf.readUInt32BE(o)) as string ?? "?"; counts[n]=(counts[n]??0)+1/60;}
  process.stdout.write(JSON.stringify(counts)+"\n");
  process.stdout.write(`${name} frames ${(statSync(wal).size-s0)/4120/60} ms ${(performance.now()-t)/60}\n`);
}
await host.close(); await bare[Symbol.asyncDispose](); await opened[Symbol.asyncDispose]();
