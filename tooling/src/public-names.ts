import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { listPublished } from "./workspace.ts";

/** A report that lists the public names of a package, for each of its entry points. */
export const reportFile = "public-names.txt";

const listPattern = /^export (type )?\{([^}]*)\}/gm;
const starPattern = /^export (?:type )?\* (?:as (\w+) )?from "([^"]+)"/gm;
const declarationPattern =
  /^export (?:declare )?(?:abstract )?(?:async )?(const|let|function\*?|class|interface|type|enum) (\w+)/gm;

/**
 * Returns the names that a source file exports, with `type` before names that exist only for the compiler.
 *
 * @throws `Error` for an export in a form that a report cannot name.
 */
export function listPublicNames(file: string): string[] {
  const text = readFileSync(file, "utf8");
  const names = new Set<string>();
  let forms = 0;
  for (const [, type = "", list = ""] of text.matchAll(listPattern)) {
    forms++;
    for (const entry of list.replace(/\/\/.*|\/\*[\s\S]*?\*\//g, "").split(",")) {
      const [, ownType = "", name] = /^\s*(type )?(?:\w+ as )?(\w+)\s*$/.exec(entry) ?? [];
      if (name !== undefined) names.add(`${type || ownType}${name}`);
    }
  }
  for (const [, kind, name] of text.matchAll(declarationPattern)) {
    forms++;
    names.add(kind === "interface" || kind === "type" ? `type ${name}` : `${name}`);
  }
  for (const [, name, from = ""] of text.matchAll(starPattern)) {
    forms++;
    if (name !== undefined) names.add(name);
    else if (from.startsWith(".")) for (const inner of listPublicNames(join(dirname(file), from))) names.add(inner);
    else names.add(`everything of ${from}`);
  }
  if (forms !== (text.match(/^export\b/gm) ?? []).length) throw new Error(`${file} has an export of an unknown form`);
  return [...names].sort();
}

/** Returns the report of a published package. */
export function renderPublicNames(root: string, path: string): string {
  const { name, exports } = JSON.parse(readFileSync(join(root, path, "package.json"), "utf8")) as {
    name: string;
    exports: Record<string, string>;
  };
  return Object.entries(exports)
    .filter(([, file]) => file.endsWith(".ts"))
    .map(([door, file]) => {
      const names = listPublicNames(join(root, path, file));
      return [`# ${join(name, door)}`, ...names].join("\n");
    })
    .join("\n\n")
    .concat("\n");
}

// `node public-names.ts` writes the reports.
const [, program = ""] = process.argv;
if (import.meta.url === pathToFileURL(program).href) {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  for (const path of listPublished(root)) writeFileSync(join(root, path, reportFile), renderPublicNames(root, path));
}
