import { invalidRequest, type ReinstateError } from "../errors/errors.ts";
import { columnName } from "../operation/column-name.ts";
import { findFlags, readSafetyFlags } from "../safety-flags/safety-flags.ts";
import { readJson } from "../text/json-text.ts";
import { showControls } from "../text/show-value.ts";
import { parseInteger } from "./integer-text.ts";
import type { ItemShape, Kind } from "./item-shape.ts";
import type { CellsReader, OpenTable } from "./read-csv.ts";

/** Maximum length of names in a message, in characters. */
const namesShown = 500;

/** Maximum nesting of a column name: `cc_data.id` has two levels. */
const deepestField = 16;

const list = (names: readonly string[]) => names.join(", ").slice(0, namesShown);

/**
 * Returns the field of each column, undefined for a column that is not read.
 *
 * @throws ReinstateError `invalid_request` if two columns map to the same field, or if an unknown column resembles a safety flag
 */
export function mapColumns(
  header: readonly string[],
  line: number,
  fieldOf: (name: string) => string | undefined,
): (string | undefined)[] {
  const names = new Map<string, string>();
  return header.map((name) => {
    const field = fieldOf(name);
    if (field === undefined) {
      rejectFlagColumns([name]);
      return undefined;
    }
    const rival = names.get(field);
    if (rival !== undefined)
      throw invalidColumns(line, `the columns ${rival} and ${name} are both for ${field}; keep one`);
    names.set(field, name);
    return field;
  });
}

/** How a table names its items: by the operation's own columns, by `id`, or by the column that the caller names. */
export interface ItemColumns {
  /** The operation's own names for the id column, in order of precedence. */
  own: readonly string[];
  /** The column that the caller names. */
  named?: string | undefined;
}

/** Opens a table of items. Objects are read from a column for each field, other items from one column. */
export function itemTable(shape: ItemShape, columns: ItemColumns): OpenTable {
  return (header, line) => {
    rejectFlagColumns(header);
    if (shape.objects) return { read: readFields(header, line, shape, columns) };
    // A first line that does not look like a name is an invalid item, so no item is lost as a header.
    const isHeader = header.length > 1 || columns.named !== undefined || /^[\p{L}_]/u.test(header[0] ?? "");
    if (shape.integers && !isHeader) return { read: readCell(0, "line", shape), isHeaderless: true };
    const place = pickColumn(header, line, columns);
    return { read: readCell(place, header[place] as string, shape) };
  };
}

/** Returns the index of the id column. */
function pickColumn(header: readonly string[], line: number, { own, named }: ItemColumns): number {
  const find = (isWanted: (name: string) => boolean) => header.flatMap((name, at) => (isWanted(name) ? [at] : []));
  const pick = (wanted: readonly string[]): number | undefined => {
    const exact = named === undefined ? [] : find((name) => wanted.includes(name));
    const places = exact.length > 0 ? exact : find((name) => wanted.map(columnName).includes(columnName(name)));
    if (places.length < 2) return places[0];
    const rivals = places.map((at) => header[at] as string);
    const hint =
      new Set(rivals).size === rivals.length
        ? "name one of them by ?column="
        : "rename one, or name another by ?column=";
    throw invalidColumns(line, `the columns ${list(rivals)} could all hold the ids; ${hint}`);
  };
  const place = named === undefined ? (pick(own) ?? pick(["id"])) : pick([named]);
  if (place !== undefined) return place;
  if (named === undefined && header.length === 1 && isShortName(columnName(header[0] as string), own)) return 0;
  const names = named === undefined ? [...own, "id"] : [named];
  throw invalidColumns(
    line,
    `there is no column ${names.join(" or ")} (there are: ${list(header)}); ?column= names another`,
  );
}

/** Reports whether a single column is named after the records: `lead`, `leads`, `lead_ids` or `ids` for `lead_id`. */
function isShortName(name: string, own: readonly string[]): boolean {
  const singular = name.replace(/s$/, "");
  return [...own.map(columnName), "id"].some((known) => singular === known || `${singular}_id` === known);
}

