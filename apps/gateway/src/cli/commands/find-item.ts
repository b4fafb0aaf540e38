import { vendorNames } from "../../load-vendors.ts";
import type { FoundItemsReply } from "../service/replies.ts";
import { wrongUse } from "../terminal/failure.ts";
import { formatTime } from "../terminal/numbers.ts";
import { print, writeError } from "../terminal/output.ts";
import { renderTable } from "../terminal/table.ts";
import { vendorName } from "./find-operation.ts";
import { openService, type ServerOptions } from "./open-service.ts";

interface FindOptions extends ServerOptions {
  operation?: string;
  account?: string;
  batch?: string;
  json?: true;
}

type Found = FoundItemsReply["items"];

/** Lists the outcomes of one item over all batches of a vendor, newest first. */
export async function findItem(vendor: string, text: string, options: FindOptions): Promise<void> {
  const service = await openService(options, [vendor]);
  try {
    const operations = (await service.operations()).filter(({ name }) => vendorName(name) === vendor);
    if (operations.length === 0) {
      const names = options.server === undefined ? vendorNames : [];
      throw wrongUse(
        `There is no vendor ${vendor}`,
        names.length > 0 ? `choose one of ${names.join(", ")}` : undefined,
      );
    }
    const names = [...new Set(operations.map(({ name }) => name))];
    const wanted =
      options.operation === undefined ? names : names.filter((name) => matches(name, options.operation ?? ""));
    if (wanted.length === 0)
      throw wrongUse(`${vendor} has no operation ${options.operation}`, `choose one of ${names.join(", ")}`);
    const found: Found = [];
    for (const operation of wanted) {
      const query = new URLSearchParams({ operation, item: text });
      if (options.account !== undefined) query.set("account", options.account);
      if (options.batch !== undefined) query.set("batch", options.batch);
      found.push(...(await service.get<FoundItemsReply>(`/v1/items?${query}`)).items);
    }
    found.sort((one, other) => other.batch.id - one.batch.id);
    if (options.json) for (const entry of found) print(JSON.stringify(entry));
    else if (found.length > 0) print(renderFound(found));
    else writeError(`No batch of ${vendor} had the item ${text}, in ${service.place}`);
  } finally {
    await service.close();
  }
}

/** Reports whether an operation has this name, or ends with it. */
const matches = (name: string, wanted: string) => name === wanted || name.endsWith(`.${wanted}`);

function renderFound(found: Readonly<Found>): string {
  const rows = found.map(({ batch, outcome, code, message }) => [
    String(batch.id),
    batch.operation + (batch.dry_run ? " (dry run)" : ""),
    outcome ?? "waiting",
    code ?? "",
    formatTime(batch.created_at),
    message ?? "",
  ]);
  return renderTable(["BATCH", "OPERATION", "OUTCOME", "CODE", "CREATED", "MESSAGE"], rows);
}
