// Altcraft's API in an Express app. Express has requests of Node; the adaptor of Hono turns them into web requests.
import { getRequestListener } from "@hono/node-server";
import { createAltcraft } from "@reinstate/altcraft";
import { createHost } from "@reinstate/batch-core";
import express from "express";

const host = await createHost({ databaseUrl: "sqlite::memory:" });
const altcraft = await createAltcraft(host);
const { secret } = await host.keys.create({ vendor: "altcraft" });
await altcraft.load([
  { db_id: 1, resource_id: 26, profile_id: "p1", channel: "email", email: "john@example.com", is_delete: true },
]);

const app = express();
app.get("/", (_request, response) => void response.send("your own routes"));
// Before any body parser, because the vendor's API reads the body itself.
app.use((request, response, next) => {
  if (!request.path.startsWith("/api/v1.1/")) return next();
  return getRequestListener(altcraft.routes.fetch)(request, response);
});

const server = app.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  console.log(JSON.stringify({ url: `http://127.0.0.1:${port}`, key: secret }));
});

process.once("SIGTERM", () => {
  server.close(() => void host.close());
});
