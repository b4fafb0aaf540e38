import { createAltcraft } from "@reinstate/altcraft";
import { createHost } from "@reinstate/batch-core";
import { postgresDatabase } from "@reinstate/tooling/databases";
import { openBare } from "./bare.ts";
import { Hono } from "hono";
import { serving, inTurns } from "./serving.ts";
import { fillSubscriptions, subscription, plainUndeleteOne } from "./subscriptions.ts";
const opened = await postgresDatabase();
const host = await createHost({ databaseUrl: opened.url });
const { routes } = await createAltcraft(host);
await host.keys.create({ vendor: "altcraft", secret: "bench-token" });
const bare = await openBare(opened.url, 10);
await fillSubscriptions(bare, 60000);
const change = plainUndeleteOne(bare);
const plain = new Hono().post("/undelete", async (c) => {
  const { token: _token, ...one } = await c.req.json<any>();
  const found = (await change(one)) === 1;
  return c.json(found ? { data: null, error: 0, error_text: "Successful operation" } : { error: 404 }, found ? 200 : 404);
});
const ours = await serving(routes.fetch);
const theirs = await serving(plain.fetch);
let n=1;
const way = process.argv[2]==="plain" ? () => theirs.call("/undelete", JSON.stringify({token:"bench-token",...subscription(n++)})) : () => ours.call("/api/v1.1/subscriptions/undelete", JSON.stringify({token:"bench-token",...subscription(n++)}));
const c0=process.cpuUsage(); const t0=performance.now();
const r = await inTurns({turns: 30, perTurn: 100, clients: 16},[way]);
const c=process.cpuUsage(c0); const el=performance.now()-t0;
console.log(r.map(x=>x[0]!.toFixed(3)).slice(-5).join(" "), "cpu/call us", ((c.user+c.system)/(n)).toFixed(0), "elapsed/call", (el/n*1000).toFixed(0));
process.exit(0)
