/**
 * A JSON parser that behaves like the vendor's: equally lenient, and with the vendor's error messages, which have path, line and
 * position. Integers are exact at any size.
 */
import { createReader, type Opening, type Reader } from "./reader.ts";
import type { JsonNode, JsonValue } from "./value.ts";

/**
 * Parses a text whose root must be an object. Returns its members with their positions. `onName` is called with every property
 * name at any depth.
 *
 * @throws JsonFault
 */
export function parseObject(text: string, onName: (name: string) => void = () => {}): Map<string, JsonNode> {
  const reader = createReader(text);
  let token = reader.next();
  while (token?.type === "Comment") token = reader.next();
  if (!token) throw reader.fault("Error reading JObject from JsonReader.");
  if (token.type !== "StartObject") {
    const found = token.type === "Value" ? tokenNames[token.value.kind] : token.type;
    throw reader.fault(`Error reading JObject from JsonReader. Current JsonReader item is not an object: ${found}`);
  }
  const root = readContent(reader, onName);
  while (reader.next()) {
    // Only comments may follow; the reader throws for any other token.
  }
  return root;
}

const tokenNames = {
  integer: "Integer",
  float: "Float",
  string: "String",
  boolean: "Boolean",
  null: "Null",
  undefined: "Undefined",
};

function readContent(reader: Reader, onName: (name: string) => void): Map<string, JsonNode> {
  const root = new Map<string, JsonNode>();
  /** The open containers inside the root. */
  const open: (JsonValue & { kind: "object" | "array" | "constructor" })[] = [];
  let name = "";
  for (let first = true; ; first = false) {
    const token = reader.next();
    if (!token) {
      throw reader.fault(
        first ? "Error reading JObject from JsonReader." : "Unexpected end of content while loading JObject.",
      );
    }
    if (token.type === "Comment") continue;
    if (token.type === "PropertyName") {
      name = token.name;
      onName(name);
      continue;
    }
    if (token.type === "EndObject" || token.type === "EndArray" || token.type === "EndConstructor") {
      if (open.length === 0) return root;
      open.pop();
      continue;
    }
    const node = startValue(token);
    const parent = open.at(-1);
    if (!parent) root.set(name, Object.assign(node, reader.place()));
    else if (parent.kind === "object") parent.members.set(name, node);
    else parent.items.push(node);
    if (node.kind === "object" || node.kind === "array" || node.kind === "constructor") open.push(node);
  }
}

/** Returns a value from its first token. Containers are still empty. */
function startValue(token: Opening): JsonValue {
  switch (token.type) {
    case "Value":
      return token.value;
    case "StartObject":
      return { kind: "object", members: new Map() };
    case "StartArray":
      return { kind: "array", items: [] };
    case "StartConstructor":
      return { kind: "constructor", name: token.name, items: [] };
  }
}
