import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The files of Swagger UI that the reference uses, with their media types. */
export const swaggerFiles: Readonly<Record<string, string>> = {
  // With the character set: without it, browsers misread the script.
  "swagger-ui.css": "text/css; charset=utf-8",
  "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
};

/** Returns the folder of the copies that the build made, or of the development dependency when the source runs. */
function findFolder(): string {
  const built = fileURLToPath(new URL("./swagger-ui/", import.meta.url));
  if (existsSync(built)) return built;
  return dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
}

/** Reads a file of Swagger UI. */
export function readSwaggerFile(name: string): Promise<Uint8Array<ArrayBuffer>> {
  return readFile(join(findFolder(), name)) as Promise<Uint8Array<ArrayBuffer>>;
}
