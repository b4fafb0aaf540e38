import { existsSync, readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { type ESTree, parseSync } from "rolldown/utils";

type Export = ESTree.ExportNamedDeclaration | ESTree.ExportAllDeclaration;

/**
 * Finds public names without a docstring, one line each. `entryPoints`: the source files that a package exports; names from other
 * packages belong to those.
 *
 * @example findUndocumented("/repo", ["/repo/packages/vicidial/src/index.ts"]) // ["packages/vicidial/src/create.ts: createVicidial needs a docstring"]
 */
export function findUndocumented(root: string, entryPoints: readonly string[]): string[] {
  const faults = new Set<string>();
  for (const entryPoint of entryPoints) {
    for (const fault of checkExports(root, entryPoint, undefined)) faults.add(fault);
  }
  return [...faults];
}

/** Reports whether a text has only spaces and comments for the linter. */
const isBlank = (text: string) => text.replace(/^\s*\/\/.*$/gm, "").trim() === "";

/** Checks the exports of a file: these names, or all. */
function checkExports(root: string, file: string, wanted: ReadonlySet<string> | undefined): string[] {
  const source = readFileSync(file, "utf8");
  const { program, comments } = parseSync(file, source, { lang: "ts", astType: "ts" });
  const isDocumented = ({ start }: { start: number }) =>
    comments.some(
      ({ type, value, end }) =>
        type === "Block" && value.startsWith("*") && end <= start && isBlank(source.slice(end, start)),
    );
  const follow = (specifier: string, names: ReadonlySet<string> | undefined) => {
    const target = resolve(dirname(file), specifier);
    return specifier.startsWith(".") && existsSync(target) ? checkExports(root, target, names) : [];
  };
  return program.body.flatMap((statement) => {
    if (statement.type !== "ExportNamedDeclaration" && statement.type !== "ExportAllDeclaration") return [];
    if (statement.source) return follow(statement.source.value, listFollowed(statement, wanted));
    const names = statement.type === "ExportNamedDeclaration" ? listDeclared(statement) : [];
    const missing = names.filter((name) => (wanted?.has(name) ?? true) && !isDocumented(statement));
    return missing.map((name) => `${relative(root, file)}: ${name} needs a docstring`);
  });
}

/** Lists the names to look for in the file that a statement exports from; undefined for all. */
function listFollowed(statement: Export, wanted: ReadonlySet<string> | undefined): ReadonlySet<string> | undefined {
  if (statement.type === "ExportAllDeclaration") return wanted;
  const names = statement.specifiers.flatMap(({ local, exported }) => {
    const isWanted = wanted?.has(readName(exported)) ?? true;
    return isWanted ? [readName(local)] : [];
  });
  return new Set(names);
}

const readName = (name: ESTree.ModuleExportName) => (name.type === "Literal" ? name.value : name.name);

/** Lists the names that an exported declaration declares. */
function listDeclared({ declaration }: ESTree.ExportNamedDeclaration): string[] {
  if (!declaration) return [];
  if (declaration.type === "VariableDeclaration") {
    return declaration.declarations.flatMap(({ id }) => (id.type === "Identifier" ? [id.name] : []));
  }
  return "id" in declaration && declaration.id?.type === "Identifier" ? [declaration.id.name] : [];
}
