import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { generatedPages, renderPage } from "./generated-pages.ts";

// `node src/testing/write-reference.ts`: writes the generated parts of the documentation.

const root = fileURLToPath(new URL("../../../..", import.meta.url));

for (const page of generatedPages) writeFileSync(join(root, page), renderPage(page));
