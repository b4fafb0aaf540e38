import { copyFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

/** The files that the API reference serves, and those that its licence requires. */
const files = ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "LICENSE", "NOTICE"];

/**
 * Copies Swagger UI beside a built program. It is a development dependency, because the package brings install-time telemetry.
 *
 * @param packageFolder - The package that depends on `swagger-ui-dist`.
 * @param target - The folder of the copies.
 */
export function copySwaggerUi(packageFolder: string, target: string): void {
  const require = createRequire(join(resolve(packageFolder), "package.json"));
  const source = dirname(require.resolve("swagger-ui-dist/package.json"));
  mkdirSync(target, { recursive: true });
  for (const file of files) copyFileSync(join(source, file), join(target, file));
}

// `node swagger-ui.ts TARGET`, in the folder of the package.
const [, program = "", target] = process.argv;
if (import.meta.url === pathToFileURL(program).href && target !== undefined) copySwaggerUi(process.cwd(), target);
