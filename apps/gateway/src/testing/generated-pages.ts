import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { renderExports } from "@reinstate/tooling/exports-table";
import { renderParts } from "@reinstate/tooling/generated-parts";
import { vendors } from "../all-vendors.ts";
import { renderSettings } from "./settings-tables.ts";

const root = fileURLToPath(new URL("../../../..", import.meta.url));

/** The pages of the documentation with generated parts, from the root of the repository. */
export const generatedPages = [
  "docs/reference/configuration.md",
  "docs/reference/packages.md",
  "packages/altcraft/README.md",
  "packages/firstpromoter/README.md",
  "packages/vicidial/README.md",
];

/** Returns the text of a page with its generated parts rendered anew. */
export function renderPage(page: string): string {
  return renderParts(readFileSync(join(root, page), "utf8"), {
    settings: (words) => renderSettings(words, root, vendors),
    exports: ([specifier = ""]) => renderExports(root, specifier),
  });
}
