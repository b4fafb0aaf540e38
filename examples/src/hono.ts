// FirstPromoter's API beside the routes of a Hono app.
import { serve } from "@hono/node-server";
import { createHost } from "@reinstate/batch-core";
import { createFirstPromoter } from "@reinstate/firstpromoter";
import { Hono } from "hono";

const host = await createHost({ databaseUrl: "sqlite::memory:" });
const firstpromoter = await createFirstPromoter(host);
const { secret } = await host.keys.create({ vendor: "firstpromoter", account: "acc_1" });

const app = new Hono();
app.get("/", (c) => c.text("your own routes"));
app.mount("/api/v2/company", firstpromoter.routes.fetch, { replaceRequest: (request) => request });

const server = serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 0), hostname: "127.0.0.1" }, ({ port }) => {
  console.log(JSON.stringify({ url: `http://127.0.0.1:${port}`, key: secret }));
});

process.once("SIGTERM", () => {
  server.close(async () => {
    await firstpromoter.closing?.();
    await host.close();
  });
});
