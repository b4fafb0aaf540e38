import type { BatchReply, HistoryReply, ItemsReply } from "../service/replies.ts";
import type { Service } from "../service/service.ts";
import { wrongUse } from "../terminal/failure.ts";
import { print, writeError } from "../terminal/output.ts";
import { describeBatch, describeEvents, renderBatches, renderItems } from "./describe-batch.ts";
import { vendorName } from "./find-operation.ts";
import { followBatch } from "./follow-batch.ts";
import { catchInterrupt } from "./interrupt.ts";
import { openService, type ServerOptions, withService } from "./open-service.ts";
import { toReportPath, writeReportFile } from "./report-file.ts";

interface Common extends ServerOptions {
  json?: true;
}

/** Parses the id of a batch. */
function parseId(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw wrongUse(`${text} is no id of a batch`, "give the number that reinstate batches list shows");
}

const printJson = (value: unknown) => print(JSON.stringify(value));

interface ListOptions extends Common {
  status?: string;
  operation?: string;
  limit: number;
}

/** Lists batches, newest first. */
export async function listBatches(options: ListOptions): Promise<void> {
  const query = new URLSearchParams({ limit: String(options.limit) });
  if (options.status !== undefined) query.set("status", options.status);
  if (options.operation !== undefined) query.set("operation", options.operation);
  await withService(options, [], async (service) => {
    const { batches } = await service.get<{ batches: BatchReply[] }>(`/v1/batches?${query}`);
    if (options.json) for (const batch of batches) printJson(batch);
    else if (batches.length > 0) print(renderBatches(batches));
    else writeError(`There are no such batches in ${service.place}`);
  });
}

/** Shows a batch: its counts, failures, waits and history. */
export async function showBatch(text: string, options: Common): Promise<void> {
  const path = `/v1/batches/${parseId(text)}`;
  const read = (service: Service) => service.get<BatchReply>(path);
  const { events, ...first } = await withService(options, [], async (service) => ({
    batch: await read(service),
    events: (await service.get<HistoryReply>(`${path}/history`)).events,
  }));
  let { batch } = first;
  // The estimate of a dry run needs the operation, which this process knows only with its vendor.
  if (batch.dry_run && !batch.estimate && options.server === undefined) {
    batch = await withService(options, [vendorName(batch.operation)], read);
  }
  if (options.json) printJson({ ...batch, history: events });
  else print(`${describeBatch(batch, options.server)}\n\n${describeEvents(events)}`);
}

/** Follows a batch that another process works on. */
export async function watchOneBatch(text: string, options: Common): Promise<void> {
  const id = parseId(text);
  const interrupt = catchInterrupt();
  await withService(options, [], async (service) => {
    const batch = await service.get<BatchReply>(`/v1/batches/${id}`);
    await followBatch(service, batch, { json: options.json, report: false, interrupt, watchOnly: true });
  });
}

interface ItemOptions extends Common {
  outcome?: string;
  code?: string;
  limit?: number;
}

/** Items of one page of `/v1`. */
const pageSize = 500;

/** Lists the items of a batch with their outcomes. */
export async function listItems(text: string, options: ItemOptions): Promise<void> {
  const id = parseId(text);
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  await withService(options, [], async (service) => {
    for (let cursor: string | null | undefined; cursor !== null && left > 0; ) {
      const query = new URLSearchParams({ limit: String(Math.min(pageSize, left)) });
      if (options.outcome !== undefined) query.set("outcome", options.outcome);
      if (options.code !== undefined) query.set("code", options.code);
      if (cursor !== undefined) query.set("cursor", cursor);
      const page: ItemsReply = await service.get<ItemsReply>(`/v1/batches/${id}/items?${query}`);
      left -= page.items.length;
      if (options.json) for (const item of page.items) printJson(item);
      else if (page.items.length > 0) print(renderItems(page.items));
      cursor = page.next_cursor;
    }
  });
}

interface ActOptions extends Common {
  note?: string;
}

/** Stops a batch. The chunks in progress are finished. */
export async function stopBatch(text: string, options: ActOptions): Promise<void> {
  const id = parseId(text);
  await withService(options, [], async (service) => {
    const batch = await service.post<BatchReply>(`/v1/batches/${id}/stop`, toAct(options));
    if (options.json) return printJson(batch);
    print(describeBatch(batch, service.server));
  });
}

const toAct = ({ note }: ActOptions) => (note === undefined ? {} : { note });

interface RunOptions extends ActOptions {
  code?: string;
  report?: string | false;
}

