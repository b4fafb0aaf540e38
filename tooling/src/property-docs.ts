import { readFileSync } from "node:fs";
import { parseSync, Visitor } from "rolldown/utils";

/** The doc comment of a property. */
export interface PropertyDoc {
  /** The description in one line. */
  text: string;
  /** The text of `@defaultValue`, if there is one. */
  defaultValue: string | undefined;
}

/**
 * Returns the doc comments of the properties in the object literals of a file, by property name.
 *
 * @throws Error if two properties of one name have a doc comment
 * @example readPropertyDocs("packages/vicidial/src/options.ts").get("leadLimit")?.text // "The maximum number of leads …"
 */
export function readPropertyDocs(file: string): Map<string, PropertyDoc> {
  const source = readFileSync(file, "utf8");
  const { program, comments } = parseSync(file, source, { lang: "ts", astType: "ts" });
  const docs = new Map<string, PropertyDoc>();
  new Visitor({
    Property({ key, start }) {
      if (key.type !== "Identifier") return;
      const comment = comments.find(
        ({ type, value, end }) =>
          type === "Block" && value.startsWith("*") && end <= start && source.slice(end, start).trim() === "",
      );
      if (comment === undefined) return;
      if (docs.has(key.name)) throw new Error(`${file}: ${key.name} has two doc comments`);
      docs.set(key.name, parseDoc(comment.value));
    },
  }).visit(program);
  return docs;
}

/** Reads the text between the slashes of a doc comment. */
function parseDoc(comment: string): PropertyDoc {
  const line = comment
    .replaceAll(/^\s*\*/gm, "")
    .replaceAll(/\s+/g, " ")
    .trim();
  const [text = "", defaultValue] = line.split(" @defaultValue ");
  return { text, defaultValue };
}
