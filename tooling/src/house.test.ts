import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { maxOwnLines } from "./function-length.ts";
import { inspect } from "./house.ts";

const makeLongFunction = (name: string, lines: number) =>
  `function ${name}() {\n${Array.from({ length: lines - 2 }, () => "  go();").join("\n")}\n}`;

const root = fileURLToPath(new URL("../..", import.meta.url));

test("the repository keeps the house rules", () => {
  expect(inspect(root)).toEqual([]);
});

/** Makes a copy of a folder equal to it again, without what is installed and built. */
function renewCopy(folder: string, copy: string): void {
  const isEqual = (source: string, target: string) =>
    existsSync(target) && Math.abs(statSync(source).mtimeMs - statSync(target).mtimeMs) < 1;
  cpSync(folder, copy, {
    recursive: true,
    preserveTimestamps: true,
    filter: (source, target) =>
      !/node_modules|\/dist(\/|$)|\.turbo/.test(source) && (statSync(source).isDirectory() || !isEqual(source, target)),
  });
  for (const path of readdirSync(copy, { recursive: true, encoding: "utf8" })) {
    if (!existsSync(join(folder, path))) rmSync(join(copy, path), { recursive: true, force: true });
  }
}

describe("a planted fault is found", () => {
  // Copied once, because a copy takes longer than the check.
  const copy = mkdtempSync(join(tmpdir(), "reinstate-house-"));
  const path = (file: string) => join(copy, file);
  const append = (file: string, line: string) =>
    writeFileSync(path(file), `${readFileSync(path(file), "utf8")}\n${line}\n`);

  beforeEach(() => {
    for (const folder of ["packages", "apps"]) renewCopy(join(root, folder), join(copy, folder));
  });
  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  const faults: [string, () => void, RegExp][] = [
    [
      "a vendor without a file",
      () => rmSync(path("packages/altcraft/src/create.ts")),
      /altcraft lacks src\/create\.ts/,
    ],
    [
      "a vendor that imports a vendor",
      () => append("packages/altcraft/src/subscriptions/rules.ts", 'import "@reinstate/vicidial";'),
      /altcraft\/src\/subscriptions\/rules\.ts imports @reinstate\/vicidial/,
    ],
    [
      "a core that imports a vendor",
      () => append("packages/batch-core/src/batch/chunk-codec.ts", 'export { x } from "@reinstate/vicidial";'),
      /batch-core\/src\/batch\/chunk-codec\.ts imports/,
    ],
    [
      "a client that imports the routes",
      () => append("packages/vicidial/src/client.ts", 'import { x } from "./http/routes.ts";'),
      /vicidial\/src\/client\.ts reaches http\/routes\.ts/,
    ],
    [
      "a vendor without a model",
      () => rmSync(path("packages/altcraft/src/subscriptions/rules.ts")),
      /altcraft needs one model folder with a rules\.ts/,
    ],
    [
      "a vendor without its contract",
      () => rmSync(path("packages/vicidial/src/vendor.test.ts")),
      /vicidial\/src\/vendor\.test\.ts must run vendorContract/,
    ],
    [
      "a cycle of files",
      () => append("packages/batch-core/src/text/issue.ts", 'import type { X } from "./own-text.ts";'),
      /batch-core: cycle of files: text\/issue\.ts → text\/own-text\.ts → text\/issue\.ts/,
    ],
    [
      "a folder that imports a folder above it",
      () => append("packages/vicidial/src/leads/move-types.ts", 'import type { X } from "../store/lead-store.ts";'),
      /vicidial: cycle of folders: .*leads → store/,
    ],
    [
      "an import around a port",
      () => append("packages/altcraft/src/operations/operations.ts", 'import type { X } from "../consent/guard.ts";'),
      /altcraft\/src\/operations\/operations\.ts imports \.\.\/consent\/guard\.ts; import .*consent\/port\.ts/,
    ],
    [
      "a folder without its port",
      () => rmSync(path("packages/altcraft/src/consent/port.ts")),
      /altcraft\/src\/consent lacks its port port\.ts/,
    ],
    [
      "a word that we do not use",
      () => append("packages/vicidial/src/options.ts", "// Whoever reads this."),
      /vicidial\/src\/options\.ts:\d+: "Whoever": say the actor/,
    ],
    [
      "a function that is no verb",
      () => append("packages/vicidial/src/options.ts", "export const nameOf = (x: string) => x;"),
      /vicidial\/src\/options\.ts:\d+: "const nameOf": say a verb/,
    ],
    [
      "a public name without a docstring",
      () => append("packages/vicidial/src/schemas.ts", "export const undescribed = 1;"),
      /vicidial\/src\/schemas\.ts: undescribed needs a docstring/,
    ],
    [
      "a long function",
      () => append("packages/vicidial/src/options.ts", makeLongFunction("run", maxOwnLines + 1)),
      /vicidial\/src\/options\.ts:\d+: run has 61 lines; split it/,
    ],
    [
      "a long factory",
      () => {
        const parts = Array.from({ length: 4 }, (_, index) => makeLongFunction(`run${index}`, 50));
        append("apps/gateway/src/config.ts", `function create() {\n${parts.join("\n")}\n}`);
      },
      /gateway\/src\/config\.ts:\d+: create has 202 lines; split it by role/,
    ],
    [
      "a file with an empty name",
      () =>
        renameSync(
          path("packages/firstpromoter/src/promoters/times.ts"),
          path("packages/firstpromoter/src/promoters/utils.ts"),
        ),
      /utils\.ts: name it/,
    ],
    [
      "an entry point that is not published",
      () => {
        const file = path("packages/firstpromoter/package.json");
        const manifest = JSON.parse(readFileSync(file, "utf8"));
        delete manifest.publishConfig.exports["./client"];
        writeFileSync(file, JSON.stringify(manifest));
      },
      /publishConfig\.exports must have "\.\/client"/,
    ],
    [
      "a vendor that the gateway does not know",
      () =>
        writeFileSync(
          path("apps/gateway/src/vendors.ts"),
          'export const altcraft = () => import("@reinstate/altcraft");',
        ),
      /vendors\.ts lacks a line for @reinstate\/firstpromoter/,
    ],
    [
      "an import that leaves its package",
      () => append("packages/vicidial/src/options.ts", 'import "../../batch-core/src/batch/chunk-codec.ts";'),
      /reaches out of its package/,
    ],
  ];

  test.each(faults)("%s", (_, plant, complaint) => {
    plant();
    expect(inspect(copy).join("\n")).toMatch(complaint);
  });
});
