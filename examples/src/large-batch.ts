// 200,000 ids as one batch, its progress and its report. `COUNT` sets another number.
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHost, readItems, writeReport } from "@reinstate/batch-core";
import { createVicidial, vicidial as vendor } from "@reinstate/vicidial";

const count = Number(process.env.COUNT ?? 200_000);
const host = await createHost({ databaseUrl: "sqlite::memory:" });
const vicidial = await createVicidial(host);
await vendor.demo.load(host, vicidial);

/** The lines of a file. Memory stays flat, whatever its length. */
async function* lines() {
  for (let id = 0; id < count; id++) yield Buffer.from(`${id}\n`);
}

const operation = "vicidial.leads.dearchive";
const params = { insert_leads: true, delete_leads: true };
// Every line is validated before anything runs.
const intake = await readItems(host.batches.operation(operation), lines(), { format: "ndjson" });
const { id } = await host.batches.submitIntake({ operation, params }, intake);
intake.close();

for await (const { batch, rate } of host.batches.watch(id)) {
  console.error(`${batch.progress} %, ${rate} a second, ${batch.counts.failed} failed`);
}

const path = join(tmpdir(), `reinstate-batch-${id}-${process.pid}.csv`);
const file = createWriteStream(path);
for await (const part of writeReport(host.batches.everyPage(id), "csv")) {
  if (!file.write(part)) await once(file, "drain");
}
file.end();
await once(file, "finish");
const { status, counts } = await host.batches.get(id);
console.log(JSON.stringify({ status, ...counts, path }));
await host.close();
