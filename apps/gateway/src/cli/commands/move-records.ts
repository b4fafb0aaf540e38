import { Command } from "commander";
import { vendorNames } from "../../load-vendors.ts";
import { printEvent, readHead } from "../progress/events.ts";
import type { BatchReply, OperationReply } from "../service/replies.ts";
import type { Service } from "../service/service.ts";
import { wrongUse } from "../terminal/failure.ts";
import { formatCount, formatItems } from "../terminal/numbers.ts";
import { writeError } from "../terminal/output.ts";
import { confirmMany } from "./confirm.ts";
import { findOperation } from "./find-operation.ts";
import { followBatch } from "./follow-batch.ts";
import { catchInterrupt } from "./interrupt.ts";
import { toCommand } from "./next-command.ts";
import { openService } from "./open-service.ts";
import { addParamOptions } from "./param-options.ts";
import { addRecordOptions, type RecordOptions } from "./record-options.ts";
import { submitRecords } from "./submit-records.ts";

export type Role = "restore" | "archive";

/** Creates the whole command for one vendor, with the params of its operation as options. */
export function createVendorCommand(role: Role, vendor: string, operation: OperationReply): Command {
  const command = new Command(`reinstate ${role} ${vendor}`)
    .description(`${role} records of ${vendor}: the operation ${operation.name} (${operation.label})`)
    .usage("--file <path> | --ids <ranges> [options]")
    .argument("<vendor>")
    .allowExcessArguments()
    .exitOverride()
    .configureHelp({ helpWidth: 80 })
    .configureOutput({ outputError() {} });
  addRecordOptions(command);
  command.optionsGroup("Options of this operation:");
  addParamOptions(command, operation);
  return command;
}

/** Runs `restore` or `archive`. `args`: the arguments after the name of the command. */
export async function moveRecords(role: Role, args: readonly string[], general: RecordOptions): Promise<void> {
  const interrupt = catchInterrupt();
  const vendor = args.find((arg) => !arg.startsWith("-")) ?? "";
  const { server, json = false } = general;
  if (general.file !== undefined || general.ids !== undefined) {
    writeError(`${role} ${vendor}: ${describeSource(general)}`);
  }
  const vendors = server === undefined ? vendorNames : [];
  const chosen = args.find((arg) => vendors.includes(arg)) ?? vendor;
  if (server === undefined && !vendors.includes(chosen)) {
    const what = args[0]?.startsWith("-") !== false ? "No vendor is named" : `There is no vendor ${chosen}`;
    throw wrongUse(what, `name one first: reinstate ${role} ${vendors.join("|")}`);
  }
  const service = await openService(general, [chosen]);
  try {
    const operation = findOperation(await service.operations(), { role, vendor: chosen, target: general.target });
    const command = createVendorCommand(role, chosen, operation).parse([...args], { from: "user" });
    const options = command.opts<RecordOptions & Record<string, unknown>>();
    if (command.args.length > 1) {
      throw wrongUse(`The argument ${command.args[1]} has no meaning`, `to read a file, add --file ${command.args[1]}`);
    }
    const batch = await submitRecords(service, operation, options, interrupt.signal);
    if (json) {
      const { place } = service;
      printEvent({
        event: "accepted",
        ...readHead(batch),
        place,
        server: server ?? null,
        duplicates: batch.duplicates,
      });
    }
    writeError(describeAccepted(batch, service));
    if (!options.yes && !options.dryRun) {
      const resume = toCommand("resume", batch.id, service.server);
      await confirmMany({ verb: role, total: batch.total, resume }, interrupt.signal);
    }
    const begun = await service.post<BatchReply>(`/v1/batches/${batch.id}/resume`);
    await followBatch(service, begun, { json, report: options.report, interrupt });
  } finally {
    await service.close();
  }
}

const describeSource = ({ file, ids }: RecordOptions) =>
  ids !== undefined ? "ids of the command line" : file === "-" ? "reading standard input" : `reading ${file}`;

function describeAccepted({ id, total, duplicates, account, target, dry_run }: BatchReply, { place }: Service): string {
  const parts = [`Batch ${id}: ${formatItems(total)}`];
  if (duplicates > 0) parts.push(`${formatCount(duplicates)} given more than once`);
  if (account !== "") parts.push(`account ${account}`);
  if (target === "upstream") parts.push("at the real vendor");
  if (dry_run) parts.push("dry run, nothing is changed");
  return `${parts.join(", ")}; in ${place}`.replace("in the server", "at the server");
}
