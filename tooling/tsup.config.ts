import { readFileSync } from "node:fs";
import { defineConfig } from "tsup";

// One build for every package: its doors are read from its own `exports`, so none can be forgotten.
const manifest = JSON.parse(readFileSync("package.json", "utf8")) as {
  exports: Record<string, string>;
  bin?: Record<string, string>;
};
const doors = Object.values(manifest.exports).filter((path) => path.endsWith(".ts"));
const bins = Object.values(manifest.bin ?? {});
// An object, because tsup looks a list up in the file system, and the order of what it finds there varies with the load.
// The order decides the names of the shared chunks.
const entry = Object.fromEntries([...doors, ...bins].map((path) => [path.replace(/^(\.\/)?src\/|\.ts$/g, ""), path]));

export default defineConfig({
  entry,
  format: "esm",
  target: "node22",
  platform: "node",
  dts: false,
  splitting: true,
  // The code is not minified, and maps would more than double a package.
  sourcemap: false,
  clean: true,
  // node:sqlite exists only with its prefix.
  removeNodeProtocol: false,
});
