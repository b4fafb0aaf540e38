import { existsSync, readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { type ESTree, parseSync } from "rolldown/utils";

type Export = ESTree.ExportNamedDeclaration | ESTree.ExportAllDeclaration;

/** A name that a file exports. */
export interface ExportedName {
  name: string;
  /** The file that declares it. */
  file: string;
  /** Whether it exists at run time, as a function, a class or a constant. */
  isValue: boolean;
  /** The text between the slashes of its docstring; undefined if it has none. */
  docstring: string | undefined;
}

/** Returns the file that an import of `specifier` in `file` reads, or undefined for a package that is not listed. */
type Resolve = (specifier: string, file: string) => string | undefined;

/**
 * Finds public names without a docstring, one line each. `entryPoints`: the source files that a package exports; names from other
 * packages belong to those.
 *
 * @example findUndocumented("/repo", ["/repo/packages/vicidial/src/index.ts"]) // ["packages/vicidial/src/create.ts: createVicidial needs a docstring"]
 */
export function findUndocumented(root: string, entryPoints: readonly string[]): string[] {
  const exported = entryPoints.flatMap((entryPoint) => listExported(entryPoint));
  const faults = exported.flatMap(({ name, file, docstring }) =>
    docstring === undefined ? [`${relative(root, file)}: ${name} needs a docstring`] : [],
  );
  return [...new Set(faults)];
}

/** Lists the names that a file exports, also from the files that `resolveImport` finds. */
export function listExported(file: string, resolveImport: Resolve = resolveRelative): ExportedName[] {
  const source = readFileSync(file, "utf8");
  const { program, comments } = parseSync(file, source, { lang: "ts", astType: "ts" });
  const findDocstring = ({ start }: { start: number }) =>
    comments.findLast(
      ({ type, value, end }) =>
        type === "Block" && value.startsWith("*") && end <= start && isBlank(source.slice(end, start)),
    )?.value;
  return program.body.flatMap((statement) => {
    if (statement.type !== "ExportNamedDeclaration" && statement.type !== "ExportAllDeclaration") return [];
    if (statement.source) {
      const target = resolveImport(statement.source.value, file);
      return target === undefined ? [] : selectNames(statement, listExported(target, resolveImport));
    }
    const names = statement.type === "ExportNamedDeclaration" ? listDeclared(statement) : [];
    const isValue = statement.exportKind !== "type";
    return names.map((name) => ({ name, file, isValue, docstring: findDocstring(statement) }));
  });
}

/** Returns the file of a relative import. */
export function resolveRelative(specifier: string, file: string): string | undefined {
  const target = resolve(dirname(file), specifier);
  return specifier.startsWith(".") && existsSync(target) ? target : undefined;
}

/** Reports whether a text has only spaces and comments for the linter. */
const isBlank = (text: string) => text.replace(/^\s*\/\/.*$/gm, "").trim() === "";

/** Selects the names that a statement exports from another file. */
function selectNames(statement: Export, names: readonly ExportedName[]): ExportedName[] {
  if (statement.type === "ExportAllDeclaration") return [...names];
  return statement.specifiers.flatMap(({ local, exported, exportKind }) => {
    const isType = statement.exportKind === "type" || exportKind === "type";
    return names
      .filter(({ name }) => name === readName(local))
      .map((found) => ({ ...found, name: readName(exported), isValue: found.isValue && !isType }));
  });
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
