import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { listVariables } from "./config.ts";
import { startGateway } from "./testing/gateway-process.ts";
import * as vendors from "./vendors.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const read = (page: string) => readFileSync(join(root, page), "utf8");

/** Each command of a page with the reply printed under it. */
const readExamples = (page: string) =>
  [...read(page).matchAll(/^```sh\n([\s\S]*?)^```\n\n```json\n([\s\S]*?)^```$/gm)].map((match) => ({
    command: match[1] ?? "",
    reply: JSON.parse(match[2] ?? "") as unknown,
  }));

/** Times and the ids of keys differ from run to run. Everything else must be as printed. */
function omitTimes(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (name, value) => (/_at$|^actor$/.test(name) ? typeof value : value)));
}

describe("the calls of", () => {
  test.each([
    ["README.md", 2],
    ["docs/getting-started.md", 5],
    ["docs/guides/large-batches.md", 1],
  ])("%s get the replies printed under them", async (page, count) => {
    const examples = readExamples(page);
    expect(examples).toHaveLength(count);
    await using database = sqliteDatabase();
    await using gateway = await startGateway({
      REINSTATE_DEMO: "true",
      REINSTATE_DATABASE_URL: database.url,
      LOG_LEVEL: "silent",
    });
    for (const { command, reply } of examples) {
      const here = command.replaceAll("http://127.0.0.1:8787", gateway.baseUrl);
      expect(here).not.toBe(command);
      const printed = execFileSync("bash", ["-c", here], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
      // As text: the order of the members counts too.
      expect(JSON.stringify(omitTimes(JSON.parse(printed)))).toBe(JSON.stringify(omitTimes(reply)));
    }
  });
});

const pages = [
  ...readdirSync(root).filter((name) => name.endsWith(".md")),
  ...(readdirSync(join(root, "docs"), { recursive: true }) as string[]).map((name) => join("docs", name)),
  ...readdirSync(join(root, "packages")).map((name) => join("packages", name, "README.md")),
].filter((name) => name.endsWith(".md") && existsSync(join(root, name)));

describe("the documentation", () => {
  test("has no dead link between its files", () => {
    const dead = pages.flatMap((page) =>
      [...read(page).matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)/g)].flatMap(([, link = ""]) =>
        existsSync(resolve(root, dirname(page), link)) ? [] : [`${page}: ${link}`],
      ),
    );
    expect(dead).toEqual([]);
  });

  test("names every setting", () => {
    const text = pages.map(read).join("\n");
    const camel = (variable: string) =>
      variable
        .replace(/^REINSTATE_[A-Z]+_/, "")
        .toLowerCase()
        .replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    const known = listVariables(Object.values(vendors));
    expect(known.filter((name) => !text.includes(name) && !text.includes(`\`${camel(name)}\``))).toEqual([]);
  });
});
