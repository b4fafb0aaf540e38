import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as vendors from "../vendors.ts";
import { renderSettings, settingsPages } from "./settings-tables.ts";

// `node src/testing/write-settings.ts`: writes the tables of settings into the pages that have one.

const root = fileURLToPath(new URL("../../../..", import.meta.url));

for (const page of settingsPages) {
  const path = join(root, page);
  writeFileSync(path, renderSettings(readFileSync(path, "utf8"), root, Object.values(vendors)));
}
