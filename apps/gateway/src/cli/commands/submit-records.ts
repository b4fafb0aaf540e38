import { createHash } from "node:crypto";
import type { Input } from "../input/input.ts";
import { openInput } from "../input/open-input.ts";
import { createDisplay } from "../progress/display.ts";
import type { BatchReply, OperationReply } from "../service/replies.ts";
import { ProblemError, type Service } from "../service/service.ts";
import { exitStatus } from "../terminal/exit-statuses.ts";
import { CommandFailure, wrongUse } from "../terminal/failure.ts";
import { formatBytes, formatCount, formatItems, formatTime } from "../terminal/numbers.ts";
import { toCommand } from "./next-command.ts";
import { readParams } from "./param-options.ts";
import type { RecordOptions } from "./record-options.ts";

type Options = RecordOptions & Record<string, unknown>;

/** Validates the records and stores them as a batch that has not started. */
export async function submitRecords(
  service: Service,
  operation: OperationReply,
  options: Options,
  signal: AbortSignal,
): Promise<BatchReply> {
  const input = await openInput(options);
  const { name, format } = input;
  try {
    if (options.column !== undefined && format !== "csv") {
      throw wrongUse(`--column is for CSV, and ${name} is ${format}`, "leave --column out, or add --format csv");
    }
    const query = await describeRequest(operation, options, input);
    return await upload(service, query, input, { signal, isQuiet: options.json === true });
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    throw error.problem.batch === undefined
      ? explainRejected(error, input, operation)
      : await explainDuplicate(error.problem.batch, input, service);
  } finally {
    input.close();
  }
}

/** Returns the query of the call that stores the records. */
async function describeRequest(operation: OperationReply, options: Options, input: Input) {
  const { account, column, target, dryRun, again, maxFailureRate } = options;
  const query: Record<string, string> = {
    operation: operation.name,
    target,
    params: JSON.stringify(readParams(operation, options)),
    prepared: "true",
  };
  if (account !== undefined) query.account = account;
  if (column !== undefined) query.column = column;
  if (dryRun) query.dry_run = "true";
  else {
    const content = [operation.name, target, account ?? "", query.params, column ?? "", await input.digest()];
    query.content = createHash("sha256").update(JSON.stringify(content)).digest("hex");
    if (again) query.again = "true";
  }
  if (maxFailureRate !== undefined) query.max_failure_rate = String(maxFailureRate);
  return query;
}

/** Sends the records, and shows how much of them was read. */
async function upload(
  service: Service,
  query: Record<string, string>,
  { name, format, size, source }: Input,
  { signal, isQuiet }: { signal: AbortSignal; isQuiet: boolean },
): Promise<BatchReply> {
  const display = createDisplay({ isQuiet });
  const whole = size === undefined ? "" : ` of ${formatBytes(size)}`;
  let fault: unknown;
  let read = 0;
  async function* counted() {
    try {
      for await (const part of source) {
        read += part.length;
        display.show(() => `reading ${name}: ${formatBytes(read)}${whole}`);
        yield part;
      }
      display.show(() => `checking and storing ${name}`);
    } catch (error) {
      fault = error;
      throw error;
    }
  }
  try {
    return await service.submit(query, { format, source: counted() }, signal);
  } catch (error) {
    if (fault !== undefined) throw fault;
    if (!signal.aborted) throw error;
    throw new CommandFailure({ what: "Interrupted; nothing was stored", status: exitStatus.interrupted });
  } finally {
    display.end();
  }
}

/** Explains that a batch had the same records, with the command that continues it. */
async function explainDuplicate(id: number, { name }: Input, service: Service): Promise<CommandFailure> {
  const first = await service.get<BatchReply>(`/v1/batches/${id}`);
  const isOver = first.status === "completed" || first.status === "failed";
  const next = isOver
    ? `${toCommand("show", id, service.server)} shows it`
    : `${toCommand("resume", id, service.server)} continues it`;
  const { status, processed, total, created_at } = first;
  return wrongUse(
    `${name} was run before, as batch ${id}; nothing was changed`,
    `${next}; --again runs the records once more`,
    `batch ${id} of ${formatTime(created_at)} is ${status}, with ${formatCount(processed)} of ${formatCount(total)} finished`,
  );
}

/** Explains why the records or the params were rejected. */
function explainRejected(error: ProblemError, { name, unit }: Input, operation: OperationReply): CommandFailure {
  const { problem, failure } = error;
  if (problem.status !== 422 || !problem.errors) return error;
  const ofItems = problem.errors.some(({ path }) => /^(line|body)\b/.test(path));
  if (!ofItems) {
    const fix = `reinstate ${operation.role} ${operation.name.split(".")[0]} --help explains the options`;
    const details = problem.errors.map(({ path, message }) => `${path}: ${message}`);
    return new CommandFailure({ ...failure, what: "The options are not accepted; nothing was changed", details, fix });
  }
  const details = problem.errors.map(({ path, message }) => {
    const place = unit === "element" ? path.replace(/^line/, "element") : path;
    return `${place === "body" ? name : place}: ${message.replaceAll("?column=", "--column")}`;
  });
  const { bad_rows: badRows = 0 } = problem;
  return new CommandFailure({
    what: `${name} ${badRows === 0 ? "is not accepted" : `has ${formatItems(badRows, "bad row")}`}; nothing was changed`,
    details,
    why: badRows > details.length ? `these are the first ${formatCount(details.length)}` : undefined,
    fix: `correct ${badRows === 0 ? name : `these rows in ${name}`}, then repeat the command`,
    status: exitStatus.wrongUse,
  });
}
