import { type ImportCounts, type ImportRequest, readRecords } from "@reinstate/batch-core";
import { importedWidget } from "../schemas.ts";
import type { NewWidget, WidgetStore } from "../store/store.ts";

/** Fills an account with widgets from NDJSON, in sets. A line that cannot be imported is reported and skipped. */
export async function importWidgets(
  store: WidgetStore,
  source: AsyncIterable<Uint8Array>,
  { account, onRefused }: ImportRequest,
  now: number,
): Promise<ImportCounts> {
  const counts: ImportCounts = { imported: 0, refused: 0 };
  for await (const rows of readRecords(source, { format: "ndjson" })) {
    const widgets: NewWidget[] = [];
    for (const row of rows) {
      const read = row.fault === undefined ? importedWidget.safeParse(row.value) : undefined;
      if (read?.success) widgets.push(read.data);
      else {
        const [issue] = read?.error.issues ?? [];
        onRefused({ line: row.line, message: row.fault ?? `${issue?.path.join(".") || "the line"}: ${issue?.message}` });
        counts.refused++;
      }
    }
    await store.add(account, widgets, now);
    counts.imported += widgets.length;
  }
  return counts;
}
