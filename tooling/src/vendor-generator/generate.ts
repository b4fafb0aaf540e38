import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { listFiles } from "../workspace.ts";
import { rename, render } from "./render.ts";
import type { VendorRequest } from "./request.ts";

const templates = fileURLToPath(new URL("../../templates/vendor", import.meta.url));
const biome = fileURLToPath(new URL("../../../node_modules/.bin/biome", import.meta.url));

/**
 * Writes the package of a new vendor, its changeset, and its lines in the gateway and the README.
 *
 * @returns the paths that were written and changed, relative to the root of the repository.
 */
export function generateVendor(root: string, request: VendorRequest): { written: string[]; changed: string[] } {
  const files = new Map<string, string>();
  for (const path of listFiles(templates, "")) {
    const target = path === "changeset.md" ? ".changeset/acme.md" : `packages/acme/${path}`;
    files.set(rename(target, request), render(readFileSync(join(templates, path), "utf8"), request));
  }
  const changes = new Map(
    registrations(request).map(({ path, change }) => [path, change(readFileSync(join(root, path), "utf8"))]),
  );
  for (const [path, text] of [...files, ...changes]) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  // Names of other lengths break lines elsewhere.
  spawnSync(biome, ["check", "--write", `packages/${request.name}`], { cwd: root, stdio: "ignore" });
  return { written: [...files.keys()].sort(), changed: [...changes.keys()] };
}

/** The files that name every vendor, and what the new one adds to them. */
function registrations({ name }: VendorRequest): { path: string; change(text: string): string }[] {
  return [
    {
      path: "apps/gateway/src/vendors.ts",
      change: (text) => sortExports(`${text.trimEnd()}\nexport const ${name} = () => import("@reinstate/${name}");\n`),
    },
    {
      path: "apps/gateway/package.json",
      change(text) {
        const manifest = JSON.parse(text) as { dependencies: Record<string, string> };
        const dependencies = { ...manifest.dependencies, [`@reinstate/${name}`]: "workspace:^" };
        const sorted = Object.entries(dependencies).sort(([a], [b]) => (a < b ? -1 : 1));
        return `${JSON.stringify({ ...manifest, dependencies: Object.fromEntries(sorted) }, null, 2)}\n`;
      },
    },
    {
      path: "README.md",
      change: (text) => text.replace(/(^packages\/\n(?: {2}.*\n)+)/m, `$1  ${name}/\n`),
    },
  ];
}

/** Sorts the lines that export, as the linter wants them. */
function sortExports(text: string): string {
  const lines = text.trimEnd().split("\n");
  const exports = lines.filter((line) => line.startsWith("export "));
  const readSpecifier = (line: string) => line.slice(line.indexOf('"'));
  exports.sort((a, b) => (readSpecifier(a) < readSpecifier(b) ? -1 : 1));
  return `${[...lines.filter((line) => !line.startsWith("export ")), ...exports].join("\n")}\n`;
}
