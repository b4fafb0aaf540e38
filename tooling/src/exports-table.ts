import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { listExported, resolveRelative } from "./docstrings.ts";
import { listPublished } from "./workspace.ts";

/** Returns the source file of each entry point of the published packages, by the specifier of its import. */
export function mapEntryPoints(root: string): Map<string, string> {
  const entryPoints = listPublished(root).flatMap((path) => {
    const { name, exports } = JSON.parse(readFileSync(join(root, path, "package.json"), "utf8")) as {
      name: string;
      exports: Record<string, string>;
    };
    return Object.entries(exports).flatMap(([exported, file]) =>
      file.endsWith(".ts") ? [[join(name, exported), join(root, path, file)] as const] : [],
    );
  });
  return new Map(entryPoints);
}

/**
 * Renders the functions, classes and constants of an entry point as a table, each with the first sentence of its docstring.
 *
 * @throws Error if the entry point does not exist
 */
export function renderExports(root: string, specifier: string): string {
  const entryPoints = mapEntryPoints(root);
  const entryPoint = entryPoints.get(specifier);
  if (entryPoint === undefined || !existsSync(entryPoint)) throw new Error(`${specifier} is no entry point`);
  const exported = listExported(entryPoint, (wanted, file) => entryPoints.get(wanted) ?? resolveRelative(wanted, file));
  const purposes = new Map<string, string>();
  for (const { name, isValue, docstring } of exported) {
    if (isValue && !purposes.has(name)) purposes.set(name, readFirstSentence(docstring ?? ""));
  }
  const rows = [...purposes]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, purpose]) => `| \`${name}\` | ${purpose} |\n`);
  return `| export | purpose |\n| --- | --- |\n${rows.join("")}`;
}

function readFirstSentence(docstring: string): string {
  // The items of a list do not belong to the sentence before it.
  const text = docstring
    .replaceAll(/:\n\s*\* -[\s\S]*/g, ".")
    .replaceAll(/^\s*\*/gm, "")
    .replaceAll(/\s+/g, " ")
    .trim();
  const [sentence = ""] = /^.*?\.(?= |$)/.exec(text.replace(/(^| )@.*/, "")) ?? [text];
  return sentence.replaceAll("|", "\\|");
}
