import { readFileSync } from "node:fs";
import { join } from "node:path";
import { remember } from "./remember.ts";
import { listFiles } from "./workspace.ts";

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

/** Files that must name such words. */
const exempt = /(^|\/)(CHANGELOG\.md|vocabulary\.ts|house\.test\.ts)$/;

const findFaults = remember(findVocabularyFaults);

/**
 * Finds such words in the sources and pages below a folder.
 *
 * @example findVocabularyFaultsBelow("/repo")
 */
export function findVocabularyFaultsBelow(root: string): string[] {
  return ["packages", "apps", "tooling", "bench", "docs"]
    .flatMap((folder) => listFiles(root, folder))
    .filter((path) => /\.(ts|md)$|(^|\/)package\.json$/.test(path) && !exempt.test(path))
    .flatMap((path) => findFaults(path, readFileSync(join(root, path), "utf8")));
}
