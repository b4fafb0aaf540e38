import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A word that we do not use, with the word to use for it. */
export interface Replacement {
  pattern: RegExp;
  instead: string;
}

/** Names and words that had a private meaning here, or that hide who acts. */
export const replacements: readonly Replacement[] = [
  { pattern: /\b(?:function\*?|const|let) [a-z]\w*Of\b(?!\w)/, instead: "a verb: parse…, find…, read…, to…" },
  { pattern: /\b(?:sharesCommit|createTogether)\b|\.together\(/, instead: "groupCommit" },
  { pattern: /\bNotNow\b/, instead: "DeferUntil" },
  { pattern: /\bneighbourhood/i, instead: "id block, network" },
  { pattern: /\bputBack\b/, instead: "release" },
  { pattern: /\btakeIn\b|\bDesk\b/, instead: "readItems, ItemCollector" },
  { pattern: /\bFates?\b|\bfates?\b/, instead: "result, outcome" },
  { pattern: /\bStanding\b/, instead: "LeadState, ConsentStatus" },
  { pattern: /\bcompanions?\b/i, instead: "related records" },
  { pattern: /\btwins?\b/i, instead: "duplicates" },
  {
    pattern: /\b(?:nobody|somebody|whoever|anybody|whomever)\b/i,
    instead: "the actor: caller, client, worker, operator",
  },
  { pattern: /\blet go of\b|\bput right\b|\bpass(?:es|ed) over\b/i, instead: "release, recover, skip" },
  { pattern: /\blaws?\b/i, instead: "guarantee" },
];

/**
 * Finds words that we do not use, one line each.
 *
 * @example findVocabularyFaults("docs/a.md", "Whoever calls") // ["docs/a.md:1: \"Whoever\": say the actor: …"]
 */
export function findVocabularyFaults(file: string, text: string): string[] {
  return text.split("\n").flatMap((line, index) =>
    replacements.flatMap(({ pattern, instead }) => {
      const [found] = pattern.exec(line) ?? [];
      return found === undefined ? [] : [`${file}:${index + 1}: "${found}": say ${instead}`];
    }),
  );
}

/**
 * Finds such words in the sources and pages below a folder, but in this list, in its test, and in texts that are generated.
 *
 * @example findVocabularyFaultsBelow("/repo")
 */
export function findVocabularyFaultsBelow(root: string): string[] {
  const folders = ["packages", "apps", "tooling", "bench", "docs"].filter((name) => existsSync(join(root, name)));
  return folders
    .flatMap((folder) =>
      (readdirSync(join(root, folder), { recursive: true }) as string[]).map((name) => join(folder, name)),
    )
    .filter((name) => /\.(ts|md)$/.test(name) && !/node_modules|\/dist\/|CHANGELOG|vocabulary|house\.test/.test(name))
    .flatMap((name) => findVocabularyFaults(name, readFileSync(join(root, name), "utf8")));
}