/** Continues a stopped batch, and follows it. A batch that is open already is followed too. */
export function resumeBatch(text: string, options: RunOptions): Promise<void> {
  return runAgain(text, options, async (service, batch) => {
    // After a crash the batch is open, and only its process is gone.
    if (batch.status === "pending" || batch.status === "in_progress") return batch;
    return service.post<BatchReply>(`/v1/batches/${batch.id}/resume`, toAct(options));
  });
}

/** Runs the failed items of an ended batch again, and follows it. */
export function retryBatch(text: string, options: RunOptions): Promise<void> {
  const { code } = options;
  return runAgain(text, options, (service, { id }) =>
    service.post<BatchReply>(`/v1/batches/${id}/retry`, { ...toAct(options), ...(code !== undefined && { code }) }),
  );
}

/** Looks at the unknown items of an ended batch again, and follows it. */
export function reexamineBatch(text: string, options: RunOptions): Promise<void> {
  return runAgain(text, options, (service, { id }) =>
    service.post<BatchReply>(`/v1/batches/${id}/reexamine`, toAct(options)),
  );
}

interface MarkOptions extends Common {
  as: "done" | "failed";
  note: string;
  code?: string;
}

/** Marks the unknown items of a batch by the word of the operator. */
export async function markBatch(text: string, { as, note, code, ...options }: MarkOptions): Promise<void> {
  const id = parseId(text);
  await withService(options, [], async (service) => {
    const body = { as, note, ...(code !== undefined && { code }) };
    await service.post<BatchReply>(`/v1/batches/${id}/mark`, body);
    const batch = await service.get<BatchReply>(`/v1/batches/${id}`);
    if (options.json) printJson(batch);
    else print(describeBatch(batch, service.server));
  });
}

async function runAgain(
  text: string,
  options: RunOptions,
  start: (service: Service, batch: BatchReply) => Promise<BatchReply>,
): Promise<void> {
  const id = parseId(text);
  const interrupt = catchInterrupt();
  const service = await openFor(id, options);
  try {
    const batch = await start(service, await service.get<BatchReply>(`/v1/batches/${id}`));
    writeError(`Batch ${id}: ${batch.operation}, ${describePlace(service)}`);
    await followBatch(service, batch, { json: options.json, report: options.report, interrupt });
  } finally {
    await service.close();
  }
}

const describePlace = ({ server, place }: Service) => (server === undefined ? `in ${place}` : `at ${place}`);

/** Opens `/v1` with the vendor of a batch, so that this process can work on it. */
async function openFor(id: number, options: ServerOptions): Promise<Service> {
  if (options.server !== undefined) return openService(options);
  const { operation } = await withService(options, [], (service) => service.get<BatchReply>(`/v1/batches/${id}`));
  return openService(options, [vendorName(operation)]);
}

interface ReportOptions extends ServerOptions {
  output?: string;
  format?: "csv" | "ndjson";
}

/** Writes the report of a batch to a file or to standard output. */
export async function reportBatch(text: string, { output, format, ...options }: ReportOptions): Promise<void> {
  const id = parseId(text);
  await withService(options, [], async (service) => {
    if (output !== undefined && output !== "-") {
      await writeReportFile(service, id, output, format);
      writeError(`Report of batch ${id} written to ${output}`);
      return;
    }
    const { body } = await service.open(toReportPath(id, format === "ndjson" ? ".ndjson" : ".csv"));
    for await (const part of body ?? []) {
      if (!process.stdout.write(part)) await new Promise((resolve) => process.stdout.once("drain", resolve));
    }
  });
}

interface UndoOptions extends RunOptions {
  dryRun?: true;
  yes?: true;
}

/** Prepares the opposite operation on the done items of a batch, or follows a dry run of it to its end. */
export async function undoBatch(text: string, options: UndoOptions): Promise<void> {
  const id = parseId(text);
  const { json, dryRun } = options;
  const interrupt = dryRun && catchInterrupt();
  const service = await openFor(id, options);
  try {
    const body = { ...toAct(options), ...(dryRun && { dry_run: true }) };
    const undo = await service.post<BatchReply>(`/v1/batches/${id}/undo`, body);
    if (interrupt) {
      writeError(`Batch ${undo.id}: dry run of the undo of batch ${id}, nothing is changed; ${describePlace(service)}`);
      return await followBatch(service, undo, { json, report: false, interrupt });
    }
    if (json) printJson(undo);
    else print(describeBatch(undo, service.server));
  } finally {
    await service.close();
  }
}
