import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { countWords, mean, median, readSentences, readTestNames } from "./prose-figures.ts";

// Prints how long the sentences of the pages and the names of the tests are. At most 17 and 8 words are wanted.
const root = fileURLToPath(new URL("../..", import.meta.url));
const list = (pattern: string) =>
  execFileSync("git", ["ls-files", "-co", "--exclude-standard", pattern], { cwd: root, encoding: "utf8" })
    .split("\n")
    .filter(
      (name) => name !== "" && existsSync(join(root, name)) && !/^\.changeset\/|templates\/|\.api\.md$/.test(name),
    );
const read = (name: string) => readFileSync(join(root, name), "utf8");

const pages = list("*.md").map((name) => ({ name, words: readSentences(read(name)).map(countWords) }));
for (const { name, words } of pages) {
  process.stdout.write(`${mean(words).toFixed(1).padStart(5)} words a sentence  ${name}\n`);
}
const words = pages.flatMap((page) => page.words);
const names = list("*.test.ts").flatMap((name) => readTestNames(read(name)));
process.stdout.write(`\n${mean(words).toFixed(1)} words a sentence in ${words.length} sentences (wanted: 17)\n`);
process.stdout.write(`${median(names.map(countWords))} words a test name, median of ${names.length} (wanted: 8)\n`);
