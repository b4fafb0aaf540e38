import { existsSync, readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";

type Graph = Map<string, Set<string>>;

/** Returns what a source imports and re-exports: with the types that vanish from the program, or without. */
export function readSpecifiers(text: string, { types }: { types: boolean }): string[] {
  const statements = text.matchAll(/^\s*(?:import|export)\s+(type\b)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm);
  return [...statements].flatMap(([, type, specifier = ""]) => (types || type === undefined ? [specifier] : []));
}

/**
 * Returns the import cycles of a package, one line each: between files, and between the folders of `src`, so that folders have an
 * order from the last to the first. Files in `src` itself only assemble and may import any folder. The caller leaves tests out.
 *
 * @example findImportCycles("/repo/packages/altcraft/src", files) // ["cycle of files: http/a.ts → http/b.ts → http/a.ts"]
 */
export function findImportCycles(source: string, files: readonly string[]): string[] {
  const fileGraph: Graph = new Map();
  const folderGraph: Graph = new Map();
  for (const file of files) {
    const from = relative(source, file);
    for (const specifier of readSpecifiers(readFileSync(file, "utf8"), { types: true })) {
      if (!specifier.startsWith(".")) continue;
      const target = resolve(dirname(file), specifier);
      if (!existsSync(target)) continue;
      const to = relative(source, target);
      addEdge(fileGraph, from, to);
      const [fromFolder, toFolder] = [toFolderName(from), toFolderName(to)];
      if (fromFolder !== undefined && toFolder !== undefined && fromFolder !== toFolder) {
        addEdge(folderGraph, fromFolder, toFolder);
      }
    }
  }
  return [
    ...findCycles(fileGraph).map((cycle) => `cycle of files: ${cycle.join(" → ")}`),
    ...findCycles(folderGraph).map((cycle) => `cycle of folders: ${cycle.join(" → ")}`),
  ];
}

const toFolderName = (file: string) => (file.includes("/") ? file.split("/")[0] : undefined);

function addEdge(graph: Graph, from: string, to: string): void {
  graph.set(from, (graph.get(from) ?? new Set()).add(to));
}

/** Finds one cycle for each edge that closes one in a walk through the graph. */
function findCycles(graph: Graph): string[][] {
  const cycles: string[][] = [];
  const path: string[] = [];
  const done = new Set<string>();
  const visit = (node: string) => {
    const start = path.indexOf(node);
    if (start !== -1) cycles.push([...path.slice(start), node]);
    if (start !== -1 || done.has(node)) return;
    path.push(node);
    for (const next of graph.get(node) ?? []) visit(next);
    path.pop();
    done.add(node);
  };
  for (const node of graph.keys()) visit(node);
  return cycles;
}
