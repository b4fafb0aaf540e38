/** The capacity of a column: its type with width and words, as information_schema writes it, and its character set. */
export interface ColumnCapacity {
  type: string;
  charset: string | null;
}

/** Bits of integer types. */
export const integerBits: Record<string, number> = { tinyint: 8, smallint: 16, mediumint: 24, int: 32, bigint: 64 };
/** Bytes of text and blob types without a width, by prefix. */
const bytes: Record<string, number> = { tiny: 2 ** 8 - 1, "": 2 ** 16 - 1, medium: 2 ** 24 - 1, long: 2 ** 32 - 1 };

/** Types of which the one with the larger width holds every value of the other. */
const byWidth = ["char", "varchar", "varbinary", "time", "datetime", "timestamp"];

/** Character sets, each of which holds every character of those before it. */
const charsets = ["ascii", "latin1", "utf8", "utf8mb3", "utf8mb4"];

/** Returns the maximum bytes of a character; four for an unknown character set. */
const bytesPerCharacter = (charset: string | null) =>
  ({ ascii: 1, latin1: 1, utf8: 3, utf8mb3: 3 })[charset ?? "ascii"] ?? 4;

/** Returns a character set that holds all characters of both. */
export function widerCharset(one: string, other: string): string {
  if (one === other) return one;
  const places = [one, other].map((charset) => charsets.indexOf(charset));
  return places.includes(-1) ? "utf8mb4" : (charsets[Math.max(...places)] as string);
}

/**
 * Returns the type, in the given character set, that holds every value of both columns: the type of one of them, or an ENUM or SET
 * of all their words. Returns undefined if no such type is known.
 */
export function widerType(one: ColumnCapacity, other: ColumnCapacity, charset: string | null): string | undefined {
  const [ours, theirs] = [growForCharset(one, charset), growForCharset(other, charset)];
  if (canHold(ours, theirs, charset)) return ours;
  if (canHold(theirs, ours, charset)) return theirs;
  const [first, second] = [enumeration(ours), enumeration(theirs)];
  if (!first || !second || first.base !== second.base) return undefined;
  const words = [...new Set([...first.words, ...second.words])];
  // The server merges words that are equal in its collation, so one of them would be lost.
  const alike = new Intl.Collator("en", { sensitivity: "base" });
  if (words.some((word, at) => words.slice(0, at).some((before) => alike.compare(word, before) === 0)))
    return undefined;
  return `${first.base}(${words.join(",")})`;
}

/** True if the first type holds every value of the second, both in this character set. */
export function canHold(type: string, other: string, charset: string | null): boolean {
  if (type === other) return true;
  const [ours, theirs] = [enumeration(type), enumeration(other)];
  if (ours && theirs) return ours.base === theirs.base && theirs.words.every((word) => ours.words.includes(word));
  const [a, b] = [parse(type), parse(other)];
  if (integerBits[a.base] && integerBits[b.base]) return a.least <= b.least && a.most >= b.most;
  if (a.base === "decimal" && b.base === "decimal") {
    const whole = (numbers: number[]) => (numbers[0] ?? 0) - (numbers[1] ?? 0);
    const fits = whole(a.numbers) >= whole(b.numbers) && (a.numbers[1] ?? 0) >= (b.numbers[1] ?? 0);
    return fits && (!a.unsigned || b.unsigned);
  }
  if (a.base === b.base && byWidth.includes(a.base)) return a.width >= b.width;
  // Not the reverse: CHAR loses trailing spaces.
  if (a.base === "varchar" && b.base === "char") return a.width >= b.width;
  const [room, size] = [countBytes(a.base), countBytes(b.base)];
  if (room !== undefined && size !== undefined) return isBlob(a.base) === isBlob(b.base) && room >= size;
  if (room !== undefined && /^(var)?char$/.test(b.base) && !isBlob(a.base)) {
    return room >= b.width * bytesPerCharacter(charset);
  }
  return a.base === "varchar" && size !== undefined && !isBlob(b.base) && a.width >= size;
}

/** Returns a text type with enough bytes for the same number of characters in another character set. */
function growForCharset({ type, charset: from }: ColumnCapacity, to: string | null): string {
  const room = countBytes(type);
  if (room === undefined || isBlob(type) || from === to) return type;
  const needed = room * bytesPerCharacter(to);
  const prefix = Object.keys(bytes).find((prefix) => (bytes[prefix] as number) >= needed) ?? "long";
  return `${prefix}text`;
}

const isBlob = (base: string) => base.endsWith("blob");

function countBytes(base: string): number | undefined {
  const prefix = /^(tiny|medium|long|)(?:text|blob)$/.exec(base)?.[1];
  return prefix === undefined ? undefined : bytes[prefix];
}

function parse(type: string) {
  const base = /^\w+/.exec(type)?.[0] ?? type;
  const numbers = /\(([\d,]+)\)/.exec(type)?.[1]?.split(",").map(Number) ?? [];
  const unsigned = /unsigned/.test(type);
  const size = integerBits[base] ?? 0;
  const [least, most] = unsigned ? [0, 2 ** size] : [-(2 ** (size - 1)), 2 ** (size - 1)];
  return { base, numbers, width: numbers[0] ?? 0, unsigned, least, most };
}

/** Returns the words of an ENUM or SET, quoted for SQL. */
function enumeration(type: string): { base: string; words: string[] } | undefined {
  const base = /^(enum|set)\(/.exec(type)?.[1];
  return base === undefined ? undefined : { base, words: type.match(/'(?:[^']|'')*'/g) ?? [] };
}
