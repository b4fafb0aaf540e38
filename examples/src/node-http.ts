// VICIdial's API on Node's own server. `VICIDIAL_URL` names a real database; without it the leads are demo records.
import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { createHost } from "@reinstate/batch-core";
import { createVicidial, vicidial as vendor } from "@reinstate/vicidial";

const host = await createHost({ databaseUrl: "sqlite::memory:" });
const { VICIDIAL_URL: url } = process.env;
const vicidial = await createVicidial(host, url === undefined ? {} : { url });
if (url === undefined) await vendor.demo.load(host, vicidial);
const { secret } = await host.keys.create({ vendor: "vicidial" });

const server = createServer(getRequestListener(vicidial.routes.fetch));
server.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  console.log(JSON.stringify({ url: `http://127.0.0.1:${port}`, key: secret }));
});

// The order matters: no new calls, then no new chunks, then the databases.
process.once("SIGTERM", () => {
  server.close(async () => {
    await vicidial.closing?.();
    await host.close();
    await vicidial.close?.();
  });
});
