import { createInterface } from "node:readline";
import { createHost } from "../../host.ts";

// A process that lives to be killed while it prunes. It opens the database ahead of time and waits for one line.
const [databaseUrl = ""] = process.argv.slice(2);
const host = await createHost({ databaseUrl, role: "web" });
const lines = createInterface({ input: process.stdin });
process.stdout.write("ready\n");
lines.once("line", async (before) => {
  process.stdout.write("pruning\n");
  await host.batches.prune({ before: Number(before) });
  process.exit(0);
});
