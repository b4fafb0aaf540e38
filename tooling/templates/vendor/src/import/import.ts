import { type ImportCounts, type ImportRequest, importRecords } from "@reinstate/batch-core";
import { importedWidget } from "../schemas.ts";
import type { NewWidget, WidgetStore } from "../store/store.ts";

/** Fills an account with widgets from NDJSON, in sets. A line that cannot be imported is reported and skipped. */
export function importWidgets(
  store: WidgetStore,
  source: AsyncIterable<Uint8Array>,
  { account, format, onRefused }: ImportRequest,
  now: number,
): Promise<ImportCounts> {
  return importRecords<NewWidget>(source, {
    format,
    setSize: 500,
    parse(value) {
      const { data, error } = importedWidget.safeParse(value);
      if (!error) return { item: data };
      const [issue] = error.issues;
      return { fault: `${issue?.path.join(".") || "the line"}: ${issue?.message}` };
    },
    async store(widgets) {
      await store.add(account, widgets, now);
      return [];
    },
    onRefused,
  });
}
