import { vendors } from "../../all-vendors.ts";
import { listSettings } from "../../config-sources.ts";
import { readSettingsSource, settings } from "../context.ts";
import { print, writeError } from "../terminal/output.ts";
import { renderTable } from "../terminal/table.ts";

/** Shows each setting with its source, and checks all of them. */
export async function checkConfig({ json }: { json?: true }): Promise<void> {
  const listed = listSettings(readSettingsSource(vendors));
  // Throws for a value that is malformed.
  settings(vendors);
  if (json) {
    for (const { name, value, source } of listed) print(JSON.stringify({ name, value: value ?? null, source }));
    return;
  }
  print(
    renderTable(
      ["SETTING", "VALUE", "SOURCE"],
      listed.map(({ name, value, source }) => [name, value ?? "-", source]),
    ),
  );
  writeError("All settings are valid");
}
