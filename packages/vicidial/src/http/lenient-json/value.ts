/** A value with its path, and with the line and position after it. */
export type JsonNode = JsonValue & { path: string; line: number; position: number };

export type JsonValue =
  | { kind: "integer"; value: bigint }
  /** `text` is the number as it was written. */
  | { kind: "float"; text: string }
  | { kind: "string"; value: string }
  | { kind: "boolean"; value: boolean }
  | { kind: "null" }
  /** The word `undefined`, or an empty place between two commas. */
  | { kind: "undefined" }
  | { kind: "array"; items: JsonValue[] }
  /** A constructor call, as `new Date(1)`. */
  | { kind: "constructor"; name: string; items: JsonValue[] }
  /** The last value of a repeated name counts. */
  | { kind: "object"; members: Map<string, JsonValue> };

/** Returns a value as JSON, as the vendor echoes it: integers exact, floats as they were written. */
export function toText(value: JsonValue): string {
  switch (value.kind) {
    case "integer":
      return value.value.toString();
    case "float":
      if (/^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?$/i.test(value.text)) return value.text;
      return Number.isFinite(Number(value.text)) ? String(Number(value.text)) : JSON.stringify(value.text);
    case "string":
      return JSON.stringify(value.value);
    case "boolean":
      return String(value.value);
    case "null":
    case "undefined":
      return "null";
    case "array":
      return `[${value.items.map(toText).join(",")}]`;
    case "constructor":
      // JSON has no such value, so it becomes a string.
      return JSON.stringify(`new ${value.name}(${value.items.map(toText).join(",")})`);
    case "object":
      return `{${[...value.members].map(([name, member]) => `${JSON.stringify(name)}:${toText(member)}`).join(",")}}`;
  }
}
