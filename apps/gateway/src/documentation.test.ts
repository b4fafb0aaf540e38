import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { mapEntryPoints } from "@reinstate/tooling/exports-table";
import { listFiles } from "@reinstate/tooling/workspace";
import { describe, expect, test } from "vitest";
import { vendors } from "./all-vendors.ts";
import { listVariables } from "./config.ts";
import { startGateway } from "./testing/gateway-process.ts";
import { generatedPages, renderPage } from "./testing/generated-pages.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const read = (page: string) => readFileSync(join(root, page), "utf8");

/** Each command of a page with the reply printed under it, if there is one. */
const readExamples = (page: string) =>
  [...read(page).matchAll(/^```sh\n([\s\S]*?)^```$(?:\n\n```json\n([\s\S]*?)^```$)?/gm)].map(
    ([, command = "", reply]) => ({ command, reply: reply && (JSON.parse(reply) as unknown) }),
  );

/** Times and the ids of keys differ from run to run. Everything else must be as printed. */
function omitTimes(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (name, value) => (/_at$|^at$|^actor$/.test(name) ? typeof value : value)));
}

describe("the calls of", () => {
  test.each([
    ["README.md", 2],
    ["docs/getting-started.md", 5],
    ["docs/guides/large-batches.md", 1],
    ["docs/guides/retries-and-failures.md", 2],
    ["docs/guides/idempotency.md", 1],
    ["docs/guides/dry-run-and-undo.md", 5],
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
      const strict = `curl() { command curl --fail-with-body "$@"; }\n${here}`;
      const printed = execFileSync("bash", ["-c", strict], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
      if (reply === undefined) continue;
      // As text: the order of the members counts too.
      expect(JSON.stringify(omitTimes(JSON.parse(printed)))).toBe(JSON.stringify(omitTimes(reply)));
    }
  });
});

const pages = [
  ...readdirSync(root).filter((name) => name.endsWith(".md")),
  ...(readdirSync(join(root, "docs"), { recursive: true }) as string[]).map((name) => join("docs", name)),
  "examples/README.md",
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

  test("explains every code of errors", () => {
    const source = read("packages/batch-core/src/errors/errors.ts");
    const [, union = ""] = /type ReinstateErrorCode =([^;]+);/.exec(source) ?? [];
    const [, kinds = ""] =
      /type VendorErrorKind =([^;]+);/.exec(read("packages/batch-core/src/client/vendor-error.ts")) ?? [];
    const words = [...`${union}${kinds}`.matchAll(/"(\w+)"/g)].map(([, word = ""]) => word);
    expect(words.length).toBeGreaterThan(15);
    const page = read("docs/reference/errors.md");
    expect(words.filter((word) => !page.includes(`| \`${word}\` |`))).toEqual([]);
  });

  test.each(generatedPages)("has fresh tables in %s", (page) => {
    expect(read(page), "run npx -y pnpm@10.34.8 reference").toBe(renderPage(page));
  });

  test("lists the exports that the API reports record", () => {
    const packages = read("docs/reference/packages.md");
    for (const specifier of mapEntryPoints(root).keys()) {
      const [, table = ""] = packages.split(`<!-- exports: ${specifier} -->`);
      const listed = [...(table.split("<!-- end -->")[0] ?? "").matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
      const report = read(`tooling/api/${specifier.replace("@reinstate/", "").replace("/", "-")}.api.md`);
      const values = report.matchAll(/^export (?:class|const|function) (\w+)|^export \{ \w+ as (\w+) \}/gm);
      const recorded = [...values].map(([, name, alias]) => name ?? alias).filter((name) => name !== "Request");
      expect(listed, specifier).toEqual([...new Set(recorded)].sort());
    }
  });

  test("quotes only messages that the programs have", () => {
    const sources = ["packages", "apps"].flatMap((folder) => listFiles(root, folder));
    const text = sources
      .filter((file) => /\.ts$/.test(file) && !/\.test\.ts$|\/testing\/|\/fixtures\//.test(file))
      .map((file) => read(file).replaceAll(/\$\{[^{}]*\}/g, "…"))
      .join("\n");
    const cells = [...read("docs/troubleshooting.md").matchAll(/^\| (.+?) \|/gm)].map(([, cell = ""]) => cell);
    const spans = cells.flatMap((cell) => [...cell.matchAll(/(`+) ?(.+?) ?\1/g)].map(([, , span = ""]) => span));
    const messages = spans.filter((span) => span.includes(" "));
    expect(messages.length).toBeGreaterThan(30);
    expect(messages.filter((message) => !text.includes(message))).toEqual([]);
  });

  test("names every setting", () => {
    const page = read("docs/reference/configuration.md");
    expect(listVariables(vendors).filter((name) => !page.includes(`| \`${name}\` |`))).toEqual([]);
  });
});