function readCell(place: number, name: string, shape: ItemShape): CellsReader {
  const kinds = shape.kindsAt([]);
  return (cells) => {
    const cell = cells[place] as string;
    if (cell === "" && shape.integers) return { fault: `has no ${name}` };
    return convert(cell, kinds);
  };
}

/** Reads rows as objects. `cc_data.id` is a nested field; an empty cell is a missing field. */
function readFields(header: readonly string[], line: number, shape: ItemShape, columns: ItemColumns): CellsReader {
  if (columns.named !== undefined) {
    throw invalidRequest({ path: "column", message: "these items have a column for each field" });
  }
  const paths = header.map((name) => name.split("."));
  const names = new Set(header);
  for (const [place, path] of paths.entries()) {
    if (path.length > deepestField || path.some((step) => step === "" || step === "__proto__")) {
      throw invalidColumns(line, `the column ${place + 1} has no name that a field can have`);
    }
    for (let depth = 1; depth < path.length; depth++) {
      const outer = path.slice(0, depth).join(".");
      if (names.has(outer)) throw invalidColumns(line, `the columns ${outer} and ${header[place]} are for one field`);
    }
  }
  mapColumns(header, line, (name) => name.replace(/^[^.]*/, columnName));
  const kinds = paths.map((path) => shape.kindsAt(path));
  // A cell stays text if the schema allows text. If it allows another type too, that is the second reading.
  const isOpen = kinds.some((kinds) => isText(kinds) && kinds.size > 1);
  const build = (cells: readonly string[], isSecond: boolean) => {
    const item: Fields = {};
    for (const [place, cell] of cells.entries()) {
      if (cell === "") continue;
      const kind = kinds[place] as Set<Kind>;
      const read = isText(kind) && !isSecond ? { value: cell } : convert(cell, kind);
      if ("fault" in read) return { fault: `${header[place]}: ${read.fault}` };
      put(item, paths[place] as string[], read.value);
    }
    return { value: item };
  };
  return (cells) => {
    const first = build(cells, false);
    if (!isOpen || "fault" in first) return first;
    return {
      value: first.value,
      second: () => {
        const second = build(cells, true);
        return "fault" in second ? undefined : second.value;
      },
    };
  };
}

/** Rejects an unknown column that resembles a safety flag. Ignoring it would turn a dry run into a real one. */
function rejectFlagColumns(header: readonly string[]): void {
  readSafetyFlags({ place: "body", fields: findFlags(header.map((name) => [name, undefined])) });
}

type Fields = { [name: string]: unknown };

function put(item: Fields, path: readonly string[], value: unknown): void {
  let at = item;
  for (const step of path.slice(0, -1)) {
    if (!Object.hasOwn(at, step)) at[step] = {};
    at = at[step] as Fields;
  }
  at[path.at(-1) as string] = value;
}

const isText = (kinds: ReadonlySet<Kind>) => kinds.size === 0 || kinds.has("string") || kinds.has("any");

/** Converts a cell to the first type that it can have; else it stays text, which the schema rejects. */
function convert(cell: string, kinds: ReadonlySet<Kind>): { value: unknown } | { fault: string } {
  if (kinds.has("boolean") && /^(true|false)$/i.test(cell)) return { value: cell.toLowerCase() === "true" };
  if (kinds.has("null") && cell === "null") return { value: null };
  if ((kinds.has("array") && cell.startsWith("[")) || (kinds.has("object") && cell.startsWith("{"))) {
    const read = readJson(cell);
    return read.fault === undefined ? read : { value: cell };
  }
  if (kinds.has("number") && /^-?\d+(\.\d+)?$/.test(cell)) return { value: Number(cell) };
  if (!kinds.has("integer")) return { value: cell };
  const { integer, fault } = parseInteger(cell);
  if (fault === undefined) return { value: integer };
  return isText(kinds) ? { value: cell } : { fault };
}

/**
 * Creates the error of an invalid header.
 *
 * @example throw invalidColumns(line, "there is no column email");
 */
export function invalidColumns(line: number, message: string): ReinstateError {
  return invalidRequest({ path: `line ${line}`, message: showControls(message) });
}
